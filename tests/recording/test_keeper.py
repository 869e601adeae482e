"""Slow spans are kept: the slowest of each name, with what came before and after."""

import pickle
import threading

import pytest

from tracetools.core.journal import RECORD_BYTES, SLOW, STEP
from tracetools.core.stacks import ROOT, Frame
from tracetools.recording.keeper import Keeper, Slow, slow
from tracetools.testing import ScriptedLoop
from tracetools.timelines.timeline import SpanTime, Step

MS = 1_000_000


class Kept:
    """A loop whose slow spans are kept in a list, under a fake clock."""

    def __init__(self, how):
        self.script = ScriptedLoop(scheduled=True)
        self.recorder = self.script.recorder
        self.kept = []
        self.keeper = Keeper(self.recorder, how, self._keep)
        loop = self.script.loop
        loop.journal, loop.slow_after = self.recorder.journal, self.recorder.slow_after
        self.task = self.script.spawn("task")

    def _keep(self, kept):
        self.kept.append(kept)
        return lambda: self.kept.remove(kept)

    def span(self, ns, name="span"):
        """Let a span take so long, in a step of its own."""
        self.script.begin_step(self.task)
        span = self.script.open(name)
        self.script.tick(ns)
        self.script.close(span)
        self.script.end_step()

    def span_of_many_steps(self):
        """Let a span take 20 ms, in as many steps. The last one goes on."""
        self.script.begin_step(self.task)
        span = self.script.open("span")
        for _ in range(20):
            self.script.tick(MS)
            self.script.end_step()
            self.script.begin_step(self.task)
        self.script.close(span)

    def latencies(self):
        return sorted((kept.name, kept.latency // MS) for kept in self.kept)


@pytest.fixture
def made():
    found = []

    def make(how):
        found.append(Kept(how))
        return found[-1]

    yield make
    for each in found:
        each.script.finish()


def test_a_span_that_lasts_longer_is_kept_as_soon_as_what_came_after_is_known(made):
    world = made(slow(0.005, before=0.002, after=0.01))
    world.span(5 * MS)
    world.span(6 * MS)
    world.keeper.look()
    assert world.kept == []
    world.script.tick(9 * MS)
    world.keeper.look()
    assert world.kept == []
    world.script.tick(1 * MS)
    world.keeper.look()
    [kept] = world.kept
    start, number = world.script.loop.begin, world.script.tasks[0].number
    subject = SpanTime(
        number, start + 5 * MS, start + 11 * MS, (ROOT, Frame("task"), Frame("span"))
    )
    assert (kept.name, kept.latency, kept.timeline.subject) == ("span", 6 * MS, subject)
    assert (kept.timeline.begin, kept.timeline.end) == (start + 3 * MS, start + 21 * MS)
    assert kept.timeline.steps == (
        Step(number, start, start + 5 * MS),
        Step(number, start + 5 * MS, start + 11 * MS),
    )
    assert not kept.timeline.is_cut
    world.keeper.look()
    assert len(world.kept) == 1


def test_at_the_end_nothing_is_waited_for(made):
    world = made(slow(0.005, after=10))
    world.span(6 * MS)
    world.keeper.end()
    [kept] = world.kept
    assert kept.timeline.end == world.script.clock()


def test_only_the_slowest_of_each_name_are_kept(made):
    world = made(slow(0, most=2, after=0))
    for ns in (3, 5, 4, 1, 6):
        world.span(ns * MS)
        world.span(ns * MS, "other")
        world.keeper.look()
    assert world.latencies() == [("other", 5), ("other", 6), ("span", 5), ("span", 6)]
    slow_before = world.recorder.journal.slow
    world.span(5 * MS)  # no slower than those that are kept: it is not even a candidate
    assert world.recorder.journal.slow == slow_before


def test_a_stack_that_is_new_has_the_name_of_a_known_one(made):
    world = made(slow(0, most=1, after=0))
    world.span(5 * MS)
    world.keeper.look()
    world.script.begin_step(world.task)
    outer, inner = world.script.open("outer"), world.script.open("span")
    world.script.tick(4 * MS)
    world.script.close(inner)
    world.script.close(outer)
    world.script.end_step()
    world.keeper.look()
    assert world.latencies() == [("outer", 4), ("span", 5)]


def test_spans_of_one_name_are_kept_some_time_apart(made):
    world = made(slow(0.001, apart=0.01, after=0))
    for _ in range(5):
        world.span(4 * MS)
        world.keeper.look()
    assert len(world.kept) == 2  # at 4 and 16 ms
    assert world.keeper.skipped == 3


def test_a_thousand_triggers_at_once_are_bounded(made):
    world = made(slow(0.001, after=0, most=50))
    for _ in range(2500):
        world.span(2 * MS)
    world.span(3 * MS)
    world.keeper.look()
    assert len(world.kept) == 10
    assert world.latencies()[-1] == ("span", 3)
    assert world.keeper.skipped == 2501 - 10


def test_a_slow_name_pushes_out_no_other_one(made):
    world = made(slow(0.001, after=0.001))
    world.span(2 * MS, "rare")
    for _ in range(2500):
        world.span(3 * MS)
    world.script.tick(MS)
    world.keeper.look()
    assert ("rare", 2) in world.latencies()


def test_names_that_are_too_many_for_one_look_are_kept_at_the_next(made):
    world = made(slow(0.001, after=0))
    for number in range(25):
        world.span(2 * MS, f"name {number}")
    for kept in (10, 20, 25):
        world.keeper.look()
        assert len(world.kept) == kept


def test_the_last_look_keeps_all_names(made):
    world = made(slow(0.001, after=0))
    for number in range(25):
        world.span(2 * MS, f"name {number}")
    world.keeper.end()
    assert len(world.kept) == 25


def test_a_million_names_are_bounded(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._MOST_NAMES", 3)
    world = made(slow(0.001, after=0))
    for number in range(8):
        world.span(2 * MS, f"name {number}")
        world.keeper.look()
    assert len(world.kept) == 3


def test_more_names_than_are_kept_are_not_even_found_again(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._MOST_NAMES", 1)
    world = made(slow(0, after=0))
    for name in ("one", "other"):
        world.span(2 * MS, name)
        world.keeper.look()
    slow_before = world.recorder.journal.slow
    world.span(3 * MS, "other")
    assert world.recorder.journal.slow == slow_before


def test_a_span_that_is_no_slower_than_those_kept_is_not_found_again(made):
    world = made(slow(0, most=1, after=0))
    world.span(5 * MS)
    world.keeper.look()
    other = world.script.spawn("another task")
    for times in (1, 0):
        slow_before = world.recorder.journal.slow
        world.script.begin_step(other)
        span = world.script.open("span")
        world.script.tick(4 * MS)
        world.script.close(span)
        world.script.end_step()
        world.keeper.look()
        assert world.recorder.journal.slow == slow_before + times


def test_a_look_stops_when_it_is_told_and_the_next_one_goes_on(made):
    world = made(slow(0.001, after=0))
    for ms in (2, 4, 3):
        world.span(ms * MS)
    world.keeper.look(stops=lambda: True)
    assert world.latencies() == [("span", 4)]
    world.keeper.look()
    assert world.latencies() == [("span", 2), ("span", 3), ("span", 4)]


def test_the_last_look_does_not_take_long(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._LONGEST_END", -1.0)
    world = made(slow(0.001, after=0))
    for ms in (2, 4, 3):
        world.span(ms * MS)
    world.keeper.end()
    assert world.latencies() == [("span", 4)]
    assert world.keeper.skipped == 2


def test_only_the_last_events_of_a_long_span_are_read(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._MOST_EVENTS", 10)
    world = made(slow(0.015, before=0, after=0))
    world.span_of_many_steps()
    for _ in range(30):
        world.script.end_step()
        world.script.tick(MS)
        world.script.begin_step(world.task)
    world.script.exit(world.task)
    world.keeper.look()
    [kept] = world.kept
    assert len(kept.timeline.steps) == 11  # with the one in which it was closed
    assert kept.timeline.steps[-1].end == kept.timeline.end
    assert kept.timeline.is_cut
    assert kept.timeline.lives.keys() == {world.script.tasks[0].number}


def test_each_loop_may_have_a_clock_of_its_own(made):
    world = made(slow(0.001, after=0))
    world.script.tick(1000 * MS)
    world.span(4 * MS)
    world.keeper.look()
    start = world.script.loop.begin - 500 * MS
    journal, task = world.recorder.journal, world.script.tasks[0]
    stack = world.script.loop.tree.stacks[-1].number
    journal.note(STEP, 7, start, start + 5 * MS, task.number)
    world.span(5 * MS)
    journal.note(SLOW, 7, start, start + 5 * MS, task.number, stack)
    world.keeper.look()
    assert world.latencies() == [("span", 4), ("span", 5), ("span", 5)]
    assert [len(kept.timeline.steps) for kept in world.kept] == [1, 2, 1]


def test_nothing_is_kept_in_a_forked_child(made, monkeypatch):
    world = made(slow(0.001, after=0))
    world.span(2 * MS)
    monkeypatch.setattr(type(world.recorder), "at_home", False)
    with world.keeper._lock:  # as a thread may that the child does not have
        world.keeper.end()
    assert world.kept == []


def test_a_span_that_cannot_be_kept_does_not_stop_those_of_its_name(made, caplog):
    world = made(slow(0.001, after=0))
    keep, world.keeper._keep = world.keeper._keep, None
    for _ in range(2):
        world.span(2 * MS)
        world.keeper.look()
    world.keeper._keep = keep
    world.span(3 * MS)
    world.keeper.look()
    assert world.latencies() == [("span", 3)]
    assert caplog.text.count("a slow span could not be kept") == 1


def test_a_ring_that_is_smaller_than_the_span_is_said(made):
    world = made(slow(0.001, after=0, memory=4 * RECORD_BYTES))
    world.span_of_many_steps()
    world.keeper.look()
    [kept] = world.kept
    assert kept.timeline.is_cut
    assert kept.timeline.subject.begin == world.script.loop.begin


def test_a_clock_that_goes_back_does_no_harm(made):
    world = made(slow(0.001, blocking=True, errors=True, after=0.01))
    world.span(5 * MS)
    world.script.clock.now -= 1000 * MS
    world.keeper.look()
    assert world.kept == []  # what came after it is not known yet
    world.script.begin_step(world.task)
    span = world.script.open("span")
    world.script.tick(5 * MS)
    world.script.clock.now -= 20 * MS
    opened = world.script.spans[span]
    world.recorder.triggers.note_error(opened, opened.account, ValueError())
    world.script.close(span)
    world.script.end_step()
    world.keeper.end()
    assert sorted(kept.why for kept in world.kept) == ["error", "slow"]
    assert all(kept.timeline.begin <= kept.timeline.end for kept in world.kept)


def test_an_error_in_a_ring_that_is_smaller_than_its_span_is_kept(made):
    world = made(slow(None, errors=True, after=0, memory=4 * RECORD_BYTES))
    world.script.begin_step(world.task)
    span = world.script.open("span")
    for _ in range(20):
        world.script.tick(MS)
        world.script.end_step()
        world.script.begin_step(world.task)
    opened = world.script.spans[span]
    world.recorder.triggers.note_error(opened, opened.account, ValueError())
    world.script.close(span)
    world.keeper.look()
    [kept] = world.kept
    assert (kept.latency, kept.timeline.is_cut) == (20 * MS, True)


def test_what_cannot_be_kept_is_logged_and_the_rest_goes_on(made, caplog):
    world = made(slow(0.001, after=0))
    keep, world.keeper._keep = world.keeper._keep, None
    world.span(2 * MS)
    world.keeper.look()
    assert "a slow span could not be kept" in caplog.text
    world.keeper._keep = keep
    world.span(2 * MS, "other")
    world.keeper.look()
    assert world.latencies() == [("other", 2)]


def test_a_dump_has_what_came_last(made):
    world = made(slow(1))
    for _ in range(3):
        world.span(2 * MS)
    [timeline] = world.keeper.dump(0.003)
    now = world.script.clock()
    assert (timeline.begin, timeline.end, timeline.subject) == (now - 3 * MS, now, None)
    assert len(timeline.steps) == 2


def test_a_dump_is_bounded(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._MOST_DUMPED", 4)
    world = made(slow(1))
    for _ in range(5):
        world.span(2 * MS)
    [timeline] = world.keeper.dump(1)
    assert len(timeline.steps) == len(timeline.spans) == 2
    assert timeline.is_cut


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e12, -1, "1", True])
def test_a_dump_of_what_is_no_time_is_refused(made, seconds):
    with pytest.raises((TypeError, ValueError), match="seconds is a number of seconds"):
        made(slow(1)).keeper.dump(seconds)


def test_loops_that_begin_at_once_in_two_threads_start_one_thread(made, monkeypatch):
    world = made(slow(0.005))
    over = []

    def new_event():
        if not over:
            other.start()
            other.join(0.1)  # it waits until the first one is done
        over.append(threading.Event())
        return over[-1]

    other = threading.Thread(target=world.keeper.start)
    monkeypatch.setattr(world.keeper, "_new_event", new_event)
    world.keeper.start()
    other.join()
    world.keeper.end()
    assert [each.is_set() for each in over] == [True]


def test_it_looks_in_a_thread_of_its_own_that_ends(made, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._INTERVAL", 0.001)
    world = made(slow(0.001, after=0))
    looked = threading.Event()
    monkeypatch.setattr(world.keeper, "_keep", lambda kept: looked.set)
    kept = world.keeper._keep
    monkeypatch.setattr(world.keeper, "_keep", lambda each: (looked.set(), kept(each))[1])
    world.keeper.start()
    world.keeper.start()
    world.span(2 * MS)
    assert looked.wait(30)
    world.keeper.end()
    assert world.keeper.pause() is None


def test_without_a_thread_slow_spans_are_kept_at_the_end(made, monkeypatch, caplog):
    def start(self):
        raise RuntimeError("no more threads")

    monkeypatch.setattr("tracetools.recording.keeper.HiddenThread.start", start)
    world = made(slow(0.001, after=0))
    world.keeper.start()
    assert "kept at the end only" in caplog.text
    world.span(2 * MS)
    world.keeper.end()
    assert world.latencies() == [("span", 2)]


# ---------------------------------------------------------------------------------------- slow


def test_slow_is_a_number_of_seconds_that_knows_more():
    how = slow(0.5, most=3)
    assert how == 0.5
    assert (how.most, how.before, how.after, how.apart, how.memory) == (3, 0.1, 0.1, 0, 32 << 20)
    copy = pickle.loads(pickle.dumps(how))
    assert (copy, vars(copy)) == (how, vars(how))
    assert repr(how).startswith("slow(0.5, after=0.1, apart=0.0, ")
    assert Slow(2.0).most == 10


def test_without_a_number_no_span_is_slow(made):
    world = made(slow(None, errors=["span"]))
    world.span(10_000 * MS)
    world.keeper.end()
    assert world.kept == []
    assert slow(errors=["span"]).errors == ("span",)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"seconds": -1}, ValueError),
        ({"seconds": float("nan")}, ValueError),
        ({"seconds": "1"}, TypeError),
        ({"before": True}, TypeError),
        ({"after": 1e9}, ValueError),
        ({"most": 0}, ValueError),
        ({"most": 1.0}, TypeError),
        ({"memory": 31}, ValueError),
        ({"blocking": 1}, TypeError),
        ({"errors": "span"}, TypeError),
        ({"errors": 1}, TypeError),
        ({"errors": []}, TypeError),
        ({"signal": "USR2"}, TypeError),
        ({"signal": 2}, ValueError),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        slow(**options)
