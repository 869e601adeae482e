"""Every trio run that begins is given the instruments that listen, and lets go of them in time."""

from __future__ import annotations

import errno
import threading
import types

import trio
from trio import run as copy_of_run
from trio._core import _run

from tracetools import compat
from tracetools.instruments import trio_patches as runs

ORIGINAL = _run.setup_runner


class Instrument(trio.abc.Instrument):
    def __init__(self):
        self.heard = []

    def before_run(self):
        self.heard.append("before")

    def after_run(self):
        self.heard.append("after")

    def before_task_step(self, task):
        self.stepped = task


async def main():
    await trio.lowlevel.checkpoint()
    return 5


def test_runs_are_heard_while_somebody_listens_and_no_longer():
    first, second = Instrument(), Instrument()
    runs.listen(first)
    runs.listen(second)
    assert trio.run(main) == 5
    runs.unlisten(first)
    assert copy_of_run(main) == 5
    runs.unlisten(second)
    assert _run.setup_runner is ORIGINAL
    assert trio.run(main) == 5
    assert first.heard == ["before", "after"]
    assert second.heard == ["before", "after"] * 2


def test_the_programs_own_instruments_stay():
    ours, own = Instrument(), Instrument()
    runs.listen(ours)
    try:
        trio.run(main, instruments=[own])
    finally:
        runs.unlisten(ours)
    assert ours.heard == own.heard == ["before", "after"]


def test_a_run_in_another_thread_lets_go_soon():
    instrument = Instrument()
    begun, left, found = threading.Event(), threading.Event(), []

    async def other():
        begun.set()
        while not left.is_set():  # noqa: ASYNC110
            await trio.sleep(0)
        await trio.sleep(0)
        await trio.sleep(0)
        del instrument.stepped
        await trio.sleep(0)
        found.append(hasattr(instrument, "stepped"))

    runs.listen(instrument)
    thread = threading.Thread(target=trio.run, args=[other])
    thread.start()
    begun.wait(10)
    runs.unlisten(instrument)
    left.set()
    thread.join()
    assert found == [False]


def test_a_run_that_ended_by_an_internal_error_is_let_go():
    def wake(*_):
        raise OSError(errno.EBADF, "its socket is closed")

    class Ended:
        entry_queue = types.SimpleNamespace(run_sync_soon=wake)

    instrument, runner = Instrument(), Ended()
    runs.listen(instrument)
    runs._runners.add(runner)
    runs.unlisten(instrument)
    assert _run.setup_runner is ORIGINAL


def test_a_trio_without_the_private_name_is_left_alone_and_the_loss_is_named(monkeypatch):
    monkeypatch.delattr(_run, "setup_runner")
    runs.listen(Instrument())
    assert not hasattr(_run, "setup_runner")
    [sentence] = compat.missing()
    assert sentence.startswith("trio._core._run.setup_runner is gone: record()")
