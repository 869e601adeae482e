"""What `tracetools diff` says and draws."""

import json

import pytest

from tests.commands.drawings import titles, write_files
from tracetools.__main__ import main
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.output.formats.profile_json import write_profile

BEFORE = """\
all-spans 10000
all-spans;main (app.py:3) 20000
all-spans;main (app.py:3);fetch (app.py:10) 50000
all-spans;main (app.py:3);gone (app.py:20) 20000
"""
AFTER = """\
all-spans 10000
all-spans;main (app.py:5) 15000
all-spans;main (app.py:5);fetch (app.py:12) 75000
all-spans;main (app.py:5);fresh (app.py:30) 25000
"""
TEXT = """\
total: 100 ms -> 125 ms (+25.0 %)

frames that grew:
  self +25 ms (50 ms -> 75 ms), total +25 ms (50 ms -> 75 ms)  fetch (app.py)

frames that shrank:
  self -5 ms (20 ms -> 15 ms), total +25 ms (90 ms -> 115 ms)  main (app.py)

new frames:
  self +25 ms (0 ns -> 25 ms), total +25 ms (0 ns -> 25 ms)  fresh (app.py)

frames that vanished:
  self -20 ms (20 ms -> 0 ns), total -20 ms (20 ms -> 0 ns)  gone (app.py)

stacks that grew:
  +25 ms (50 ms -> 75 ms)  all-spans;main (app.py);fetch (app.py)

stacks that shrank:
  -5 ms (20 ms -> 15 ms)  all-spans;main (app.py)

new stacks:
  +25 ms (0 ns -> 25 ms)  all-spans;main (app.py);fresh (app.py)

stacks that vanished:
  -20 ms (20 ms -> 0 ns)  all-spans;main (app.py);gone (app.py)
"""
VERDICT = """
grew by more than 30 %:
  +50.0 %  fetch (app.py)
  new  fresh (app.py)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "before.folded").write_text(BEFORE)
    (tmp_path / "after.folded").write_text(AFTER)
    return tmp_path


def test_changes_are_told_by_kind(capsys):
    assert main(["diff", "before.folded", "after.folded"]) == 0
    assert capsys.readouterr().out == TEXT


def test_what_grew_too_much_is_told_at_the_end(capsys):
    assert main(["diff", "before.folded", "after.folded", "--fail-over", "30%"]) == 1
    assert capsys.readouterr().out == TEXT + VERDICT


def test_frames_may_be_ordered_by_their_totals(capsys):
    main(["diff", "before.folded", "after.folded", "--sort", "total"])
    grown = capsys.readouterr().out.split("\n\n")[1]
    assert [line.rpartition("  ")[2] for line in grown.splitlines()[1:]] == [
        "fetch (app.py)",
        "main (app.py)",
        "all-spans",
    ]


def test_lists_are_as_long_as_asked_for(capsys):
    main(["diff", "before.folded", "after.folded", "--sort", "total", "-n", "1"])
    grown = capsys.readouterr().out.split("\n\n")[1].splitlines()
    assert grown[0] == "frames that grew (the first 1 of 3):"
    assert len(grown) == 2


def test_with_lines_each_frame_that_moved_is_another_one(capsys):
    main(["diff", "before.folded", "after.folded", "--lines"])
    said = capsys.readouterr().out
    assert "fetch (app.py:10)" in said.partition("frames that vanished")[2]
    assert "fetch (app.py:12)" in said.partition("new frames")[2]


def test_shares_are_compared_on_request(capsys):
    assert main(["diff", "before.folded", "after.folded", "--normalise", "--fail-over", "20%"])
    said = capsys.readouterr().out
    assert said.startswith("total: 125 ms -> 125 ms (+0.0 %), BEFORE scaled to AFTER")
    assert said.endswith("grew by more than 20 %:\n  new  fresh (app.py)\n")


def test_programs_get_stable_keys(capsys):
    assert main(["diff", "before.folded", "after.folded", "--json", "--fail-over", "30"]) == 1
    value = json.loads(capsys.readouterr().out)
    assert [*value] == [
        *("before", "after", "unit", "lens", "normalised", "total", "frames", "stacks", "failed")
    ]
    assert (value["unit"], value["lens"], value["normalised"]) == ("nanoseconds", "busy", False)
    assert value["total"]["growth"] == 0.25
    assert value["failed"] == ["fetch (app.py)", "fresh (app.py)"]
    [fetch] = [row for row in value["frames"] if row["frame"] == "fetch (app.py)"]
    assert fetch == {
        "frame": "fetch (app.py)",
        "before": 50_000_000,
        "after": 75_000_000,
        "self_before": 50_000_000,
        "self_after": 75_000_000,
        "growth": 0.5,
        "status": "grew",
    }
    [gone] = [row for row in value["stacks"] if row["status"] == "vanished"]
    assert gone["stack"] == ["all-spans", "main (app.py)", "gone (app.py)"]


def test_the_picture_shows_what_vanished(folder, capsys):
    assert main(["diff", "before.folded", "after.folded", "-o", "d.svg"]) == 0
    assert titles((folder / "d.svg").read_text()) == [
        "all (125 ms, 100%)",
        "all-spans (125 ms, 100.00%; 0.00%)",
        "(vanished) (20 ms, 16.00%; vanished)",
        "main (app.py) (115 ms, 92.00%; -4.00%)",
        "all-spans (20 ms, 16.00%; vanished)",
        "fetch (app.py) (75 ms, 60.00%; +20.00%)",
        "fresh (app.py) (25 ms, 20.00%; +20.00%)",
        "main (app.py) (20 ms, 16.00%; vanished)",
        "gone (app.py) (20 ms, 16.00%; vanished)",
    ]
    assert "wrote d.svg" in capsys.readouterr().err


def test_a_profile_is_compared_with_stacks(folder, capsys):
    write_files(folder)
    assert main(["diff", "p.profile.json", "a.folded"]) == 0
    assert capsys.readouterr().out.startswith("total: 3 ms -> 15 µs (-99.5 %)")


def test_the_waiting_of_the_loop_is_no_growth(folder, capsys):
    for name, waiting in (("a", 10**6), ("b", 10**9)):
        stacks = {
            (ROOT, WAITING): Times(busy=waiting),
            (ROOT, Frame("main", "app.py", 3)): Times(busy=10**6),
        }
        write_profile(folder / f"{name}.profile.json", Profile(stacks=stacks))
    assert main(["diff", "a.profile.json", "b.profile.json", "--fail-over", "0"]) == 0
    assert capsys.readouterr().out == "total: 1 ms -> 1 ms (+0.0 %)\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["before.folded", "other.folded"], "the first file has nanoseconds and the second has s"),
        (["two.folded", "other.folded"], "two.folded is a difference itself"),
        (["idle.folded", "before.folded"], "did nothing but wait"),
        (["before.folded", "after.folded", "-o", "d.html"], "a difference is drawn as SVG"),
        (["before.folded", "after.folded", "--lens", "idle"], "just one lens"),
        (["none", "after.folded"], "no file none"),
    ],
)
def test_what_cannot_be_done_is_said(folder, arguments, said, capsys):
    (folder / "other.folded").write_text("main;x 5\n")
    (folder / "two.folded").write_text("main;x 5 6\n")
    (folder / "idle.folded").write_text("all-spans;(waiting for events) 6\n")
    assert main(["diff", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_shares_of_other_units_can_be_compared(folder):
    (folder / "other.folded").write_text("all-spans;x 5\nmain 5\n")
    assert main(["diff", "before.folded", "other.folded", "--normalise"]) == 0


def test_names_cannot_move_the_cursor(folder, capsys):
    (folder / "evil.folded").write_text("all-spans;x\x1b[2J\u202e 500\n")
    assert main(["diff", "before.folded", "evil.folded", "--fail-over", "1"]) == 1
    said = capsys.readouterr().out
    assert "x?[2J?" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_what_the_coarser_unit_cannot_tell_apart_is_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main_frame, short = Frame("main", "app.py", 3), Frame("short", "app.py", 9)
    stacks = {(ROOT,): Times(busy=1499), (ROOT, main_frame): Times(busy=2501)}
    stacks[ROOT, main_frame, short] = Times(busy=499)
    write_profile("a.profile.json", Profile(stacks=stacks, duration=4499, runs=1))
    assert main(["convert", "a.profile.json", "a.folded"]) == 0
    for files in (("a.profile.json", "a.folded"), ("a.folded", "a.profile.json")):
        capsys.readouterr()
        assert main(["diff", *files, "--fail-over", "0%"]) == 0
        assert capsys.readouterr().out == "total: 4 \u00b5s -> 4 \u00b5s (+0.0 %)\n"
