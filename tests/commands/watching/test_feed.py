"""Asking, and how often: by a clock and a program that stand for real ones."""

from __future__ import annotations

import json

import pytest

from tracetools.commands.watching.feed import Feed
from tracetools.core.errors import DoorError
from tracetools.core.histogram import Histogram
from tracetools.door.protocol import RefusedError
from tracetools.live.updates import LoopUpdate, Update
from tracetools.live.updating import Wanted
from tracetools.live.values import Dump

OPTIONS = {"resources": True}


class Program:
    """What answers as the door of a program does."""

    def __init__(self):
        self.asked = []
        self.refuses = {}
        self.cost = 1_000_000
        self.tasks = 0
        self.records_itself = self.is_recorded = False
        self.body = None

    def ask(self, what, **values):
        self.asked.append((what, values))
        refusal = self.refuses.get(what)
        if callable(refusal):
            refusal = refusal()
        if refusal:
            raise RefusedError(refusal, f"refused: {refusal}")
        answers = {
            "hello": {"program": "app.py", "version": "0.0.9"},
            "status": {"program": self.records_itself, "recording": self.is_recorded},
        }
        return {"cost": self.cost, **answers.get(what, {})}, self.body or self._body(what)

    def _body(self, what):
        if what == "histogram":
            return json.dumps([30, 20, [[10, 1], [20, 1]]]).encode()
        if what == "tasks":
            return Dump(1, "", "", 0).to_json().encode()
        loops = (LoopUpdate(0, tasks=self.tasks),)
        return Update(1, True, 1, loops).to_json().encode()

    def words(self):
        return [what for what, _ in self.asked]

    def fileno(self):
        return 7

    def close(self):
        self.asked.append(("close", {}))


@pytest.fixture
def program():
    return Program()


def feed_of(program, interval=0.5, options=OPTIONS):
    return Feed(program, options, interval, lambda: 1000.0)


def test_a_recording_is_started_if_there_is_none(program):
    feed = feed_of(program)
    assert program.asked[-1] == ("start", {"options": OPTIONS})
    assert (feed.about["program"], feed.note, feed.fileno()) == ("app.py", "", 7)
    feed.close()
    assert program.words()[-1] == "close"


def test_what_the_program_records_of_itself_is_used(program):
    program.records_itself = True
    feed = feed_of(program)
    assert "start" not in program.words()
    assert "the program makes of itself" in feed.note


def test_a_recording_of_somebody_else_is_used(program):
    program.refuses["start"] = "busy"
    assert "somebody else has started" in feed_of(program).note


def test_nothing_is_recorded_if_that_is_not_wished(program):
    feed = feed_of(program, options=None)
    update = feed.update(Wanted())
    assert program.words() == ["hello", "status"]
    assert (update.lasts, feed.is_recorded, feed.update_due) == (0, False, 1000.5)
    assert feed.dump_due == 1000.0
    feed.dump()
    assert feed.dump_due == 1000.5
    feed.update(Wanted())
    assert feed.dump_due == 1000.5


def test_a_recording_that_goes_on_is_used_until_its_end(program):
    program.is_recorded = True
    program.refuses["start"] = "busy"
    feed = feed_of(program, options=None)
    assert feed.is_recorded
    program.is_recorded = False
    program.refuses["update"] = "nothing"
    assert feed.update(Wanted()).lasts == 0
    assert not feed.is_recorded


def test_that_nothing_can_be_recorded_is_an_error(program):
    program.refuses["start"] = "failed"
    with pytest.raises(DoorError, match="refused: failed"):
        feed_of(program)


@pytest.mark.parametrize(
    ("interval", "cost", "rest"),
    [
        (0.5, 0, 0.5),
        (0.5, 1_000_000, 0.5),
        (0.5, 10_000_000, 1.5),
        (0.01, 0, 0.1),
        (2, 10_000_000, 2),
        (0.5, -1, 0.5),
        (0.5, "much", 0.5),
    ],
)
def test_the_next_update_comes_a_hundred_times_as_long_after_what_one_costs(
    program, interval, cost, rest
):
    feed = feed_of(program, interval)
    assert feed.update_due == 1000.0
    program.cost = cost
    feed.update(Wanted())
    assert feed.update_due == pytest.approx(1000.0 + rest)


def test_all_answers_together_cost_less_than_a_hundredth(program):
    program.cost = 40_000_000
    feed = feed_of(program)
    feed.update(Wanted())
    feed.dump()
    share = 0.04 / (feed.update_due - 1000) + 0.04 / (feed.dump_due - 1000)
    assert share <= 0.01


def test_a_first_dump_waits_the_longer_the_more_tasks_there_are(program):
    program.tasks = 10_000
    feed = feed_of(program)
    assert feed.dump_due is None
    feed.update(Wanted())
    assert feed.dump_due == pytest.approx(1800.0)
    program.cost = 0
    feed.dump()
    assert feed.dump_due == 1000.5


def test_what_is_wanted_is_asked_for(program):
    feed_of(program).update(Wanted(most=7, matching="x"))
    expected = {"most": 7, "sort": "busy", "inverted": False, "matching": "x"}
    assert program.asked[-1] == ("update", expected)


def test_when_the_recording_has_ended_another_one_is_started(program):
    feed = feed_of(program)
    refusals = ["nothing"]
    program.refuses["update"] = lambda: refusals.pop() if refusals else None
    assert feed.update(Wanted()).is_first
    assert program.words()[-4:] == ["update", "status", "start", "update"]


def test_a_program_with_an_older_tracetools_is_an_error_that_says_so(program):
    feed = feed_of(program)
    program.refuses["update"] = "unknown"
    with pytest.raises(DoorError, match=r"has tracetools 0\.0\.9, which knows nothing of top"):
        feed.update(Wanted())


@pytest.mark.parametrize("ask", ["update", "dump", "histogram"])
@pytest.mark.parametrize("body", [b"rubbish", b"[]", b"{}", b"null", b"[1, 2]", b'["x", 1, [1]]'])
def test_rubbish_is_an_error(program, ask, body):
    feed = feed_of(program)
    program.body = body
    asks = {
        "update": lambda: feed.update(Wanted()),
        "dump": feed.dump,
        "histogram": lambda: feed.histogram(1),
    }
    with pytest.raises(DoorError, match="cannot be read"):
        asks[ask]()


def test_a_histogram_is_read(program):
    assert feed_of(program).histogram(5) == Histogram(30, 20, {10: 1, 20: 1})
    assert program.asked[-1] == ("histogram", {"stack": 5})
