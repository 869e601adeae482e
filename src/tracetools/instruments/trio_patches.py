"""Adds instruments to every trio run that begins.

While there are instruments, the function that makes trio's runners is replaced. `trio.run` and
`start_guest_run` look it up when they are called, so copies of them work as well.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import trio

from tracetools import compat
from tracetools.instruments.patching import Patches, lock
from tracetools.recording.forks import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["call_in_runs", "listen", "note_runs", "unlisten", "watch"]

_PLACE: Final = "setup_runner"
_run: Final = compat.trio_run_module()

_instruments: tuple[trio.abc.Instrument, ...] = ()
_runners: Final[WeakSet[Any]] = WeakSet()
_patches: Final = Patches()


def listen(instrument: trio.abc.Instrument) -> None:
    """Give `instrument` to every run that begins from now on."""
    global _instruments  # noqa: PLW0603  # replaced as a whole: others iterate over it
    if not hasattr(_run, _PLACE):  # a recording says so when it starts
        return
    with lock():
        _instruments = (*_instruments, instrument)
        _patches.replace(_run, _PLACE, _setup_runner)


def unlisten(instrument: trio.abc.Instrument) -> None:
    """Give it to no more runs, and remove it from those that go on."""
    global _instruments  # noqa: PLW0603
    with lock():
        _instruments = tuple(other for other in _instruments if other is not instrument)
        if not _instruments:
            _patches.undo()
    for runner in tuple(_runners):
        # From within the run: it may be in another thread, and be calling the instrument just now.
        # A run that ended by an internal error has closed its socket, and does not say so.
        with suppress(trio.RunFinishedError, OSError):
            runner.entry_queue.run_sync_soon(_remove, runner, instrument)


def watch() -> trio.abc.Instrument:
    """Note the runs that begin from now on, and do nothing in them; return what ends that.

    It is given to `unlisten`.
    """
    nothing = trio.abc.Instrument()
    listen(nothing)
    return nothing


def note_runs(runners: Iterable[Any]) -> None:
    """Note runs that go on, as if their beginning had been seen."""
    _runners.update(runners)


def call_in_runs(make: Callable[[], Callable[[], object]]) -> list[Callable[[], object]]:
    """Have a function of its own called soon in each run that goes on. From any thread.

    What it raises would crash the run. Returns the functions of runs that are over.
    """
    of_others = []
    for runner in tuple(_runners):
        function = make()
        try:
            runner.entry_queue.run_sync_soon(function)
        except (trio.RunFinishedError, OSError):
            of_others.append(function)
    return of_others


def _remove(runner: Any, instrument: trio.abc.Instrument) -> None:
    with suppress(KeyError):
        runner.instruments.remove_instrument(instrument)


def _setup_runner(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def setup_runner(*args: Any, **options: Any) -> Any:
        runner = original(*args, **options)
        for instrument in _instruments:
            runner.instruments.add_instrument(instrument)
        _runners.add(runner)
        return runner

    return setup_runner


renew_in_child(_runners.clear)  # to wake one would wake the parent's, by a socket that they share
