"""The sentences on how long spans lasted; more of them in the tests of the terminal's table."""

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.histogram import EMPTY
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.latencies import Latency, Part
from tracetools.output.latency_words import (
    largest_saving,
    listed_parts,
    sentences_on,
    verdict,
    what_is_not_kept,
)

MS = 1_000_000
SPAN = Frame("x", "app.py", 5)


def slow(**times):
    breakdown = Breakdown(duration=100 * MS, count=1, **times)
    parts = (Part("waiting", 100, 1.0),)
    return Latency(SPAN, EMPTY, (), SlowSpans(breakdown), parts, parts)


def test_children_and_threads_are_told_of_the_slow_ones():
    assert [*sentences_on(slow())] == ["the slowest one (100 ms on average): 100 % waiting"]
    [said] = sentences_on(slow(children=60 * MS, threads=5 * MS))
    assert said.endswith("100 % waiting; of that 60 % for child tasks and 5.0 % for threads")


def test_nothing_is_said_of_spans_without_time():
    assert [*sentences_on(Latency(SPAN, EMPTY))] == []
    assert largest_saving(Latency(SPAN, EMPTY)) is None


LOCK, HOLDER = Frame("await Lock", "app.py", 7), Frame("compact", "app.py", 14)
SLEEP, LIBRARY = Frame("await sleep", "app.py", 18), Frame("run", "lib/run.py", 2)


def behind_a_lock(holder, *, of_sleep, origins=None):
    shares = {
        (ROOT, SPAN, LOCK, holder, SLEEP): of_sleep,
        (ROOT, SPAN, LOCK, holder): 70 - of_sleep,
    }
    savings = {ROOT: 100, SPAN: 100, LOCK: 70, holder: 70, SLEEP: of_sleep}
    critical = CriticalTimes(1, 100, shares, savings)
    return slow()._replace(
        slow=SlowSpans(Breakdown(duration=100, count=1), critical), origins=origins or {}
    )


def test_of_frames_that_save_much_the_same_the_one_behind_the_others_is_named():
    assert largest_saving(behind_a_lock(HOLDER, of_sleep=65)) == (SLEEP, 0.65)
    assert largest_saving(behind_a_lock(HOLDER, of_sleep=30)) == (HOLDER, 0.7)


def test_the_programs_own_code_is_named_before_that_of_libraries():
    origins = {"lib/run.py": "library", "app.py": "own"}
    assert largest_saving(behind_a_lock(LIBRARY, of_sleep=0)) == (LIBRARY, 0.7)
    assert largest_saving(behind_a_lock(LIBRARY, of_sleep=0, origins=origins)) == (LOCK, 0.7)


def test_a_verdict_says_the_largest_part_and_what_is_behind():
    assert verdict(slow()) == "of the slowest (100 ms): 100 % waiting"
    assert verdict(behind_a_lock(HOLDER, of_sleep=65)).endswith(
        "100 % waiting; without await sleep (app.py:18) 65 % less at most"
    )


def test_small_parts_are_left_out():
    parts = [Part(str(share), 1, share / 100) for share in (40, 20, 15, 10, 9, 0.4)]
    assert listed_parts(parts) == "40 % 40, 20 % 20, 15 % 15, 10 % 10"
    assert listed_parts(parts[-2:]) == "9.0 % 9"


def test_how_many_were_not_kept_is_said():
    assert what_is_not_kept(Profile()) == ""
    assert what_is_not_kept(Profile(not_kept=1)).startswith("1 more slow span was not kept")
    assert what_is_not_kept(Profile(not_kept=1234)).startswith("1,234 more were not kept")
