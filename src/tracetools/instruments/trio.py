"""`TrioInstrument`: the hooks that trio calls, and in which runs it calls them.

What is done with the tasks stands in `trio_tasks`. Facts about trio that shape this module:

- A hook costs its dispatch at every step. trio does not call one that an instance inherits from
  `trio.abc.Instrument`, so an instance leaves out what it does not need.
- trio swallows whatever a hook raises, and drops the instrument. Ctrl-C that arrives in a hook
  which the program's own code called would be lost with it, unless the hook is protected.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from threading import get_ident
from types import MethodType
from typing import TYPE_CHECKING, Any, Final

import trio

from tracetools import compat
from tracetools.attribution.functions import register_step
from tracetools.core.interruptions import Insist, is_interruption, signal_of
from tracetools.core.native import native, references
from tracetools.guest.signals import send_again
from tracetools.instruments.trio_tasks import TrioTasks
from tracetools.recording import current, spans
from tracetools.recording.collector import on_collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.lowlevel import Task

    from tracetools.instruments.tasks import Recording

__all__ = ["TrioInstrument"]

_STEP_HOOKS: Final = ("before_task_step", "after_task_step")
_EXIT_HOOK: Final = ("task_exited",)


class TrioInstrument(trio.abc.Instrument):
    """Follows the tasks of all trio runs that it is given to, for one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._recorder = recording.recorder
        self._tasks = TrioTasks(
            self._recorder,
            task_names=recording.task_names,
            task_spawned=MethodType(TrioInstrument.task_spawned, self),
        )
        self._joined: set[int] = set()
        self._is_moving = False
        if native is not None and type(self).task_spawned is TrioInstrument.task_spawned:
            self.task_spawned = self._tasks.spawns.task_spawned  # type: ignore[method-assign]
        if self._recorder.scheduled and not self._tasks.spawns.hears_wakes:
            self.task_scheduled = self._task_scheduled  # type: ignore[method-assign]

    def join(self) -> None:
        """Record the run that this is called in, from now on."""
        trio.lowlevel.add_instrument(self)
        self._notice_membership()

    def leave(self) -> None:
        """Do not record the run that this is called in any more, if it was recorded."""
        with suppress(KeyError, RuntimeError):
            trio.lowlevel.remove_instrument(self)
        self._notice_membership()

    # -- hooks, which trio calls -------------------------------------------------------------------

    def before_run(self) -> None:
        """Start to record a run. Called by trio."""
        try:
            self._start_run()
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # trio would drop the instrument
            self._struck(error, "the start of a run", self._start_run)

    def after_run(self) -> None:
        """End the recording of a run, and write the stack file. Called by trio."""
        try:
            self._end_run()
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "the end of a run", self._end_run)

    def task_spawned(self, task: Task) -> None:
        """Give a new task a stepped coroutine, under the current stack of the task that spawns it.

        Called by trio.
        """
        try:
            self._tasks.spawned(task)
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "a new task", self._tasks.spawned, task)

    def before_task_step(self, task: Task) -> None:
        """Start a step of a task that has no stepped coroutine.

        trio calls it only in a run that an instrument was added to, until the step ends in which it
        was; an instrument that passes the hooks on may call it always.
        """
        try:
            self._tasks.begin_step(task)
            self._settle()
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "the start of a step", self._tasks.begin_step, task)

    def after_task_step(self, task: Task) -> None:
        """End a step of a task that has no stepped coroutine; see `before_task_step`."""
        try:
            self._tasks.end_step(task)
            self._settle()
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "the end of a step", self._tasks.end_step, task)

    def task_exited(self, task: Task) -> None:
        """Close the account of a task, though its step has not ended yet.

        trio calls it only where stepped coroutines do not see each exit of a task.
        """
        try:
            self._tasks.task_exited(task)
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "the exit of a task", self._tasks.task_exited, task)

    def _task_scheduled(self, task: Task) -> None:
        """Note that a task is scheduled; `task_scheduled` of an instrument that measures that."""
        try:
            self._tasks.scheduled(task)
        except RecursionError:  # there is no room to call anything
            pass
        except BaseException as error:  # noqa: BLE001  # likewise
            self._struck(error, "the scheduling of a task", self._tasks.scheduled, task)

    def _struck(
        self, error: BaseException, what: str, action: Callable[..., object], *arguments: Any
    ) -> None:
        """Handle an error that struck in a hook. trio swallows what a hook raises.

        So what a signal handler of the program's has raised is raised in the program a little
        later, and what was interrupted is done once more.
        """
        if is_interruption(error):
            self._raise_later(error)
            try:
                action(*arguments)
            except BaseException as again:  # noqa: BLE001  # likewise
                self._struck(again, what, _nothing)
        elif not isinstance(error, RecursionError):
            self._recorder.stop(f"{what} could not be recorded")

    def _raise_later(self, error: BaseException) -> None:
        loop = self._tasks.here()
        number = signal_of(error)
        if loop is not None:
            loop.postpone(error)
        elif number is not None:  # the run is over: the handler is called once more, after us
            send_again(number)

    # -- being added and removed -------------------------------------------------------------------

    def __hash__(self) -> int:
        """Return the identity's hash.

        trio looks an instrument up when it is added or removed, and tells it nothing. So this is
        the moment to compare what trio has with what is recorded.
        """
        if not self._is_moving:
            try:
                self._notice_membership()
            except RecursionError:  # there is no room to call anything
                pass
            except BaseException as error:  # noqa: BLE001  # trio is in the midst of a change
                self._struck(
                    error, "the adding or removing of the instrument", self._notice_membership
                )
        return object.__hash__(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def _notice_membership(self) -> None:
        """Start or end the recording of a run that this was added to or removed from."""
        members = compat.trio_instruments()
        if members is None:
            return
        is_member = any(member is self for member in members)
        here = get_ident()
        if is_member:
            self._joined.add(here)
            if self._tasks.here() is None:
                self._join_run()
        elif here in self._joined:
            self._joined.discard(here)
            self._end_run()

    def _start_run(self) -> None:
        if self._tasks.here() is None or not self._tasks.is_fresh:
            self._leave_hooks_out()
            self._open()

    def _open(self) -> None:
        if self._recording.is_open:
            self._tasks.begin()
            self._recording.loop_began()

    def _join_run(self) -> None:
        """Start to record a run that goes on already."""
        try:
            root = trio.lowlevel.current_root_task()
        except RuntimeError:  # not in a run: trio.run takes its instruments before it begins
            return
        if root is not None and inspect.getcoroutinestate(root.coro) != inspect.CORO_CLOSED:
            self._open()
            if self._tasks.here() is not None:
                self._tasks.join(root)

    def _end_run(self) -> None:
        if self._tasks.here() is None:
            return
        with Insist() as insist:
            insist.do(self._tasks.end)
            insist.do(self._recording.loop_ended)

    # -- which hooks trio calls --------------------------------------------------------------------

    def _settle(self) -> None:
        """Leave the hooks out that no step needs any more."""
        if not self._tasks.needs_hooks():
            self._leave_hooks_out()

    def _leave_hooks_out(self) -> None:
        """Be added anew, in a form in which trio finds no hooks for steps and exits."""
        members = compat.trio_instruments()
        if self._is_moving or members is None or not any(one is self for one in members):
            return
        hooks = _STEP_HOOKS + _EXIT_HOOK * self._tasks.sees_exits
        for name in hooks:
            if getattr(type(self), name) is not getattr(TrioInstrument, name):
                return  # a subclass wants them
        self._is_moving = True
        try:
            for name in hooks:
                inherited = MethodType(getattr(trio.abc.Instrument, name), self)
                setattr(self, name, inherited)
            with Insist() as insist:
                insist.do(_remove, self)
                insist.do(trio.lowlevel.add_instrument, self)
        finally:
            for name in hooks:
                self.__dict__.pop(name, None)
            self._is_moving = False


def _nothing() -> None:
    """Stand for what need not be done once more."""


def _remove(instrument: TrioInstrument) -> None:
    with suppress(KeyError):
        trio.lowlevel.remove_instrument(instrument)


def _protect_from_ctrl_c() -> None:
    """Let Ctrl-C wait while our code runs, so that it is neither lost in it nor breaks it in two.

    trio finds protected functions by their code, at no cost to a call.
    """
    mine: tuple[Any, ...] = (
        TrioInstrument.__hash__,
        TrioInstrument.before_run,
        TrioInstrument.after_run,
        TrioInstrument.task_spawned,
        TrioInstrument.before_task_step,
        TrioInstrument.after_task_step,
        TrioInstrument.task_exited,
        TrioInstrument._task_scheduled,  # noqa: SLF001
        TrioTasks.lateness,
        references["Span"].__enter__,
        references["Span"].__exit__,
        spans._DormantSpan._enter,  # noqa: SLF001
        spans._enter_again,  # noqa: SLF001
        references["open_span"],
        references["close_span"],
        current._close_elsewhere,  # noqa: SLF001
        current._opening_failed,  # noqa: SLF001
        current._closing_failed,  # noqa: SLF001
        on_collection,
    )
    for function in mine:
        trio.lowlevel.enable_ki_protection(function)


_protect_from_ctrl_c()
if (code := compat.trio_step_code()) is not None:
    register_step(code)
