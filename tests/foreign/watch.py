"""Watches what an instrument of ours does in a foreign run, and writes down what is wrong.

No pytest here: it watches the runs of subprocesses too.
"""

from __future__ import annotations

import inspect
import logging
import os
from typing import TYPE_CHECKING, Any

import reports
import trio
from reports import say

from tracetools.core.stacks import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools import FlamegraphInstrument

FIRST_STEP, LAST_STEP = 3, 40
"""The steps between which an instrument is there that is added and removed midway."""

watched: list[Watch] = []
"""All watches, kept, so that whatever our instruments keep alive shows."""


class Watch(trio.abc.Instrument):
    """A second instrument, beside one of ours, that counts what ours must have seen."""

    def __init__(self, ours: FlamegraphInstrument, way: str) -> None:
        self.ours = ours
        self.way = way
        self.tasks = 0
        self.steps_started = 0
        self.steps_ended = 0
        self.over = False
        self.blamed = False
        self.detaches = "detach" in os.environ.get("PYTEST_CURRENT_TEST", "")
        watched.append(self)

    def task_spawned(self, task: Any) -> None:
        self.tasks += 1

    def before_task_step(self, task: Any) -> None:
        self.steps_started += 1
        if self.way == "midway" and self.steps_started == LAST_STEP:
            trio.lowlevel.remove_instrument(self.ours)

    def after_task_step(self, task: Any) -> None:
        self.steps_ended += 1
        if self.way == "midway" and self.steps_ended == FIRST_STEP:
            trio.lowlevel.add_instrument(self.ours)

    def after_run(self) -> None:
        self.over = True

    def check(self) -> None:
        """Write down what is wrong, once."""
        if not self.blamed:
            for what in self._faults():
                say("complaint", what)
                self.blamed = True

    def _faults(self) -> Iterator[str]:
        """Return what is wrong with the recording, whether the run is over or not."""
        try:
            profile = self.ours.profile
            profile.check()
        except Exception as error:
            yield f"the profile is wrong: {error!r}"
            return
        loops = self.ours._recorder.loops
        if any(is_over(task) for loop in loops for task in list(loop.tasks.values())):
            yield "a task that has exited is kept"
        if self.way != "shared" and self.over and self.ours._recorder.loops:
            yield "the run is over and is still recorded"
        if self.way == "each":
            # Functions in worker threads have entries as well, and may be sampled in a task's step
            # too; and collections of garbage have entries.
            tasks = sum(
                row.entries
                for path, row in profile.stacks.items()
                if (row.steps or ((row.busy or row.idle) and not row.thread))
                and path[-1] not in COLLECTIONS
            )
            steps = sum(times.steps for times in profile.stacks.values())
            # Where trio itself crashes, a step starts that does not end. A coroutine that is
            # detached makes steps of which trio does not know.
            most = steps if self.detaches else self.steps_started
            if tasks != self.tasks or not self.steps_ended <= steps <= most:
                seen = f"{self.tasks} tasks in {self.steps_ended} steps"
                yield f"the profile has {tasks} tasks in {steps} steps, trio had {seen}"


def is_over(task: Any) -> bool:
    return inspect.getcoroutinestate(task.coro) == inspect.CORO_CLOSED


def listen() -> None:
    """Write down what trio logs of our instruments, and the errors that our own logger reports."""
    logging.getLogger("trio.abc.Instrument").addFilter(_note_disabled)
    reports.listen()


def _note_disabled(record: logging.LogRecord) -> bool:
    named = record.args if isinstance(record.args, tuple) else ()  # trio's tests raise in their own
    if any(one in (watch.ours, watch) for one in named for watch in watched):
        say("complaint", f"trio: {record.getMessage()} {record.exc_info}")
    return True
