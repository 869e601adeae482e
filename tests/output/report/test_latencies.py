"""The section about how long spans lasted, and the answer at the top of the page."""

from tests.strategies import histogram_of
from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.latencies import Latency, Part
from tracetools.output.report.latencies import (
    NO_LATENCIES,
    LatencyRow,
    LatencyTable,
    latencies_section,
    latency_answers,
    table_of,
)
from tracetools.output.report.of_profile import make_report, report_of_profile

MS = 1_000_000
SPAN, QUERY = Frame("GET /x", "app.py", 5), Frame("query", "db.py", 3)
PARTS = (
    Part("await Lock (app.py:7)", 50, 0.5),
    Part("busy", 20, 0.2),
    Part("waiting for its turn", 15, 0.15),
    Part("in worker threads", 10, 0.1),
    Part("await sleep (app.py:8)", 5, 0.05),
)
ALL = Latency(SPAN, histogram_of([MS, 3 * MS]), PARTS)
PATH = (ROOT, SPAN)
SLOW = SlowSpans(
    Breakdown(busy=40 * MS, waits={"await Lock": 60 * MS}, duration=100 * MS, count=2),
    CriticalTimes(2, 100 * MS, {PATH: 40 * MS, (*PATH, QUERY): 60 * MS}, {QUERY: 30 * MS}),
)
KEPT = ALL._replace(slow=SLOW, slow_parts=(Part("await Lock", 60, 0.6), Part("busy", 40, 0.4)))


def html(table):
    return "".join(latencies_section(table))


def test_a_row_has_the_numbers_the_states_and_what_is_said():
    [row] = table_of([ALL]).rows
    assert row[:3] == ("GET /x (app.py:5)", 2, (2 * MS, 1_007_616, 2_981_888, 2_981_888, 3 * MS))
    assert row.bar == (("busy", 0.2), ("scheduled", 0.15), ("thread", 0.1), ("waiting", 0.55))
    assert [each.partition(":")[0] for each in row.sentences] == ["in all"]


def test_the_bar_is_of_the_slow_ones_where_any_were_kept():
    table = table_of([KEPT])
    assert table.rows[0].bar == (("busy", 0.4), ("waiting", 0.6))
    assert "of those that were kept" in html(table)
    assert "With <code>keep</code>" in html(table_of([ALL]))


def test_the_legend_explains_the_states_that_there_are():
    text = html(table_of([KEPT]))
    assert "</svg>busy</li>" in text
    assert "</svg>waiting</li>" in text
    assert "</svg>in worker threads" not in text


def test_nothing_makes_no_section():
    assert table_of([]) == NO_LATENCIES
    assert html(NO_LATENCIES) == ""


def test_texts_are_escaped():
    row = LatencyRow("<b>", 1, (1, 1, 1, 1, 1), (), ("a & b",))
    text = html(LatencyTable((row,), 3))
    assert "<b>" not in text
    assert text.count("&lt;b&gt;") == 2
    assert "a &amp; b" in text
    assert "3 more took less time in all" in text


def test_the_longest_are_shown():
    table = table_of([ALL] * 35)
    assert (len(table.rows), table.left_out) == (30, 5)


def test_an_answer_says_what_slow_spans_waited_for_and_what_would_help():
    [group] = latency_answers([ALL, KEPT])
    [entry] = group.entries
    assert (group.lens, group.parts) == ("critical", "of the slowest ones, which were kept")
    assert (entry.amount, entry.share, entry.frame) == ("2.982 ms", "p99", "GET /x (app.py:5)")
    assert entry.sentence == (
        "GET /x (app.py:5): p99 2.982 ms; of the slowest (50 ms): 60 % await Lock; without query"
        " (db.py:3) 30 % less at most"
    )
    assert latency_answers([ALL]) == ()


def test_of_many_answers_a_few_are_in_sight():
    [group] = latency_answers([KEPT] * 40)
    assert (len(group.entries), len(group.others), group.left_out) == (4, 26, 10)


def test_the_page_has_both():
    stacks = {(ROOT,): Times(busy=1), PATH: Times(busy=4, entries=2)}
    profile = Profile(stacks, 5, 4, latencies={PATH: histogram_of([MS])}, slow={PATH: SLOW})
    assert make_report(profile, GraphOptions()).answers[0].heading == "What makes spans slow"
    text = report_of_profile(profile, GraphOptions())
    assert "How long spans and tasks lasted" in text
    assert "without query (db.py:3) 30 % less at most" in text
