"""Tables as text, letter by letter."""

from collections import Counter
from pathlib import Path

import pytest

from tracetools import LawError, Profile
from tracetools.commands.tables import (
    shorten,
    top_stacks,
    totals,
    what_is_left_out,
    what_ran,
    what_stands_out,
    what_to_open,
)
from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.stacks import KINDS, ROOT, Blocks, Frame, Times

MAIN = Frame("main", "/home/me/app.py", 3)
PART = Frame("Shop.load_part", "src\\shop\\parts.py", 120)
QUERY = Frame("query")
MS = 10**6

PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=500 * MS),
        (ROOT, MAIN): Times(busy=20 * MS, idle=1500 * MS),
        (ROOT, MAIN, PART): Times(busy=380 * MS, idle=100 * MS, thread=100 * MS),
        (ROOT, MAIN, PART, QUERY): Times(idle=400 * MS),
    },
    duration=900 * MS,
    task_time=2400 * MS,
)


def test_busy_table():
    assert top_stacks(PROFILE, "busy").splitlines() == [
        "Most busy time, by stack (self time; 100 % = 1.00 s, of which the loop itself 500.0 ms):",
        "      480.0 ms  48.0 %  all-spans > main > Shop.load_part (parts.py:120)",
        "       20.0 ms   2.0 %  all-spans > main (app.py:3)",
    ]


def test_idle_table():
    assert top_stacks(PROFILE, "idle", count=2).splitlines() == [
        "Most idle time, by stack (self time; 100 % = 2.00 s of all tasks):",
        "    1,500.0 ms  75.0 %  all-spans > main (app.py:3)",
        "      400.0 ms  20.0 %  all-spans > main > Shop.load_part > query (unknown)",
    ]


def test_the_table_of_an_empty_profile_is_its_heading():
    assert top_stacks(Profile(), "busy").count("\n") == 0
    assert top_stacks(Profile(), "scheduled").count("\n") == 0


def test_rows_fit_into_the_width():
    for width in (50, 60, 80):
        _, *rows = top_stacks(PROFILE, "idle", width=width).splitlines()
        assert max(map(len, rows)) <= width


def test_totals():
    assert totals(PROFILE).splitlines() == [
        "In worker threads, beside the loop: 100.0 ms.",
        "Both laws of time hold, to the nanosecond:",
        "  the loop's: 400,000,000 busy + 500,000,000 its own = 900,000,000",
        "  the tasks': 400,000,000 busy + 2,000,000,000 waiting = 2,400,000,000",
        "Scheduled time was not measured; it is part of the idle time.",
    ]


def test_totals_say_that_stacks_were_cut():
    profile = Profile(scheduled_measured=True, truncated=True)
    assert totals(profile).splitlines()[-1].startswith("There were too many stacks")


def test_totals_of_a_profile_that_breaks_a_law():
    with pytest.raises(LawError):
        totals(Profile(duration=1))


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (Profile(runs=1, duration=5 * MS), "recorded 1 loop, 5.0 ms in all."),
        (
            Profile(runs=1, duration=1500 * MS, backends=("trio",)),
            "recorded 1 loop (trio), 1.50 s in all.",
        ),
        (
            Profile(runs=1200, duration=0, backends=("asyncio", "trio"), merged=3),
            "recorded 1,200 loops (asyncio, trio) of 3 processes, 0.0 ms in all.",
        ),
        (
            Profile(runs=1, duration=5 * MS, stacks={(ROOT, MAIN): Times(thread=2 * MS)}),
            "recorded 1 loop, 5.0 ms in all. In worker threads, beside: 2.0 ms.",
        ),
    ],
)
def test_what_ran(profile, text):
    assert what_ran(profile) == text


LINE = Frame("blocks the loop", "shop/parts.py", 127)


def test_without_lints_there_is_no_text():
    assert what_stands_out(PROFILE) == what_stands_out(Profile()) == ""


