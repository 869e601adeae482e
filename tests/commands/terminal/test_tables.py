"""Tables as text, letter by letter."""

from pathlib import Path

import pytest

from tracetools import Profile
from tracetools.commands.terminal.tables import (
    lint_line,
    shorten,
    what_is_left_out,
    what_ran,
    what_to_open,
)
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.lints import Lint

MAIN = Frame("main", "/home/me/app.py", 3)
PART = Frame("Shop.load_part", "src\\shop\\parts.py", 120)
QUERY = Frame("query")
MS = 10**6


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


@pytest.mark.parametrize(
    ("path", "end"),
    [
        (None, ""),
        ((ROOT, MAIN, PART, LINE), ": all-spans > main > Shop.load_part (parts.py:127)"),
        ((ROOT, MAIN, Frame("blocks the loop")), ": all-spans > main (app.py:3)"),
        ((Frame("blocks the loop"),), ": blocks the loop (unknown)"),
        ((LINE,), ": blocks the loop (parts.py:127)"),
    ],
)
def test_a_lint_ends_with_its_stack(path, end):
    lint = Lint("never-yielded", path, "ran for 2 s", "", "")
    assert lint_line(lint, 100) == f"  never-yielded: ran for 2 s{end}"


@pytest.mark.parametrize("name", ["f", "function" * 20])
def test_a_lint_fits_into_the_width(name):
    lint = Lint("self-wakes", (ROOT, MAIN, Frame(name, "app.py", 9)), "woke itself", "", "")
    assert len(lint_line(lint, 60)) <= 60


@pytest.mark.parametrize(
    ("here", "folder"), [("/home/me", "out/"), ("/home/me/out", ""), ("/home/you", "/home/me/out/")]
)
def test_what_to_open_is_relative_to_the_folder(here, folder):
    again, profile = (
        "To print this again, or more of it: tracetools report",
        f"{folder}app.profile.json",
    )
    files = [Path("/home/me/out/app" + suffix) for suffix in (".profile.json", ".folded", ".svg")]
    assert what_to_open(files, Path(here)).splitlines() == [
        f"Written: {profile}, {folder}app.folded, {folder}app.svg",
        f"Open {folder}app.svg in a browser; click a frame to zoom in.",
        f"{again} {profile}; as a page: tracetools render {profile} --html",
    ]


def test_a_report_is_opened_rather_than_a_graph():
    files = [Path("/a/app.profile.json"), Path("/a/app.html"), Path("/a/app.svg")]
    assert what_to_open(files, Path("/a")).splitlines() == [
        "Written: app.profile.json, app.html, app.svg",
        "Open app.html in a browser; click a frame to zoom in.",
        "To print this again, or more of it: tracetools report app.profile.json",
    ]


def test_what_was_not_written_is_not_named():
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
    assert lint_line(Lint("kind", None, "found \x1b[2J", "", ""), 80) == "  kind: found ?[2J"


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
