"""Enters a recording while the program runs, and has it join the loops that run already.

Until then, loops are only listed, as they begin, or as they are found while they run: the patches
of a recording are there, with listeners that do nothing for tasks. Each loop joins in its own
thread: asyncio's and uvloop's in a callback, trio's in a callback of its entry queue. So a loop
that is blocked joins when its step is over, and what it did before is not recorded. Its tasks are
all followed from there on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from tracetools.core.interruptions import is_interruption
from tracetools.instruments import module_imports, running_loops
from tracetools.instruments.listener import Listener

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from tracetools.session.record import Record

__all__ = ["Latecomer"]


class Latecomer(Listener):
    """Has a recording begin late.

    Args:
        record: the recording, which was not entered.

    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._loops: WeakSet[AbstractEventLoop] = WeakSet()
        self._instrument: Any = None
        self._listens = False
        self._asked: set[object] = set()

    @property
    def missing(self) -> int:
        """How many loops were asked to join, and have not yet."""
        return len(self._asked)

    def watch(self) -> None:
        """List the loops that begin from now on."""
        module_imports.when_imported("asyncio", self._watch_loops)
        module_imports.when_imported("trio", self._watch_runs)

    def find_running(self) -> None:
        """List the loops that run already as well. They are watched by now."""
        if self._listens:
            self._loops.update(running_loops.running_loops())
        if self._instrument is not None:
            from tracetools.instruments import trio_patches  # noqa: PLC0415  # imports trio

            trio_patches.note_runs(running_loops.running_runs())

    def begin(self) -> None:
        """Enter the recording, and let the loops join that run. From any thread."""
        self._record.follow().recorder.start_now()
        for loop in tuple(self._loops):
            self._ask_loop(loop)
        if self._instrument is not None:
            from tracetools.instruments import trio_patches  # noqa: PLC0415  # imports trio

            join = self._record.join_run
            over = trio_patches.call_in_runs(lambda: self._joining(join))
            self._asked.difference_update(over)
        self.forget()

    def forget(self) -> None:
        """List loops no more."""
        module_imports.forget(self._watch_loops)
        module_imports.forget(self._watch_runs)
        if self._instrument is not None:
            from tracetools.instruments import trio_patches  # noqa: PLC0415

            trio_patches.unlisten(self._instrument)
            self._instrument = None
        if self._listens:
            from tracetools.instruments import asyncio_patches  # noqa: PLC0415

            self._listens = False
            asyncio_patches.unlisten(self)

    def _watch_loops(self) -> None:
        # What the recording needs is imported now: later, the program would wait for it.
        import tracetools.instruments.asyncio  # noqa: F401, PLC0415  # imports asyncio
        from tracetools.instruments import asyncio_patches  # noqa: PLC0415

        self._listens = True
        asyncio_patches.listen(self)

    def _watch_runs(self) -> None:
        import tracetools.instruments.trio  # noqa: F401, PLC0415  # imports trio
        from tracetools.instruments import trio_patches  # noqa: PLC0415

        self._instrument = trio_patches.watch()

    # -- called for loops --------------------------------------------------------------------------

    def starts(self, loop: AbstractEventLoop) -> None:
        """Note that a loop runs."""
        with contextlib.suppress(TypeError):  # a class of the program's without weak references
            self._loops.add(loop)

    def stops(self, loop: AbstractEventLoop) -> None:
        """Note that a loop does not run any more."""
        self._loops.discard(loop)

    def _ask_loop(self, loop: AbstractEventLoop) -> None:
        from tracetools.instruments import loop_state  # noqa: PLC0415  # imports asyncio

        join = self._joining(lambda: self._record.join_loop(loop))
        with contextlib.suppress(RuntimeError):  # it was closed meanwhile
            if loop_state.call_soon_threadsafe(loop, join):
                return
        self._asked.discard(join)

    def _joining(self, join: Callable[[], object]) -> Callable[[], None]:
        """Return what a loop calls to join."""

        def call() -> None:
            self._asked.discard(call)
            try:
                join()
            except Exception as error:
                if is_interruption(error):
                    raise
                self._record.failed()

        self._asked.add(call)
        return call
