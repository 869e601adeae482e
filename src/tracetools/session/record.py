"""`record`: follows every run of every backend that begins while it is entered.

What it installs: patches of asyncio's loop classes (`asyncio_patches`) and of the function that
makes trio's runs (`trio_patches`), as soon as the program has imported either (`module_imports`).
The sampler starts with the first loop (`Recording.loop_began`).
"""

from __future__ import annotations

import os  # `inspect` evaluates it
from dataclasses import dataclass
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any

from tracetools import compat
from tracetools.core.errors import RecordingError
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.instruments import module_imports
from tracetools.recording import notebooks, outer_spans
from tracetools.recording.running import is_in_trio_task, running_loop
from tracetools.session.options import Options, function_taking
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Generator

    from tracetools.instruments.asyncio import AsyncioInstrument
    from tracetools.instruments.trio import TrioInstrument

__all__ = ["Record", "record"]


@dataclass(frozen=True)
class _Arguments(Options):
    """What `record` takes."""

    file: str | os.PathLike[str] | None = None


@function_taking(_Arguments)
def record(arguments: _Arguments) -> Record:  # noqa: D417  # below
    """Record where the time of a program goes, on whatever backend, into a folded stack file.

    ``with record("stack"):`` around any code records every trio run and every asyncio loop that
    starts inside, in any thread, guest runs and uvloop included. An asyncio loop that ran before is
    followed from the next task on that it creates. ``async with record("stack"):`` records the run
    that it is in, on either backend, from there on. Both give a `Recording`, whose ``profile`` can
    be asked for at any moment. Several recordings at once do not disturb each other. The file is
    written at the end, at each flush, and whenever no loop is left.

    In a cell of a notebook, ``with`` may stand around top-level ``await`` as well. Only there is
    the kernel's loop recorded, and the kernel's own tasks stand in one frame apart. Without a stack
    file, the report is shown below the cell.

    Args:
        file: where the stacks go; the suffix becomes ``.folded``. The file is created here.
            ``None`` to write nothing.
        {options}

    Raises:
        StackFileError: the stack file cannot be written.
        ValueError, TypeError: an option has no such value.
        RecordingError: when entered by ``with`` inside a running loop, but for cells of notebooks,
            by ``async with`` outside of trio and asyncio, or a second time; or this interpreter
            cannot be recorded.
    """
    return Record(Recording(arguments.file, arguments, closes=True))


