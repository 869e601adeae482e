"""The rows of a report's table: whole numbers, each time counted once."""

from dataclasses import replace

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import clean_label
from tracetools.output.report import of_profile, of_stacks
from tracetools.output.report.figures import MAX_ROWS, Figures, sum_up

SERVE = "serve (app/server.py:30)"
QUERY = "query (app/db.py:8)"


def cells(report):
    return {row.name: row.cells for row in report.table.rows}


def headings(report):
    return [column.heading for column in report.table.columns]


def test_a_row_sums_up_what_ends_with_it_and_counts_recursion_once(profile):
    report = of_profile.make_report(profile, GraphOptions())
    assert headings(report) == [
        "Busy, all",
        "Busy",
        "Scheduled",
        "Idle",
        "Threads",
        "Steps",
        "Entries",
        "Busy a step",
    ]
    assert cells(report) == {
        SERVE: (135, 105, 7, 20, 60, 5, 3, 21),
        QUERY: (37, 32, 0, 1_200, 0, 8, 4, 4),
    }


def test_the_own_times_of_all_rows_are_those_of_the_profile(profile):
    rows = cells(of_profile.make_report(profile, GraphOptions())).values()
    assert sum(row[1] for row in rows) == profile.busy
    assert sum(row[1] + row[2] + row[3] for row in rows) == profile.task_time


def test_columns_of_what_was_not_measured_are_left_out():
    stacks = {(ROOT,): Times(busy=1), (ROOT, Frame("a")): Times(busy=2, entries=1)}
    report = of_profile.make_report(Profile(stacks=stacks, duration=3, task_time=2), GraphOptions())
    assert headings(report) == ["Busy, all", "Busy", "Idle", "Steps", "Entries", "Busy a step"]
    assert cells(report) == {"a (unknown)": (2, 2, 0, 0, 1, None)}


def test_frames_that_read_alike_are_one_row():
    stacks = {(ROOT, Frame("a;b", "")): Times(busy=1), (ROOT, Frame("a:b", "")): Times(busy=2)}
    assert clean_label("a;b") == "a:b"
    assert cells(of_profile.make_report(Profile(stacks=stacks), GraphOptions()))["a:b"][:2] == (
        3,
        3,
    )


def test_a_frame_that_never_ends_a_stack_has_a_row_too():
    assert sum_up([(("a", "b"), Figures(busy=5))]) == {
        "a": Figures(whole=5),
        "b": Figures(busy=5, whole=5),
    }


def test_the_heaviest_rows_are_shown_by_all_states_and_sorted_by_busy_time():
    stacks = {
        (ROOT, Frame(f"f{number}", "")): Times(busy=1 + number) for number in range(MAX_ROWS + 5)
    }
    stacks[(ROOT, Frame("sleeper", ""))] = Times(idle=10**9)
    table = of_profile.make_report(Profile(stacks=stacks), GraphOptions()).table
    assert len(table.rows) == MAX_ROWS
    assert table.left_out == 6
    assert table.rows[0].name == f"f{MAX_ROWS + 4}"
    assert table.rows[-1].name == "sleeper"


def test_a_file_of_the_task_lens_gives_all_lenses_and_all_states():
    stacks = {
        ("all-spans", "a"): 10,
        ("all-spans", "a", "[idle]"): 200,
        ("all-spans", "a", "b"): 5,
        ("all-spans", "a", "b", "[scheduled]"): 3,
    }
    report = of_stacks.make_report({"demo": stacks}, GraphOptions())
    assert [lens.key for lens in report.graphs] == ["task", "busy", "idle", "scheduled"]
    assert [dict(lens.stacks) for lens in report.graphs[1:]] == [
        {("all-spans", "a"): 10, ("all-spans", "a", "b"): 5},
        {("all-spans", "a"): 200},
        {("all-spans", "a", "b"): 3},
    ]
    assert headings(report) == ["Busy, all", "Busy", "Scheduled", "Idle"]
    assert cells(report) == {"a": (15, 10, 0, 200), "b": (5, 5, 3, 0)}


def test_files_of_others_are_a_graph_each_and_their_sum_a_table():
    graphs = {"one": {("a",): 1, ("a", "b"): 2}, "two": {("a",): 4}}
    report = of_stacks.make_report(graphs, GraphOptions())
    assert [lens.heading for lens in report.graphs] == ["one", "two"]
    assert headings(report) == ["All", "Own"]
    assert cells(report) == {"a": (7, 5), "b": (2, 2)}
    assert report.table.columns[0].show(7) == "7 samples"


def test_the_lenses_of_a_profile_are_its_own(profile):
    report = of_profile.make_report(profile, GraphOptions())
    assert [lens.key for lens in report.graphs] == ["task", "busy", "idle", "scheduled"]
    for lens in report.graphs:
        assert sum(lens.stacks.values()) == sum(profile.lens(lens.key).values())
        assert lens.options.count_name == "ns"


def test_other_colours_are_used_for_all_time_too_if_asked_for(profile):
    report = of_profile.make_report(profile, GraphOptions(colors="hot", title="T"))
    assert {lens.options.colors for lens in report.graphs} == {"hot"}
    assert report.title == "T"


def test_the_metadata_says_when_what_and_how_long(profile):
    about = dict(of_profile.make_report(profile, GraphOptions(notes="n")).metadata)
    assert about == {
        "Programs": "app",
        "Backends": "trio",
        "Start": "2023-11-14T22:13:20Z",
        "Duration": "537 ns",
        "Loop's own waiting and overhead": "400 ns",
        "Task time": "1.364 µs",
        "Thread time": "60 ns",
        "Loops recorded": "1",
        "Scheduled time": "measured",
        "Stacks": "5",
        "Frames": "3",
        "Notes": "n",
    }


def test_the_metadata_say_how_the_loop_did(eventful):
    about = dict(of_profile.make_report(eventful, GraphOptions()).metadata)
    told = {name: value.replace("\u00a0", " ") for name, value in about.items()}
    expected = {
        "How late tasks ran": "mean 55 ns, p50 50 ns, p99 60 ns, max 60 ns, count 2",
        "How long the queue was": "mean 2.0, p50 1, p99 3, max 3, count 2",
        "Blocking limit": "5 ns, exceeded by 4 steps",
        "Looks at functions": "1,234",
        "Tasks not followed": "2",
    }
    assert {name: told.get(name) for name in expected} == expected


def test_a_limit_is_told_where_nothing_exceeded_it(profile):
    def limit(blocking):
        told = replace(profile, blocking_limit=10**8, blocking=blocking)
        return dict(of_profile.make_report(told, GraphOptions()).metadata)["Blocking limit"]

    assert limit({}) == "100 ms, exceeded by 0 steps"
    assert limit({(ROOT,): Blocks(1, 5, 5)}) == "100 ms, exceeded by 1 step"


def test_a_start_that_no_calendar_has_is_shown_as_it_is():
    about = dict(of_profile.make_report(Profile(start=10**40), GraphOptions()).metadata)
    assert about["Start"] == f"{10**40} ns after 1970"
