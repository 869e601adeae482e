"""Spans around whole runs: what stands below them, and that both laws hold."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading

import pytest
import trio

from tracetools import record
from tracetools.core.stacks import ROOT, Frame
from tracetools.recording import outer_spans
from tracetools.recording.outer_spans import OuterSpan, spans_here

OUTER = Frame("outer", "tests.py", 7)
INNER = Frame("inner", "tests.py", 9)


async def main():
    await child()


async def child():
    await asyncio.sleep(0)


async def trio_main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 0)


def paths(profile):
    profile.check()
    own = [path[1:] for path in profile.stacks if path[1:] and path[1].file]
    own += [path[1:] for path in profile.stacks if path[1:] and path[1] in {OUTER, INNER}]
    return {";".join(frame.name for frame in path) for path in own}


@pytest.mark.parametrize(
    "run",
    [lambda: asyncio.run(main()), lambda: trio.run(trio_main)],
    ids=["asyncio", "trio"],
)
def test_what_nobody_spawns_stands_below_the_spans_around_its_run(run):
    with record(await_stacks=False) as recording:
        for _ in range(3):  # a function that is known is spawned by the core
            run()
            with OuterSpan(OUTER):
                run()
                with OuterSpan(INNER):
                    run()
                run()
        run()
    profile = recording.profile
    found = paths(profile)
    [name] = {path for path in found if path.endswith("main") and ";" not in path}
    assert {f"outer;{name}", f"outer;inner;{name}", "outer", "outer;inner"} <= found
    entries = {path: times.entries for path, times in profile.stacks.items()}
    task = next(path[-1] for path in entries if path[-1].name == name)
    assert entries[ROOT, task] == 4
    assert entries[ROOT, OUTER, task] == 6
    assert entries[ROOT, OUTER, INNER, task] == 3


def test_a_span_has_no_time_of_its_own():
    with record() as recording, OuterSpan(OUTER):
        asyncio.run(main())
    [times] = [times for path, times in recording.profile.stacks.items() if path[-1] == OUTER]
    assert times == (0, 0, 0, 0, 0, 1, 0, 0)


def test_a_loop_that_runs_again_gets_new_tasks_below_the_spans_of_then():
    loop = asyncio.new_event_loop()
    with record() as recording:
        for frame in (OUTER, INNER):
            with OuterSpan(frame):
                loop.run_until_complete(main())
        loop.close()
    assert {"outer;main", "inner;main"} <= paths(recording.profile)


async def guest(tokens):
    with trio.CancelScope() as scope:
        tokens += [trio.lowlevel.current_trio_token(), scope]
        await trio.sleep_forever()


async def late(tokens):
    tokens[1].cancel()


def test_a_guest_run_gets_new_tasks_below_the_spans_of_then():
    calls, ended, tokens = queue.Queue(), [], []
    with record(await_stacks=False) as recording:
        trio.lowlevel.start_guest_run(
            guest,
            tokens,
            run_sync_soon_threadsafe=calls.put,
            done_callback=ended.append,
            host_uses_signal_set_wakeup_fd=True,
        )
        while not tokens:
            calls.get()()
        with OuterSpan(OUTER):
            tokens[0].run_sync_soon(trio.lowlevel.spawn_system_task, late, tokens)
            while not ended:
                calls.get()()
    assert {"guest", "outer;late"} <= paths(recording.profile)


def test_a_span_is_of_its_thread_alone():
    elsewhere = []
    with OuterSpan(OUTER):
        thread = threading.Thread(target=lambda: elsewhere.append(spans_here()))
        thread.start()
        thread.join()
        assert (elsewhere, spans_here()) == ([()], (OUTER,))
    assert spans_here() == ()


def test_a_span_around_a_loop_that_does_nothing_has_no_stack():
    loop = asyncio.new_event_loop()
    with record() as recording:
        loop.run_until_complete(main())
        with OuterSpan(OUTER):
            pass
        loop.close()
    assert OUTER not in {path[-1] for path in recording.profile.stacks}


def test_a_recording_wants_them_from_its_begin_to_its_end():
    assert not outer_spans.are_wanted()
    with record():
        assert outer_spans.are_wanted()
    assert not outer_spans.are_wanted()


def test_the_first_task_of_a_loop_below_too_deep_a_span_is_still_counted():
    with record(max_depth=2) as recording, OuterSpan(OUTER), OuterSpan(INNER):
        asyncio.run(main())
    recording.profile.check()
    assert recording.profile.truncated


def test_a_recording_without_integrations_stands_below_none():
    with (
        record(await_stacks=False) as showing,
        record(await_stacks=False, integrations=False) as plain,
        OuterSpan(OUTER),
    ):
        asyncio.run(main())
    assert any(path.startswith("outer;") for path in paths(showing.profile))
    assert not any("outer" in path.split(";") for path in paths(plain.profile))


def test_a_recording_that_begins_in_a_span_does_not_have_it():
    with OuterSpan(OUTER), record(await_stacks=False) as recording:
        asyncio.run(main())
        with OuterSpan(INNER), contextlib.closing(asyncio.new_event_loop()) as loop:
            for _ in range(3):
                loop.run_until_complete(main())
    found = paths(recording.profile)
    assert any(path.startswith("inner;") for path in found)
    [times] = [times for path, times in recording.profile.stacks.items() if path[-1] == INNER]
    assert times.entries == 1
    assert not any("outer" in path.split(";") for path in found)


def test_a_recording_that_outlives_the_span_it_began_in_has_it_the_next_time():
    with OuterSpan(OUTER):
        recorded = record(await_stacks=False)
        recording = recorded.__enter__()
        asyncio.run(main())
    asyncio.run(main())
    assert not any("outer" in path.split(";") for path in paths(recording.profile))
    with OuterSpan(OUTER):
        asyncio.run(main())
    recorded.__exit__(None, None, None)
    assert any(path.startswith("outer;") for path in paths(recording.profile))