class Record:
    """What `record` returns: the recording waits until it is entered, by either kind of with."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._is_used = False
        self._trio: TrioInstrument | None = None
        self._asyncio: AsyncioInstrument | None = None
        self._blocked: AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return repr(self._recording) if self._is_used else "<recording that was not begun>"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the report of what was recorded up to now."""
        if self._is_used:
            return self._recording._repr_html_()
        return "<p>tracetools: nothing is recorded yet. Use this object by <code>with</code>.</p>"

    def __enter__(self) -> Recording:
        loop, is_in_trio = running_loop(), is_in_trio_task()
        joins = False
        if loop is not None or is_in_trio:
            caller = notebooks.calling_code()
            if caller is None:
                raise self._refusal("a loop runs already: use 'async with record(...)' within it")
            joins = notebooks.awaits(caller)
        return self._begin(None if joins and not is_in_trio else loop, joins=joins)

    def follow(self) -> Recording:
        """Enter it, also in a step of a loop that is not going to be recorded."""
        return self._begin(None, joins=False)

    def join_guest_run(self) -> None:
        """Record the guest run of trio that goes on in this thread as well, if there is one.

        It is between two of its steps: the host calls this.
        """
        if self._trio is not None and not is_in_trio_task() and compat.trio_is_guest():
            self._trio.join()

    def join_loop(self, loop: AbstractEventLoop) -> None:
        """Record a loop that runs, from a callback of it on. It was entered before."""
        if self._asyncio is not None:
            self._asyncio.starts(loop)

    def join_run(self) -> None:
        """Record the run of trio that this is called in, from a callback of it on."""
        if self._trio is not None and self._recording.is_open:
            self._trio.join()

    def failed(self) -> None:
        """Log the error that is being handled, which kept a loop from being recorded."""
        self._recording.recorder.messages.exception(
            "a loop could not be joined; the program goes on"
        )

    def _begin(self, blocked: AbstractEventLoop | None, *, joins: bool) -> Recording:
        self._use()
        try:
            self._blocked = blocked
            if self._recording.makes_spans:
                outer_spans.want(self)
            self._recording.begin()
            module_imports.when_imported("asyncio", self._listen_to_loops)
            module_imports.when_imported("trio", self._listen_to_runs)
            if joins:
                self._join(running_loop())
        except BaseException:  # Ctrl-C, perhaps
            self._leave()
            raise
        return self._recording

    def __exit__(self, *_: object) -> None:
        self._leave()

    async def __aenter__(self) -> Recording:
        loop = None if is_in_trio_task() else running_loop()
        if loop is None and not is_in_trio_task():
            raise self._refusal("neither trio nor asyncio runs here: use 'with record(...)'")
        self._use()
        try:
            if loop is None:
                self._join_run()
            elif notebooks.calling_code() is None:
                self._join_loop(loop).starts(loop)
                await _next_step()
            else:  # the step of a cell ends where the cell awaits
                self._join_loop(loop).join(loop)
        except BaseException:  # Ctrl-C, perhaps, or a cancellation
            self._leave()
            raise
        return self._recording

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _refusal(self, why: str) -> RecordingError:
        """Return the error, and leave no empty file."""
        self._recording.discard()
        return RecordingError(why)

    def _use(self) -> None:
        if self._is_used:
            raise RecordingError("a record(...) can be entered once only; make another one")
        self._is_used = True

    def _listen_to_loops(self) -> None:
        from tracetools.instruments import asyncio_patches  # noqa: PLC0415  # imports asyncio
        from tracetools.instruments.asyncio import AsyncioInstrument  # noqa: PLC0415

        # first, for whoever has to clean up
        self._asyncio = AsyncioInstrument(self._recording, blocked=self._blocked)
        asyncio_patches.listen(self._asyncio)

    def _listen_to_runs(self) -> None:
        from tracetools.instruments import trio_patches  # noqa: PLC0415  # imports trio
        from tracetools.instruments.trio import TrioInstrument  # noqa: PLC0415

        self._trio = TrioInstrument(self._recording)
        trio_patches.listen(self._trio)

    def _join(self, loop: AbstractEventLoop | None) -> None:
        """Record the loop that the calling task runs in, as well as those that begin."""
        if is_in_trio_task() and self._trio is not None:
            self._trio.join()
        elif self._asyncio is not None and loop is not None:
            self._asyncio.join(loop)

    def _join_loop(self, loop: AbstractEventLoop) -> AsyncioInstrument:
        from tracetools.instruments import asyncio_patches  # noqa: PLC0415
        from tracetools.instruments.asyncio import AsyncioInstrument  # noqa: PLC0415

        self._asyncio = AsyncioInstrument(self._recording, only=loop)
        asyncio_patches.listen(self._asyncio)
        return self._asyncio

    def _join_run(self) -> None:
        from tracetools.instruments.trio import TrioInstrument  # noqa: PLC0415

        self._trio = TrioInstrument(self._recording)
        self._trio.join()

    def _leave(self) -> None:
        """End the recording, and leave nothing of ours installed.

        In this order: a loop that is not followed any more must not be taken for a plain thread.
        An error of ours is logged: raised, it would take the place of one of the program's.
        """
        with Insist() as insist:
            insist.do(self._try, self._recording.close)
            insist.do(self._try, self._unlisten)
            if self._recording.is_to_be_shown:
                insist.do(self._try, partial(notebooks.show_after_cell, self._recording))

    def _try(self, action: Callable[[], object]) -> None:
        """Do something. An error of ours is logged."""
        try:
            action()
        except Exception as error:
            if is_interruption(error):
                raise
            self._recording.recorder.messages.exception(
                "the recording could not be ended as it should; the program goes on"
            )

    def forget(self) -> None:
        """Leave nothing of ours installed, in a forked child. The recording is the parent's."""
        self._try(self._unlisten)

    def _unlisten(self) -> None:
        outer_spans.want_no_more(self)
        module_imports.forget(self._listen_to_loops)
        module_imports.forget(self._listen_to_runs)
        if self._asyncio is not None:
            from tracetools.instruments import asyncio_patches  # noqa: PLC0415

            asyncio_patches.unlisten(self._asyncio)
            self._asyncio.leave()
        if self._trio is not None:
            from tracetools.instruments import trio_patches  # noqa: PLC0415

            self._trio.leave()
            trio_patches.unlisten(self._trio)


@coroutine
def _next_step() -> Generator[None, Any, None]:
    """End the step of the asyncio task that awaits this; its next one comes at once."""
    yield
