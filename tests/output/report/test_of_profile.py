"""Reports of profiles: graphs, table and metadata; in notebooks, too."""

import html
from dataclasses import replace

import pytest

from tests.output.page_reading import Page
from tests.output.report.reading import cells, headings
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, WAITING, Blocks, Frame, Times
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import clean_label
from tracetools.output.report.of_profile import make_report, notebook_of_profile

from .drawn import frames_of, stacks_of

SERVE = "serve (app/server.py:30)"
QUERY = "query (app/db.py:8)"


def metadata(profile):
    """Return the metadata with ordinary blanks."""
    return {
        name: value.replace("\u00a0", " ")
        for name, value in make_report(profile, GraphOptions()).metadata
    }


# ------------------------------------------------------------------------------ graphs and titles


def test_the_graphs_are_the_lenses_of_the_profile(profile):
    report = make_report(profile, GraphOptions())
    assert [graph.key for graph in report.graphs] == ["busy", "idle", "task", "scheduled"]
    for graph in report.graphs:
        total = sum(profile.lens(graph.key).values())
        assert frames_of(graph.svg)[0][2] == total
        title = f"{graph.heading}, {total} ns"
        if graph.key == "busy":
            title = f"Busy {profile.busy} ns of {profile.duration} ns that loops ran"
        assert f"<title>{title}" in graph.svg or total >= 1000


@pytest.mark.parametrize(("thread", "more"), [(0, ""), (7, ", and 7 ns in threads")])
def test_the_title_of_busy_time_says_how_much_of_it_was_work(thread, more):
    stacks = {(ROOT,): Times(busy=2), (ROOT, WAITING): Times(busy=5)}
    stacks[ROOT, Frame("task", "app.py", 1)] = Times(busy=3, thread=thread)
    (busy, *_) = make_report(Profile(stacks=stacks, duration=10), GraphOptions()).graphs
    assert f"<title>Busy 3 ns of 10 ns that loops ran{more}</title>" in busy.svg


def test_frames_of_libraries_are_folded_in_the_graph_and_there_in_the_other(profile):
    known = replace(profile, origins={"app/db.py": "library"})
    busy, *_ = make_report(known, GraphOptions(colors="hot")).graphs
    assert ("(app)",) in stacks_of(busy.svg)
    assert (QUERY,) in stacks_of(busy.whole_svg)


CRITICAL, ORDER = "(critical paths of kept spans)", Frame("order", "app/shop.py", 5)
LOADS, DECODE = Frame("loads", "json/decoder.py", 2), Frame("decode", "json/decoder.py", 3)
SAVES = "without it, wherever it is, they would take"


def test_critical_paths_are_a_graph_that_says_how_many_spans_were_kept(profile):
    path = (ROOT, Frame("serve", "app/server.py", 30), ORDER)
    times = CriticalTimes(2, 5, {path: 2, (*path, LOADS, DECODE): 3}, {LOADS: 2, DECODE: 1})
    known = replace(
        profile, slow={path: SlowSpans(critical=times)}, origins={LOADS.file: "library"}
    )
    *_, graph = make_report(known, GraphOptions()).graphs
    assert "<title>Critical paths of 2 slow spans that were kept, 5 ns in all</title>" in graph.svg
    assert f"<title>{CRITICAL} (5 ns, 100.00%)</title>" in graph.svg
    assert f"<title>{ORDER.label} (5 ns, 100.00%; 2 were kept)</title>" in graph.svg
    assert "<title>(json) (3 ns, 60.00%)</title>" in graph.svg
    assert f"<title>{DECODE.label} (3 ns, 60.00%; {SAVES} 1 ns (20.0%) less" in graph.whole_svg
    assert graph.mark == ""


def test_what_blocked_is_marked_though_stacks_are_folded(profile):
    line = Frame("blocks the loop", "app/server.py", 31)
    stack = (ROOT, *(Frame(*each) for each in [("serve", "app/server.py", 30)]))
    known = replace(profile, blocking={(*stack, line): Blocks(1, 40, 40)}, samples=9)
    busy, *_ = make_report(known, GraphOptions()).graphs
    [title] = [each[3] for each in frames_of(busy.svg) if "blocked" in each[3]]
    assert title.startswith(SERVE)


def test_what_is_beside_the_title_says_how_much_when_and_which_python(profile):
    known = replace(profile, pythons=("3.13.5",))
    assert list(make_report(known, GraphOptions()).about) == [
        "537 ns recorded",
        "loop busy 137 ns (26 %)",
        "trio",
        "Python 3.13.5",
        "2023-11-14T22:13:20Z",
    ]


def test_the_answers_are_those_of_the_profile(eventful):
    report = make_report(eventful, GraphOptions())
    assert [group.lens for group in report.answers] == ["busy", "idle", "busy", "scheduled"]
    assert any("lib.py:7" in entry.location for entry in report.answers[0].entries)


def test_the_title_is_what_was_run_unless_one_is_given(profile):
    assert make_report(profile, GraphOptions()).title == "app"
    assert make_report(profile, GraphOptions(title="T")).title == "T"
    assert make_report(Profile(), GraphOptions()).title == "tracetools report"


