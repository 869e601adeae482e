"""Estimates of what a loop does between steps: always bounded by what steps leave of its time."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.stacks import Blocks, Frame, StackTree
from tracetools.recording.unseen import UnseenTime, can_be_estimated

pytestmark = pytest.mark.skipif(not can_be_estimated(), reason="no CPU clock of other threads")


@pytest.fixture
def works(monkeypatch):
    """Return what lets the thread work for some nanoseconds."""
    worked = [1000]

    def work(nanoseconds):
        worked[0] += nanoseconds

    monkeypatch.setattr(UnseenTime, "_worked_in", lambda _self, _run: worked[0])
    return work


def by_name(found):
    return {stack.frame.name: nanoseconds for stack, nanoseconds in found.items()}


WAITING = "(waiting for events, by the CPU clock)"


def test_what_was_not_worked_was_waited(works):
    unseen = UnseenTime(StackTree())
    unseen.start(100)
    works(300)
    assert by_name(unseen.split(0, 1100)) == {WAITING: 700}
    assert by_name(unseen.split(200, 1100)) == {WAITING: 700}  # of the work, 200 was in steps


def test_what_steps_wait_is_not_subtracted(works):
    unseen = UnseenTime(StackTree())
    unseen.start(100)
    works(300)
    assert by_name(unseen.split(900, 1100)) == {WAITING: 100}


def test_time_between_two_runs_is_not_waited(works):
    unseen = UnseenTime(StackTree())
    unseen.start(100)
    unseen.end(200)
    works(50)  # somebody else, in this thread
    assert by_name(unseen.split(0, 5000)) == {WAITING: 100}
    unseen.start(1000)
    works(10)
    unseen.end(1100)
    assert by_name(unseen.split(0, 5000)) == {WAITING: 190}


def test_what_a_tree_has_of_another_loop_does_not_count(works):
    tree = StackTree()
    tree.root.busy = 500
    unseen = UnseenTime(tree)
    unseen.start(0)
    assert by_name(unseen.split(500, 100)) == {WAITING: 100}


def test_callbacks_that_were_seen_are_told_apart(works):
    unseen = UnseenTime(StackTree())
    unseen.start(0)
    works(300)
    unseen.add(unseen.callback(Frame("sleeps")), 200, waited=True)
    unseen.add(unseen.callback(Frame("computes")), 100, waited=False)
    unseen.add(unseen.callback(Frame("sleeps")), 20, waited=True)
    found = by_name(unseen.split(0, 1000))
    assert found == {WAITING: 480, "sleeps": 220, "computes": 100}  # 200 is the loop's own work


@given(*[st.integers(0, 1000)] * 5)
def test_estimates_are_never_more_than_steps_leave(ran, busy, worked, sleeps, computes):
    unseen = UnseenTime(StackTree())
    unseen._ran, unseen._work = ran, worked
    unseen.add(unseen.callback(Frame("sleeps")), sleeps, waited=True)
    unseen.add(unseen.callback(Frame("computes")), computes, waited=False)
    found = unseen.split(busy, 0)
    assert all(nanoseconds >= 0 for nanoseconds in found.values())
    assert sum(found.values()) <= max(ran - busy, 0)


def test_a_callback_that_is_seen_twice_blocks_once():
    unseen = UnseenTime(StackTree())
    location = (unseen.callback(Frame("f")), ())
    unseen.blocks(location, 10, 100)
    unseen.blocks(location, 10, 150)
    assert unseen.blocking == {location: Blocks(1, 150, 150)}
    unseen.blocks(location, 500, 120)
    assert unseen.blocking == {location: Blocks(2, 270, 150)}


def test_the_clock_of_a_thread_is_read_in_another_one_and_after_its_end():
    unseen = UnseenTime(StackTree())
    go_on, started = threading.Event(), threading.Event()

    def run():
        unseen.start(0)
        begin = time.thread_time_ns()
        while time.thread_time_ns() - begin < 1_000_000:
            pass
        started.set()
        go_on.wait()

    thread = threading.Thread(target=run)
    thread.start()
    started.wait()
    assert unseen.cpu >= 1_000_000
    go_on.set()
    thread.join()
    assert unseen.cpu >= 1_000_000
    unseen.end(10**12)
    assert 0 < unseen.split(0, 10**12)[unseen._tree.root.children[Frame(WAITING, "")]] < 10**12


def test_without_linux_the_clock_is_enough(monkeypatch):
    monkeypatch.setattr("tracetools.recording.unseen.get_native_id", lambda: -1)
    unseen = UnseenTime(StackTree())
    unseen.start(0)
    unseen.end(10**12)
    assert 0 < by_name(unseen.split(0, 10**12))[WAITING] <= 10**12
