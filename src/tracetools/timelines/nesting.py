"""Stretches of time that lie within each other, and those that overlap another one in part."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Stretch", "nest"]

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
    for stretch in in_order:
        begin, end, _ = stretch
        while opened and opened[-1] <= begin:
            opened.pop()
        if opened and opened[-1] < end:
            loose.append(stretch)
        else:
            opened.append(end)
            whole.append(stretch)
    return whole, loose