def blocks_of(*maxima):
    """Return as many blocking steps, each of a function of its own."""
    return {
        (ROOT, Frame(f"f{index}", "app.py", index)): Blocks(1, most * MS, most * MS)
        for index, most in enumerate(maxima)
    }


def test_the_heaviest_lints_are_shown():
    profile = Profile(blocking=blocks_of(500, 400, 300), blocking_threshold=100 * MS)
    assert what_stands_out(profile).splitlines() == [
        "What stands out:",
        "  blocks: 1 step over 100 ms, which took 500 ms: all-spans > f0 (app.py:0)",
        "  blocks: 1 step over 100 ms, which took 400 ms: all-spans > f1 (app.py:1)",
        "  blocks: 1 step over 100 ms, which took 300 ms: all-spans > f2 (app.py:2)",
    ]


def test_what_concerns_the_whole_program_takes_no_room_from_lines_to_mend():
    """As on a busy machine, where tasks are delayed, and nothing may run for some time."""
    kinds = ("growing-queue", "scheduling-delay", "stopped", "starved", "untracked", "forks")
    profile = Profile(
        duration=4000 * MS,
        blocking_threshold=100 * MS,
        blocking=blocks_of(900, 700, 500, 400, 300, 200),
        stalls={(Frame(KINDS[kind], ""),): Blocks(1, 600 * MS, 600 * MS) for kind in kinds[2:4]},
        queue_trend=tuple(range(0, 10**6, 10**5)),
        scheduling_delay=Histogram(200 * 800 * MS, 800 * MS, {bucket_of(800 * MS): 200}),
        untracked=1,
        forks=1,
    )
    _, *lines, more = what_stands_out(profile).splitlines()
    found = Counter(line.split(":")[0].strip() for line in lines)
    assert found == {"blocks": 5} | dict.fromkeys(kinds, 1)
    assert more == "  ... and 1 more: see the report"


def test_lints_of_all_kinds_are_shown_first():
    profile = Profile(
        stacks={
            (ROOT, MAIN): Times(busy=2 * 10**9, steps=1, entries=1),
            (ROOT, QUERY): Times(left_open=2),
        },
        blocking_threshold=100 * MS,
        blocking={
            (ROOT, MAIN, PART, LINE): Blocks(3, 900 * MS, 400 * MS),
            **blocks_of(400, 300),
        },
        untracked=1,
    )
    assert what_stands_out(profile).splitlines() == [
        "What stands out:",
        "  never-yielded: ran for 2 s, with at most one pause: all-spans > main (app.py:3)",
        (
            "  blocks: 3 steps over 100 ms, 900 ms in all, at most 400 ms:"
            " ... > Shop.load_part (parts.py:127)"
        ),
        "  blocks: 1 step over 100 ms, which took 400 ms: all-spans > f0 (app.py:0)",
        "  blocks: 1 step over 100 ms, which took 300 ms: all-spans > f1 (app.py:1)",
        "  left-open: 2 spans were open when the task had finished: all-spans > query (unknown)",
        "  untracked: 1 task could not be tracked",
    ]


def test_the_longest_blocking_step_is_shown_if_its_stack_is_not():
    frames = [Frame(f"g{index}", "app.py", index) for index in range(5)]
    heaviest = {(ROOT, frame): Blocks(9, 9000 * MS, 1000 * MS) for frame in frames}
    profile = Profile(blocking=heaviest | {(ROOT, PART, LINE): Blocks(1, 1500 * MS, 1500 * MS)})
    assert what_stands_out(profile).splitlines() == [
        "What stands out:",
        *(
            f"  blocks: 9 steps, 9 s in all, at most 1 s: all-spans > g{index} (app.py:{index})"
            for index in range(5)
        ),
        "  ... and 1 more: see the report",
        "The longest blocking step took 1.5 s: all-spans > Shop.load_part (parts.py:127)",
    ]


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ((ROOT, MAIN, Frame("blocks the loop")), "all-spans > main (app.py:3)"),
        ((Frame("blocks the loop"),), "blocks the loop (unknown)"),
        ((LINE,), "blocks the loop (parts.py:127)"),
    ],
)
def test_a_blocking_step_without_a_line_or_a_function(path, end):
    profile = Profile(blocking={path: Blocks(1, 5 * MS, 5 * MS)})
    assert what_stands_out(profile).endswith(f"  blocks: 1 step, which took 5 ms: {end}")


