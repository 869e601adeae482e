"""Every private name of trio, asyncio, uvloop and CPython that we lean on, in one place.

A name that is gone costs a part of what is recorded, never the program: `missing` says which part.
Nothing here imports a backend; it looks into what the program has imported.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "asyncio_replace_callbacks",
    "asyncio_running_loop",
    "asyncio_wakeup_fd",
    "missing",
    "trio_checkpoint",
    "trio_instruments",
    "trio_rebind_send",
    "trio_run_module",
    "trio_step_code",
    "why_not",
]


class _Name(NamedTuple):
    """A private name, and what is lost without it."""

    module: str
    path: str
    lost: str


_NAMES: Final = (
    _Name(
        "trio._core._run",
        "setup_runner",
        "record() and tracetools run see no trio run; FlamegraphInstrument does",
    ),
    _Name(
        "trio._core._run",
        "GLOBAL_RUN_CONTEXT",
        "an instrument that is added to a running loop starts with the next step, and one that is"
        " removed records on",
    ),
    _Name(
        "trio._core._run",
        "Task._next_send_fn",
        "the first step of each task that was scheduled when an instrument was added is not seen",
    ),
    _Name(
        "trio._core._run", "unrolled_run", "functions below trio's own frames are not told apart"
    ),
    _Name(
        "trio._core._traps",
        "CancelShieldedCheckpoint",
        "tasks that wake themselves are not counted",
    ),
    _Name("asyncio.events", "Handle._callback", "tasks that were scheduled miss one step"),
    _Name("asyncio.events", "_get_running_loop", "spans outside of tasks are taken for a thread's"),
    _Name("sys", "_current_frames", "functions and blocking lines are not sampled"),
    _Name("sys", "_getframe", "spans have no line"),
)


def missing() -> Iterator[str]:
    """Give a sentence for each private name that is gone, of what the program has imported."""
    for module, path, lost in _NAMES:
        found: Any = sys.modules.get(module)
        if found is None:
            continue
        for name in path.split("."):
            found = getattr(found, name, _GONE)
        if found is _GONE:
            yield f"{module}.{path} is gone: {lost}"


_GONE: Final = object()


def why_not() -> str | None:
    """Return why this interpreter cannot be recorded; ``None`` if it can."""
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    if is_gil_enabled():
        return None
    return (
        "a free-threaded Python without its GIL cannot be recorded: reading the frames of another"
        " thread is not safe there; start it with PYTHON_GIL=1, or use the usual build"
    )


def trio_instruments() -> Any:
    """Return what trio knows the instruments of this thread's run by; None outside of a run."""
    context = getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None)
    runner = getattr(context, "runner", None)
    instruments = getattr(runner, "instruments", None)
    try:
        return None if instruments is None else instruments["_all"]
    except (KeyError, TypeError):
        return None


def trio_rebind_send(task: Any, send: Any) -> None:
    """Have the next step of a trio task that is scheduled already go to another coroutine."""
    scheduled = getattr(task, "_next_send_fn", None)
    if scheduled is not None and getattr(scheduled, "__name__", "") == "send":
        task._next_send_fn = send  # noqa: SLF001


def trio_step_code() -> Any:
    """Return the code of trio's function that steps tasks; None if it is gone."""
    run = getattr(trio_run_module(), "unrolled_run", None)
    return getattr(run, "__code__", None)


def trio_checkpoint() -> object:
    """Return what a trio task yields at a checkpoint; something else if the name is gone."""
    traps = sys.modules.get("trio._core._traps")
    return getattr(traps, "CancelShieldedCheckpoint", _GONE)


_found: Final[dict[str, Any]] = {}


def trio_run_module() -> Any:
    """Return trio's module that makes runners and runs them, as it was imported first."""
    module = sys.modules.get("trio._core._run")
    return _found.get("trio") or (_found.setdefault("trio", module) if module else None)


def asyncio_replace_callbacks(loop: Any, replace: Callable[[Any], Any]) -> None:
    """Replace what a loop is going to call next; nothing for loops in C."""
    for handle in getattr(loop, "_ready", ()):
        handle._callback = replace(handle._callback)  # noqa: SLF001


def asyncio_running_loop() -> Any:
    """Return the asyncio loop that runs in this thread; None if there is none."""
    # not there while asyncio is being imported
    get = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return None if get is None else get()


def asyncio_wakeup_fd(loop: Any) -> int | None:
    """Return the descriptor that wakes a loop when a byte is written to it; None if unknown."""
    pipe = getattr(loop, "_csock", None)
    return None if pipe is None else int(pipe.fileno())
