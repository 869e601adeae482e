"""How long spans and tasks lasted, by stack, for a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.stacks import stack_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.core.buckets import HistogramBuilder
    from tracetools.core.stacks import Frame, Stack, StackPath, StackTree

__all__ = ["copy_latencies", "latencies_by_path"]


def copy_latencies(trees: Iterable[StackTree]) -> list[tuple[Stack, HistogramBuilder]]:
    """Copy what is known up to now, while loops in other threads go on."""
    known = ((stack, stack.latency) for tree in trees for stack in tree.stacks[:])
    return [(stack, latency.copy()) for stack, latency in known if latency is not None]


def latencies_by_path(
    copies: Iterable[tuple[Stack, HistogramBuilder]], shorten: Callable[[Frame], Frame]
) -> dict[StackPath, Histogram]:
    """Return histograms by path, with frames as `shorten` shows them."""
    found: dict[StackPath, Histogram] = {}
    for stack, latency in copies:
        path = tuple(map(shorten, stack_path(stack)))
        found[path] = Histogram.of(latency).plus(found.get(path, EMPTY))
    return found
