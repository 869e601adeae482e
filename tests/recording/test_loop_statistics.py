"""The statistics of loops: added up, and by the names that a profile has for them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.strategies import histogram_of
from tracetools.core.histogram import EMPTY
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, StackTree
from tracetools.recording.loop_statistics import LoopStatistics
from tracetools.recording.loops import RecordedLoop

TASK = Frame("task", "/src/app.py", 3)
LINE = Frame("blocks the loop", "/src/app.py", 5)
UNKNOWN = Frame("blocks the loop")


def shorten(frame):
    return frame._replace(file=frame.file and frame.file.removeprefix("/src/"))


class Loop(RecordedLoop):
    """A loop with one task, in which steps block that take longer than 100 ns."""

    def __init__(self):
        owner = SimpleNamespace(scheduled=False, watch=None)
        super().__init__(StackTree(), lambda: 0, owner, threshold=100)
        self.task = self.spawn(self.tree.root, TASK, 0, None)


def statistics_of(*loops, now=0):
    statistics = LoopStatistics()
    for loop in loops:
        statistics.add_loop(loop, now)
    return statistics.of_profile(shorten)


@pytest.fixture
def loop():
    return Loop()


def test_a_loop_that_did_nothing_has_no_statistics(loop):
    expected = {
        "blocking": {},
        "scheduling_delay": EMPTY,
        "queue": EMPTY,
        "queue_trend": (),
    }
    assert statistics_of() == statistics_of(loop) == expected
    assert Profile(**expected) == Profile()


def test_a_blocking_step_has_a_short_path_to_its_line(loop):
    loop.blocking[loop.task.stack, (LINE,)] = Blocks(2, 500, 300)
    path = (ROOT, shorten(TASK), shorten(LINE))
    assert statistics_of(loop)["blocking"] == {path: Blocks(2, 500, 300)}


def test_a_blocking_step_without_a_sample_has_an_unknown_line(loop):
    loop.blocking[loop.task.stack, ()] = Blocks(1, 300, 300)
    path = (ROOT, shorten(TASK), UNKNOWN)
    assert statistics_of(loop)["blocking"] == {path: Blocks(1, 300, 300)}


@pytest.mark.parametrize(("now", "counted"), [(120, False), (121, True)])
def test_the_step_that_goes_on_counts_once_it_takes_longer_than_the_threshold(loop, now, counted):
    loop.task.begin_step(20)
    blocking = statistics_of(loop, now=now)["blocking"]
    assert blocking == ({(ROOT, shorten(TASK), UNKNOWN): Blocks(1, 101, 101)} if counted else {})
    assert loop.blocking == {}


def test_loops_add_up(loop):
    other = Loop()
    for each, took in ((loop, 300), (other, 200)):
        each.blocking[each.task.stack, (LINE,)] = Blocks(1, took, took)
        each.delays.add(took)
        each.queue.add(1)
    statistics = statistics_of(loop, other)
    assert statistics["blocking"] == {(ROOT, shorten(TASK), shorten(LINE)): Blocks(2, 500, 300)}
    assert statistics["scheduling_delay"] == histogram_of([300, 200])
    assert statistics["queue"] == histogram_of([1, 1])


def test_the_trend_is_that_of_the_loop_with_the_longest_queue(loop):
    other = Loop()
    for each, values in ((loop, (1, 9)), (other, (5, 5, 5))):
        for value in values:
            each.trend.add(value)
    assert statistics_of(loop, other)["queue_trend"] == (1, 9)


def test_a_copy_is_apart_from_what_it_was_copied_from(loop):
    loop.blocking[loop.task.stack, ()] = Blocks(1, 300, 300)
    loop.delays.add(7)
    original = LoopStatistics()
    copy = original.copy()
    copy.add_loop(loop, 0)
    assert original.of_profile(shorten) == statistics_of()
    assert copy.of_profile(shorten) == statistics_of(loop)
