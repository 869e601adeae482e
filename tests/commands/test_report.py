"""`tracetools report` from the outside."""

import json
from dataclasses import replace

import pytest

from tests.output.answers.profiles import SERVER
from tests.strategies import histogram_of
from tracetools.__main__ import main
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.formats.folded import write_folded
from tracetools.output.formats.profile_json import write_profile
from tracetools.output.stack_file import fold


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    write_profile("s.profile.json", SERVER)
    write_folded(tmp_path / "s.folded", fold(SERVER))
    write_folded(tmp_path / "task.folded", fold(SERVER, "task"))
    (tmp_path / "other.folded").write_text("main;f (a.py) 3\nmain;g 1\n")
    (tmp_path / "bad.folded").write_text("\x00\x01")


def printed(capsys, *arguments):
    assert main(["report", *arguments]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.splitlines()


def refused(capsys, *arguments):
    assert main(["report", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tracetools: ")
    return said.err


def test_answers_come_first(capsys):
    lines = printed(capsys, "s.profile.json")
    assert lines[0] == "uvicorn: recorded 1 loop (asyncio), 1.50 s in all. Python 3.13.0."
    assert lines[2] == (
        "What blocks the loop (parts of 1.5 s that loops ran; steps of more than 100 ms)"
    )
    assert "     470 ms   31 %  read_settings (app.py:22)" in lines[3]
    assert "What is waited for (parts of 10 s that the program's own code waited)" in lines


def test_output_is_as_wide_as_it_is_asked_to_be(capsys):
    assert max(map(len, printed(capsys, "s.profile.json"))) > 100
    assert max(map(len, printed(capsys, "s.profile.json", "--width", "60"))) <= 60


def test_two_profiles_add_up(capsys):
    lines = printed(capsys, "s.profile.json", "s.profile.json")
    assert "recorded 2 loops (asyncio) of 2 processes, 3.00 s in all." in lines[0]


def test_a_tree_has_the_programs_own_code(capsys):
    lines = printed(capsys, "s.profile.json", "--tree")
    names = [line[19:] for line in lines]
    at = names.index("  (uvicorn)")
    assert names[0] == "all-spans"
    assert names[at + 1 : at + 5] == [
        "    GET /report/{year} (app.py:17)",
        "      (starlette)",
        "        report (app.py:17)",
        "          digest (app.py:11)",
    ]
    unfolded = printed(capsys, "s.profile.json", "--tree", "--libraries")
    assert any("RequestResponseCycle.run_asgi" in line for line in unfolded)
    assert printed(capsys, "s.profile.json", "--tree", "--all") == unfolded


def test_latencies_of_spans(capsys, tmp_path):
    path = (ROOT, Frame("GET /x", "app.py", 5))
    timed = replace(SERVER, latencies={path: histogram_of([2_000_000])})
    write_profile(tmp_path / "timed.profile.json", timed)
    heading, row = printed(capsys, "timed.profile.json", "--latency")
    assert heading.endswith("max  span or task")
    assert row.endswith("2 ms  GET /x (app.py:5)")
    [found] = json.loads("\n".join(printed(capsys, "timed.profile.json", "--json")))["latencies"]
    assert found == {
        "frame": "GET /x",
        "file": "app.py",
        "line": 5,
        **dict.fromkeys(("mean", "max"), 2_000_000),
        **dict.fromkeys(("p50", "p90", "p99"), found["p50"]),
        "count": 1,
        "parts": [],
        "slow": None,
    }
    assert abs(found["p50"] - 2_000_000) <= 0.02 * 2_000_000
    said = refused(capsys, "s.folded", "--latency")
    assert "it does not say how long spans and tasks lasted: give a profile" in said


def test_a_tree_of_another_lens(capsys):
    lines = printed(capsys, "s.profile.json", "--tree", "--lens", "idle", "--limit", "2")
    assert lines[0] == "    12.3 s  100 %  all-spans"
    assert lines[2].startswith("... and ")


def test_a_table(capsys):
    heading, first, *_ = printed(capsys, "s.profile.json", "--table", "--sort", "self")
    assert heading.split()[-3:] == ["%", "self", "frame"]
    assert first.endswith("digest (app.py:11)")
    lines = printed(capsys, "s.profile.json", "--table", "--sort", "idle", "--limit", "1")
    assert lines[1].endswith("await sleep (app.py:32)")


def test_a_filter_takes_stacks(capsys):
    lines = printed(capsys, "s.profile.json", "--tree", "--filter", "settings")
    assert len(lines) > 3
    assert not any("GET /report/{year}" in line for line in lines)
    answers = printed(capsys, "s.profile.json", "--filter", r"GET /row/")
    assert "What blocks the loop: no step took more than 100 ms." in answers


def test_json(capsys):
    value = json.loads("\n".join(printed(capsys, "s.profile.json", "--json", "--limit", "2")))
    assert value["tracetools-report"] == 1
    assert value["laws"]["loop"]["holds"]
    assert [row["frame"] for row in value["table"]] == ["all-spans", "(starlette)"]
    assert value["answers"]["computes"]["answers"][0]["line"] == 11
    filtered = json.loads("\n".join(printed(capsys, "s.profile.json", "--json", "--filter", "row")))
    assert filtered["laws"] == value["laws"]
    assert filtered["answers"]["computes"]["answers"] == []


def test_folded_stacks_say_what_they_can(capsys):
    lines = printed(capsys, "s.folded")
    assert lines[0] == "10 folded stacks, 1.5 s in all."
    assert "What blocks the loop: folded stacks do not say: give a profile." in lines
    assert "     720 ms   48 %  digest (app.py:11)" in lines
    waits = printed(capsys, "task.folded")
    assert any("row (app.py:31): Semaphore" in line for line in waits)


def test_stacks_that_count_something_else_are_a_table(capsys):
    assert printed(capsys, "other.folded") == [
        "      total       self      % total  frame",
        "  4 samples                   100 %  main",
        "  3 samples  3 samples         75 %  f (a.py)",
        "  1 samples  1 samples         25 %  g",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "no file none: check the path"),
        (["bad.folded"], "bad.folded"),
        (["."], "cannot read ."),
        (["s.profile.json", "s.folded"], "do not add up"),
        (["s.folded", "other.folded"], "in samples do not add up"),
        (["other.folded", "--table", "--lens", "idle"], "no idle time in it"),
        (["s.profile.json", "--tree", "--lens", "critical"], "no slow spans were kept"),
        (["s.folded", "--filter", "no such"], "no stack has a frame that matches --filter"),
    ],
)
def test_bad_input_is_refused(capsys, arguments, message):
    assert message in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--sort", "self"], "--sort orders a table"),
        (["--libraries"], "--libraries unfolds"),
        (["--lens", "idle"], "--lens chooses"),
    ],
)
def test_wrong_use_is_said_with_the_usage(capsys, option, message):
    assert main(["report", "s.profile.json", *option]) == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: tracetools report ")
    assert f"tracetools report: error: {message}" in said


def test_names_cannot_move_the_cursor(capsys):
    evil = replace(SERVER, programs=("a\x1b[2J\n\u202e.py",))
    write_profile("s.profile.json", evil)
    assert printed(capsys, "s.profile.json")[0].startswith("a?[2J??.py: recorded 1 loop")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["s.folded", "--tree", "--table"],
        ["s.folded", "--table", "--sort", "colour"],
        ["s.folded", "--filter", "("],
        ["s.folded", "--limit", "0"],
        ["s.folded", "--width", "x"],
    ],
)
def test_wrong_use_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["report", *arguments])
    assert ended.value.code == 2
    assert "usage: tracetools report" in capsys.readouterr().err
