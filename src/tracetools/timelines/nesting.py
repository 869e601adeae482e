"""Stretches of time that lie within each other, and those that overlap another one in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

from tracetools.guest.pace import paced

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Stretch", "innermost", "nest"]

_Content = TypeVar("_Content")

Stretch: TypeAlias = tuple[int, int, _Content]
"""When something begins, when it ends, and what it is."""


def nest(
    stretches: Iterable[Stretch[_Content]],
) -> tuple[list[Stretch[_Content]], list[Stretch[_Content]]]:
    """Return stretches that nest, and the rest. Both are in the order of their beginnings.

    Of those that nest, any two lie one after the other or one within the other; what lies within
    another one comes after it. Each of the rest overlaps one that begins before in part.

    The stretches come in the order of their ends. Of equal ones the last is the outermost.
    """
    whole: list[Stretch[_Content]] = []
    loose: list[Stretch[_Content]] = []
    opened: list[int] = []
    in_order = [*stretches][::-1]
    in_order.sort(key=lambda stretch: (stretch[0], -stretch[1]))
    for stretch in paced(in_order):
        begin, end, _ = stretch
        while opened and opened[-1] <= begin:
            opened.pop()
        if opened and opened[-1] < end:
            loose.append(stretch)
        else:
            opened.append(end)
            whole.append(stretch)
    return whole, loose


def innermost(stretches: Iterable[Stretch[_Content]]) -> list[Stretch[_Content]]:
    """Return which stretch is the innermost when, without overlaps and in order of time.

    The stretches come in the order of their ends. What overlaps another one in part is left out.
    """
    found: list[Stretch[_Content]] = []
    opened: list[Stretch[_Content]] = []
    now = 0

    def go_on(until: int) -> None:
        nonlocal now
        if opened and now < until:
            found.append((now, until, opened[-1][2]))
        now = max(now, until)

    for stretch in paced(nest(stretches)[0]):
        while opened and opened[-1][1] <= stretch[0]:
            go_on(opened[-1][1])
            opened.pop()
        go_on(stretch[0])
        now = stretch[0]
        opened.append(stretch)
    while opened:
        go_on(opened[-1][1])
        opened.pop()
    return found
