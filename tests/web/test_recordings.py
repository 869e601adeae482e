"""One recording at a time, which ends with its client, and leaves nothing."""

from __future__ import annotations

import asyncio
import os

import anyio
import pytest

from tests.web.asking import ask, until
from tests.web.test_app import SECONDS
from tracetools.instruments import asyncio_patches, trio_patches
from tracetools.recording import forks
from tracetools.recording.current import recorders
from tracetools.session.late_recording import LateRecording
from tracetools.web import recordings
from tracetools.web.messages import RefusedError
from tracetools.web.queries import Wish
from tracetools.web.recordings import Slot, options_of

LONG = Wish(60.0, "busy", functions=False, format="")


def nothing_is_left():
    assert recorders == set()
    assert (asyncio_patches._listeners, trio_patches._instruments) == ((), ())
    assert not any(isinstance(each, recordings._OneRecording) for each in forks._followers)
    return True


async def until_it_records():
    await until(lambda: recorders)


def test_a_client_that_goes_away_ends_its_recording_at_once(app, run):
    async def main():
        goes = anyio.Event()
        async with anyio.create_task_group() as group:
            answers = []

            async def asks():
                answers.append(await ask(app, "/report", "seconds=60", goes=goes))

            group.start_soon(asks)
            await until_it_records()
            goes.set()
        return answers

    assert run(main()) == [None]
    assert nothing_is_left()
    assert app._slot.left is None


def test_a_task_that_is_cancelled_ends_its_recording(app, run):
    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(ask, app, "/report", "seconds=60")
            await until_it_records()
            group.cancel_scope.cancel()
        return app._slot.left

    assert run(main()) is None
    assert nothing_is_left()


def test_a_task_of_asyncio_that_is_cancelled_while_it_begins_ends_it(app, monkeypatch):
    steps = []

    def slowly(*arguments):
        steps.append("begins")
        while "cancelled" not in steps:
            pass
        return LateRecording(*arguments)

    monkeypatch.setattr(recordings, "LateRecording", slowly)

    async def main():
        task = asyncio.create_task(ask(app, "/report", "seconds=60"))
        await until(lambda: steps)
        task.cancel()
        steps.append("cancelled")
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not recorders and not asyncio_patches._listeners)

    asyncio.run(main())
    assert nothing_is_left()
    assert app._slot.left is None


@pytest.mark.usefixtures("draws_here")
def test_a_second_one_is_told_when_to_ask_again(app, run):
    async def main():
        goes, found = anyio.Event(), []
        async with anyio.create_task_group() as group:

            async def asks():
                await ask(app, "/report", "seconds=30", goes=goes)

            group.start_soon(asks)
            await until_it_records()
            found.append(await ask(app, "/profile", SECONDS))
            found.append(await ask(app, "/"))
            found.append(await ask(app, "/tasks"))
            goes.set()
        found.append(await ask(app, "/profile", SECONDS))
        return found

    busy, page, tasks, after = run(main())
    assert busy.status == 429
    assert 25 <= int(busy.headers["retry-after"]) <= 33
    assert "Another request records just now" in page.text
    assert (tasks.status, after.status) == (200, 200)


@pytest.mark.usefixtures("draws_here")
def test_a_client_that_reads_slowly_keeps_nobody_waiting(app, run):
    async def main():
        goes_on, reads = anyio.Event(), anyio.Event()

        async def slowly():
            reads.set()
            await goes_on.wait()

        answers = []

        async def asks():
            answers.append(await ask(app, "/report", SECONDS, sending=slowly))

        async with anyio.create_task_group() as group:
            group.start_soon(asks)
            await reads.wait()
            answers.append(await ask(app, "/report", SECONDS))
            goes_on.set()
        return [answer.status for answer in answers]

    assert run(main()) == [200, 200]


def test_what_cannot_be_recorded_is_told(app, monkeypatch):
    from tracetools.core.errors import RecordingError

    def refuses(*_):
        raise RecordingError("this interpreter has no GIL")

    monkeypatch.setattr(recordings, "LateRecording", refuses)
    found = asyncio.run(ask(app, "/report", SECONDS))
    assert (found.status, found.text) == (422, "this interpreter has no GIL\n")
    assert app._slot.left is None


def test_a_slot_is_taken_once():
    slot = Slot()
    assert slot.left is None
    slot.take(10)
    assert 10 <= slot.left <= 13
    with pytest.raises(RefusedError, match="another request records just now"):
        slot.take(1)
    slot.give_back()
    slot.take(1)


def test_a_slot_is_free_in_a_forked_child(monkeypatch):
    slot = Slot()
    slot.take(10)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert slot.left is None
    slot.take(10)


def test_what_is_recorded_is_bounded():
    options = options_of(LONG._replace(lens="chain", functions=True))
    assert (options.max_stacks, options.lens, options.functions) == (5_000, "chain", True)
    assert options.scheduled
