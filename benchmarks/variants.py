"""The ways to record that are compared, and how a process measures them against each other."""

from __future__ import annotations

import gc
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

Options = dict[str, Any]

VARIANTS: Mapping[str, Options | None] = {
    "nothing": None,
    "time only": {"await_stacks": False, "blocking": None, "scheduled": False},
    "default": {},
    "functions": {"functions": True},
    "wakers": {"wakers": True},
    "keep": {"keep": 10},
    "all on": {"scheduled": True, "functions": True, "wakers": True},
}
"""The options of `record`; ``None`` where nothing is recorded."""


@contextmanager
def recording(options: Options | None) -> Iterator[Any]:
    """Record what runs within, into a file that is removed; see that it was recorded and is right.

    Gives the `Recording`, ``None`` where nothing is recorded.
    """
    if options is None:
        yield None
        return
    from tracetools import record  # noqa: PLC0415  # not where nothing is recorded

    with tempfile.TemporaryDirectory() as folder:
        with record(Path(folder) / "stack", **options) as recorded:
            yield recorded
        recorded.profile.check()
        if not recorded.profile.busy:
            message = "nothing was recorded"
            raise RuntimeError(message)


def pin(core: int | None) -> None:
    """Keep this process on one core, where the system can do that."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def interleave(
    ways: Mapping[str, Callable[[], list[float]]], *, seconds: float = 0, rounds: int = 6
) -> dict[str, list[list[float]]]:
    """Call all ways in turn, round by round, so that all see one machine; return what they return.

    The order differs from round to round. One round before is thrown away.

    Args:
        ways: each measures some slices, and returns what each took.
        seconds: there are rounds for so long.
        rounds: there are so many at least.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in ways}
    names, dice = list(ways), random.Random(1)
    until, number = perf_counter() + seconds, 0
    while number <= rounds or perf_counter() < until:
        dice.shuffle(names)
        for name in names:
            gc.collect()
            slices = ways[name]()
            if number:
                found[name].append(slices)
        number += 1
    return found