@pytest.mark.parametrize("name", ["f", "function" * 20])
def test_what_stands_out_fits_into_the_width(name):
    path = (ROOT, MAIN, Frame(name, "app.py", 9), LINE)
    profile = Profile(
        blocking_threshold=100 * MS,
        blocking={path: Blocks(1234, 1234 * 10**9, 12 * 10**9)},
        stacks={path[:3]: Times(busy=9 * 10**9, steps=1_000_000, self_wakes=900_000, entries=1)},
        queue_trend=tuple(range(0, 10**6, 10**5)),
    )
    lines = what_stands_out(profile).splitlines()
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  blocks",
        "  self-wakes",
        "  growing-queue",
    ]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("here", "folder"), [("/home/me", "out/"), ("/home/me/out", ""), ("/home/you", "/home/me/out/")]
)
def test_what_to_open_is_relative_to_the_folder(here, folder):
    profile = f"{folder}app.profile.json"
    files = [Path("/home/me/out/app" + suffix) for suffix in (".profile.json", ".folded", ".svg")]
    assert what_to_open(files, Path(here)).splitlines() == [
        f"Written: {profile}; for a report: tracetools render {profile} --html",
        f"Written: {folder}app.folded and {folder}app.svg",
        f"Open {folder}app.svg in a browser; click a frame to zoom in.",
    ]


def test_what_was_not_written_is_not_named():
    report = [Path("/a/app.profile.json"), Path("/a/app.folded"), Path("/a/app.html")]
    assert what_to_open(report, Path("/a")).splitlines() == [
        "Written: app.profile.json; for more: tracetools report app.profile.json",
        "Written: app.folded and app.html",
        "Open app.html in a browser; click a frame to zoom in.",
    ]
    assert what_to_open([Path("/a/app.folded")], Path("/home")) == "Written: /a/app.folded"
    assert what_to_open([], Path("/home")) == ""


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (60, "all-spans > main > Shop.load_part > query (unknown)"),
        (51, "all-spans > main > Shop.load_part > query (unknown)"),
        (50, "... > main > Shop.load_part > query (unknown)"),
        (44, "... > Shop.load_part > query (unknown)"),
        (37, "... > query (unknown)"),
        (20, "query (unknown)"),
        (12, "...(unknown)"),
    ],
)
def test_shorten(width, line):
    assert shorten((ROOT, MAIN, PART, QUERY), width) == line


def test_shorten_of_the_root_alone():
    assert shorten((ROOT,), 20) == "all-spans"


def test_names_cannot_move_the_cursor():
    evil = Frame("a\x1b[2Jb\nc\ud800", "x\ty.py", 1)
    assert shorten((evil, evil), 80) == "a?[2Jb?c? > a?[2Jb?c? (x?y.py:1)"


def test_what_is_left_out_of_other_processes_is_said():
    assert what_is_left_out(0, 0, {}) == []
    assert what_is_left_out(1, 1, {"it was late": 1}) == [
        "tracetools: what 1 process recorded cannot be read and is left out",
        "tracetools: 1 process still goes on: what comes from now on is not recorded",
        "tracetools: 1 process was not recorded: it was late",
    ]
    assert what_is_left_out(2, 1234, {"b": 3, "a": 2}) == [
        "tracetools: what 2 processes recorded cannot be read and is left out",
        "tracetools: 1,234 processes still go on: what comes from now on is not recorded",
        "tracetools: 2 processes were not recorded: a",
        "tracetools: 3 processes were not recorded: b",
    ]