# -------------------------------------------------------------------------------------- the table


def test_a_row_sums_up_what_ends_with_it_and_counts_recursion_once(profile):
    report = make_report(profile, GraphOptions())
    assert headings(report) == [
        "Busy, total",
        "Busy, self",
        "Scheduled",
        "Idle",
        "Threads",
        "Steps",
        "Entries",
        "Busy per step",
    ]
    assert cells(report) == {
        SERVE: (135, 105, 7, 20, 60, 5, 3, 21),
        QUERY: (37, 32, 0, 1_200, 0, 8, 4, 4),
    }


def test_the_self_times_of_all_rows_are_those_of_the_profile(profile):
    rows = cells(make_report(profile, GraphOptions())).values()
    assert sum(row[1] for row in rows) == profile.busy
    assert sum(row[1] + row[2] + row[3] for row in rows) == profile.task_time


def test_what_was_not_measured_has_no_column():
    stacks = {(ROOT,): Times(busy=1), (ROOT, Frame("a")): Times(busy=2, entries=1)}
    report = make_report(Profile(stacks=stacks, duration=3, task_time=2), GraphOptions())
    assert headings(report) == [
        *("Busy, total", "Busy, self", "Idle"),
        *("Steps", "Entries", "Busy per step"),
    ]
    assert cells(report) == {"a (unknown)": (2, 2, 0, 0, 1, None)}


def test_frames_with_the_same_clean_label_are_one_row():
    stacks = {(ROOT, Frame("a;b", "")): Times(busy=1), (ROOT, Frame("a:b", "")): Times(busy=2)}
    assert clean_label("a;b") == "a:b"
    report = make_report(Profile(stacks=stacks), GraphOptions())
    assert cells(report)["a:b"][:2] == (3, 3)


# ----------------------------------------------------------------------------------- the metadata


def test_the_metadata_say_when_what_and_how_long(profile):
    assert dict(make_report(profile, GraphOptions(notes="n")).metadata) == {
        "Programs": "app",
        "Backends": "trio",
        "Start": "2023-11-14T22:13:20Z",
        "Duration": "537 ns",
        "Loop's own time": "400 ns",
        "Task time": "1.364 µs",
        "Thread time": "60 ns",
        "Loops recorded": "1",
        "Scheduled time": "measured",
        "Stacks": "5",
        "Frames": "3",
        "Notes": "n",
    }


def test_the_metadata_have_delays_queues_and_blocking_steps(eventful):
    found = metadata(eventful)
    expected = {
        "Scheduling delay": "mean 55 ns, p50 50 ns, p99 60 ns, max 60 ns, count 2",
        "Queue length": "mean 2.0, p50 1, p99 3, max 3, count 2",
        "Blocking threshold": "5 ns, exceeded by 4 steps",
        "Samples of functions": "1,234",
        "Untracked tasks": "2",
    }
    assert {name: found.get(name) for name in expected} == expected


def test_the_threshold_is_shown_where_nothing_exceeds_it(profile):
    def threshold(blocking):
        changed = replace(profile, blocking_threshold=10**8, blocking=blocking)
        return metadata(changed)["Blocking threshold"]

    assert threshold({}) == "100 ms, exceeded by 0 steps"
    assert threshold({(ROOT,): Blocks(1, 5, 5)}) == "100 ms, exceeded by 1 step"


def test_the_metadata_say_what_was_merged_and_truncated():
    found = metadata(Profile(merged=2, runs=3, truncated=True))
    assert found["Profiles merged"] == "2"
    assert found["Loops recorded"] == "3"
    assert found["Stacks"] == "0, truncated: (deeper) and (other) have the rest"
    assert found["Scheduled time"] == "part of the idle time"


def test_a_start_beyond_the_calendar_is_shown_in_nanoseconds():
    assert metadata(Profile(start=10**40))["Start"] == f"{10**40} ns after 1970"


# ------------------------------------------------------------------------------------- notebooks


def test_in_a_notebook_the_whole_report_is_in_a_frame(profile):
    [frame] = Page(notebook_of_profile(profile)).all("iframe")
    assert Page(frame["srcdoc"]).values("data-lens") == ["busy", "idle", "task", "scheduled"]


def test_in_a_notebook_an_empty_profile_is_a_sentence():
    page = Page(notebook_of_profile(Profile()))
    assert page.all("iframe") == []
    assert page.texts["p"] == ["tracetools: an empty profile, in which no time was recorded."]


def test_in_a_notebook_the_largest_profile_stays_below_five_megabytes():
    stacks = {
        (
            ROOT,
            Frame(f"task number {number:05} " + "x" * 40, "package/module/file.py", number),
        ): Times(busy=10**6, scheduled=10**6, idle=10**6, steps=1, entries=1)
        for number in range(9_000)
    }
    shown = notebook_of_profile(Profile(stacks=stacks, scheduled_measured=True))
    assert len(html.unescape(shown)) < len(shown) < 5_000_000
