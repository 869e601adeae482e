"""How long spans lasted and why, as a table."""

from tests.strategies import histogram_of
from tracetools.commands.terminal.latency_lines import latency_lines, slow_in_lines
from tracetools.commands.terminal.screen import Screen
from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.latencies import Latency, Part

MS = 1_000_000
SPAN, CHILD = Frame("GET /\x1bx", "app.py", 5), Frame("child", "app.py", 9)
PARTS = (Part("await Lock (app.py:7)", 60, 0.6), Part("busy", 38, 0.398), Part("rare", 1, 0.002))
PLAIN = Latency(SPAN, histogram_of([MS, 3 * MS]), PARTS)


def test_a_row_has_the_numbers_and_what_the_time_was():
    heading, row, parts = latency_lines([PLAIN], limit=10)
    assert heading.split() == ["count", "mean", "p50", "p90", "p99", "max", "span", "or", "task"]
    assert row.split()[:3] == ["2", "2", "ms"]
    assert row.endswith("3 ms  GET /?x (app.py:5)")
    assert parts == "      in all: 60 % await Lock (app.py:7), 40 % busy"


def test_slow_spans_say_what_would_help_most():
    shares = {(ROOT, Frame("main"), SPAN, CHILD): 75 * MS, (ROOT, Frame("main"), SPAN): 25 * MS}
    savings = {SPAN: 100 * MS, CHILD: 20 * MS, Frame("main"): 100 * MS}
    slow = SlowSpans(
        Breakdown(duration=100 * MS, count=2), CriticalTimes(2, 100 * MS, shares, savings)
    )
    each = PLAIN._replace(slow=slow, slow_parts=PARTS[:1], critical_parts=PARTS[1:2])
    assert latency_lines([each], limit=10)[3:] == [
        "      the slowest 2 (50 ms on average): 60 % await Lock (app.py:7)",
        "      what explains that: 40 % busy",
        "      without child (app.py:9) they would take 20 % less at most",
    ]
    nothing = slow._replace(critical=CriticalTimes())
    [*_, last] = latency_lines([each._replace(slow=nothing)], limit=10)
    assert last == "      what explains that: 40 % busy"


def test_there_are_at_most_as_many_rows_as_asked_for():
    lines = latency_lines([PLAIN._replace(parts=())] * 3, limit=2)
    assert len(lines) == 4
    assert lines[-1] == "... and 1 more rows: --limit shows them"


def test_what_makes_spans_slow_is_said_of_those_that_were_kept():
    stack = (ROOT, Frame("main"), SPAN)
    slow = SlowSpans(
        Breakdown(duration=90 * MS, count=2, waits={"await Lock (app.py:7)": 90 * MS}),
        CriticalTimes(2, 90 * MS, {(*stack, CHILD): 90 * MS}, {CHILD: 90 * MS}),
    )
    names = [(*stack[:2], Frame(name, "app.py", 1)) for name in "abc"]
    latencies = {path: histogram_of([60 * MS]) for path in (stack, *names)}
    assert slow_in_lines(Profile(latencies=latencies), Screen(80), 2) == []
    profile = Profile(latencies=latencies, slow={stack: slow, names[0]: slow, names[1]: slow})
    heading, *lines = slow_in_lines(profile, Screen(80), 2)
    assert heading.startswith("What makes spans slow (p99")
    assert lines[2:4] == [
        "      60 ms  a (app.py:1): of the slowest (45 ms): 100 % await Lock (app.py:7);",
        "             without child (app.py:9) 100 % less at most",
    ]
    assert lines[-1] == "  ... and 1 more: tracetools report --latency"
