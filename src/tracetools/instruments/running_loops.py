"""Finds the loops and the runs of trio that go on just now, from any thread, without patches.

A thread that runs a loop has a frame of asyncio's or of trio's whose variables name it. A loop in C
whose caller is the program's, and a guest run between two of its steps, have none: only if nothing
is found so, what refers to the classes of loops is looked through, which takes longer.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.core.frame_locals import locals_of

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterator
    from types import FrameType

__all__ = ["running_loops", "running_runs"]

_RUNS_LOOP: Final = frozenset({"run", "run_forever", "run_until_complete"})
"""The functions of asyncio, of uvloop and of trio that run a loop."""

_LIBRARIES: Final = frozenset({"asyncio", "uvloop"})


def running_loops() -> list[AbstractEventLoop]:
    """Return the loops of asyncio and of uvloop that run. Nothing is imported."""
    base = _class_of("asyncio", "AbstractEventLoop")
    if base is None:
        return []
    from tracetools.instruments import loop_state  # noqa: PLC0415  # imports asyncio

    loops = [loop for each in _named_in_frames(_LIBRARIES) for loop in _loops_in(each, base)]
    if not loops:
        loops = list(_instances(base))
    return [loop for loop in dict.fromkeys(loops) if loop_state.is_running(loop)]


def running_runs() -> list[Any]:
    """Return the runners of trio that run, and perhaps of runs that are just over."""
    if _class_of("trio", "run") is None:
        return []
    base = getattr(compat.trio_run_module(), "Runner", None)
    if not isinstance(base, type):
        return []
    found = [each for each in _named_in_frames({"trio"}) if type(each) is base]
    return list(dict.fromkeys(found)) or list(_instances(base))


def _class_of(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


def _named_in_frames(libraries: frozenset[str] | set[str]) -> Iterator[Any]:
    """Give what variables name in the frames in which libraries run loops."""
    for innermost in compat.frames_of_threads():
        frame: FrameType | None = innermost
        while frame is not None:
            module = str(frame.f_globals.get("__name__")).partition(".")[0]
            if module in libraries and frame.f_code.co_name in _RUNS_LOOP:
                yield from locals_of(frame).values()
            frame = frame.f_back


def _loops_in(named: Any, base: type) -> Iterator[Any]:
    """Give a loop, or the loop of what runs it: `asyncio.Runner`."""
    if issubclass(type(named), base):
        yield named
    elif type(named) is _class_of("asyncio", "Runner"):
        loop = getattr(named, "_loop", None)
        if issubclass(type(loop), base):
            yield loop


def _instances(base: type) -> Iterator[Any]:
    classes = [base, *_derived(base)]
    for found in gc.get_referrers(*classes):
        if type(found) in classes:
            yield found


def _derived(base: type) -> Iterator[type]:
    kind: type
    for kind in base.__subclasses__():
        yield kind
        yield from _derived(kind)
