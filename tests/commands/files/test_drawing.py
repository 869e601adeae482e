"""What `tracetools render` draws and writes, and what it says when it cannot."""

import os
import re
import subprocess
import sys
import threading

import pytest

from tests.commands.drawings import failing, titles, write_files
from tracetools.__main__ import main
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats.profile_json import write_profile


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


# ---------------------------------------------------------------------------------- what is written


def test_graph_stands_beside_its_file(folder):
    assert main(["render", "a.folded"]) == 0
    assert titles((folder / "a.svg").read_text()) == [
        "all (15 µs, 100%)",
        "all-spans (15 µs, 100.00%)",
        "x (5 µs, 33.33%)",
        "y (10 µs, 66.67%)",
    ]


def test_what_was_written_is_said_unless_it_is_standard_output(folder, capsys):
    assert main(["render", "a.folded", "-o", "x.svg"]) == 0
    assert capsys.readouterr() == ("", "Written: x.svg\n")
    assert main(["render", "p.profile.json", "--html"]) == 0
    assert capsys.readouterr() == ("", "Written: p.html\n")
    assert main(["render", "a.folded", "-o", "-"]) == 0
    assert capsys.readouterr().err == ""


def test_a_name_with_a_dot_is_a_name(folder):
    (folder / "run-1.2").write_text("a 1\n")
    assert main(["render", "run-1.2"]) == 0
    assert (folder / "run-1.2.svg").exists()


def test_several_files_add_up(folder):
    assert main(["render", "a.folded", "b.folded", "-o", "sum.svg"]) == 0
    assert titles((folder / "sum.svg").read_text()) == [
        "all (18 samples, 100%)",
        "all-spans (16 samples, 88.89%)",
        "z (2 samples, 11.11%)",
        "x (6 samples, 33.33%)",
        "y (10 samples, 55.56%)",
    ]


def test_standard_input_goes_to_standard_output(folder, capsysbinary):
    with (folder / "a.folded").open("rb") as file:
        assert run_with_input(file, "-") == 0
    assert titles(capsysbinary.readouterr().out)[0] == "all (15 µs, 100%)"


def run_with_input(file, *arguments):
    """Run with a file as descriptor 0, as a shell would."""
    saved = os.dup(0)
    try:
        os.dup2(file.fileno(), 0)
        return main(["render", *arguments])
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def test_a_lens_of_a_profile_can_be_chosen(folder):
    assert main(["render", "p.profile.json"]) == 0
    assert titles((folder / "p.svg").read_text())[-1] == "main (app.py:3) (2 ms, 66.67%)"
    assert main(["render", "p.profile.json", "--lens", "idle"]) == 0
    assert titles((folder / "p.svg").read_text())[-1] == "main (app.py:3) (5 ms, 100.00%)"


@pytest.mark.parametrize("file", ["a.folded", "p.profile.json"])
def test_report_is_a_page(folder, file):
    assert main(["render", file, "-o", "page.html"]) == 0
    page = (folder / "page.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<svg" in page


def test_html_may_be_asked_for_on_standard_output(capsysbinary):
    assert main(["render", "a.folded", "--html", "-o", "-"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("flags", "title"),
    [
        ([], "main (app.py:3) (2 ms, 66.67%; blocked the loop once, for 1.5 ms)"),
        (["--lens", "task"], "main (app.py:3) (7 ms, 100.00%; blocked the loop once, for 1.5 ms)"),
        (
            ["--before", "a.folded", "--inverted"],
            "main (app.py:3) (2 ms, 66.67%; +66.67%; blocked the loop once, for 1.5 ms)",
        ),
        (
            ["p.profile.json", "blocked.profile.json", "a.folded"],
            (
                "main (app.py:3) (6 ms, 66.56%; "
                "blocked the loop 2 times, 3 ms in all, at most 1.5 ms)"
            ),
        ),
        (["--lens", "idle"], "main (app.py:3) (5 ms, 100.00%)"),
        (["--reverse"], "main (app.py:3) (2 ms, 66.67%)"),
        (["--flame-chart"], "main (app.py:3) (2 ms, 66.67%)"),
    ],
)
def test_blocking_steps_are_marked_in_graphs_of_busy_time_by_stack(folder, flags, title):
    assert main(["render", "blocked.profile.json", *flags, "-o", "b.svg"]) == 0
    text = (folder / "b.svg").read_text()
    assert title in titles(text)
    assert ("\u26a0 blocked the loop for longer than 1 ms<" in text) == ("blocked" in title)


def test_a_report_marks_blocking_steps(folder):
    assert main(["render", "blocked.profile.json", "--html"]) == 0
    page = (folder / "blocked.html").read_text()
    assert page.count("\u26a0 blocked the loop for longer than 1 ms<") == 2


def test_two_files_make_a_difference(folder):
    assert main(["render", "a.folded", "--before", "b.folded", "-o", "d.svg"]) == 0
    assert titles((folder / "d.svg").read_text()) == [
        "all (15 µs, 100%)",
        "all-spans (15 µs, 100.00%; 0.00%)",
        "(vanished) (2 µs, 13.33%; vanished)",
        "x (5 µs, 33.33%; +26.67%)",
        "y (10 µs, 66.67%; +66.67%)",
        "z (2 µs, 13.33%; vanished)",
    ]
    assert "vanished: only in the earlier file" in (folder / "d.svg").read_text()


def test_bad_lines_among_good_ones_are_reported_once(folder, caplog):
    (folder / "c.folded").write_text("a 1\nnothing\nb 2\nworse\n")
    assert main(["render", "c.folded"]) == 0
    (record,) = caplog.records
    assert "2 bad lines" in record.getMessage()
    assert "line 2" in record.getMessage()


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\n\n# only a comment\n", "empty"),
        (b"nothing\nhere\n", "line 1"),
        (b"a;b \x00\x01\x02 5\n", "binary"),
        (b"a;b 1 2\nc 3\n", "line 2"),
        (b'{"tracetools-profile": 1, "broken', "x.folded"),
    ],
)
def test_file_without_stacks_is_refused(folder, capsys, content, said):
    (folder / "x.folded").write_bytes(content)
    assert said in failing(capsys, "x.folded")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.folded"], "no file gone.folded: check the path"),
        (["."], "folder"),
        (["a.folded", "b.folded"], "name it with -o"),
        (["a.folded", "-o", "x.png"], "end it in .svg or .html"),
        (["a.folded", "-o", "gone/x.svg"], "no folder gone"),
        (["a.folded", "-c", "mauve"], "--colors"),
        (["a.folded", "--minwidth", "101"], "--min-width"),
        (["a.folded", "--bgcolors", "red;"], "--bgcolors"),
        (["a.folded", "--before", "b.folded", "-o", "x.html"], "no difference"),
        (["a.folded", "--before", "gone"], "no file gone"),
        (["p.profile.json", "a.folded", "-o", "x.html"], "one profile"),
        (["p.profile.json", "--lens", "scheduled"], "no scheduled time"),
        (["p.profile.json", "--lens", "critical"], "no slow spans were kept"),
    ],
)
def test_error_has_its_remedy_and_leaves_nothing(capsys, arguments, said):
    assert said in failing(capsys, *arguments)


def test_graph_never_replaces_what_it_is_drawn_from(folder, capsys):
    (folder / "a.svg").write_text("a 1\n")
    assert "would replace" in failing(capsys, "a.svg")


def test_graph_that_was_there_survives_an_error(folder, capsys):
    (folder / "x.svg").write_text("before")
    (folder / "x.folded").write_text("bad")
    failing(capsys, "x.folded")
    assert (folder / "x.svg").read_text() == "before"


def test_an_endless_line_is_not_kept_in_memory(folder, capsys):
    (folder / "x.folded").write_bytes(b"a" * (3 << 20))
    assert "x.folded" in failing(capsys, "x.folded")


# --------------------------------------------------------------------------- lenses, pipes, reports


def test_both_sides_of_a_difference_are_of_one_lens(folder):
    arguments = ["p.profile.json", "--before", "p.profile.json", "-o", "d.svg"]
    for lens in ("idle", "task"):
        assert main(["render", "--lens", lens, *arguments]) == 0
        changes = {
            title.rpartition("; ")[2] for title in titles((folder / "d.svg").read_text())[1:]
        }
        assert changes == {"0.00%)"}


def test_a_profile_without_busy_time_has_a_report(folder):
    idle = Profile({(ROOT,): Times(), (ROOT, Frame("main")): Times(idle=5)}, task_time=5)
    write_profile(folder / "idle.profile.json", idle)
    assert main(["render", "idle.profile.json", "--html"]) == 0
    assert 'data-lens="idle"' in (folder / "idle.html").read_text()


def test_a_profile_of_deep_stacks_keeps_its_time(folder):
    path = (ROOT, *(Frame("n" * 200, "app.py", line) for line in range(6_000)))
    write_profile(folder / "deep.profile.json", Profile({path: Times(busy=10**6)}, duration=10**6))
    assert main(["render", "deep.profile.json"]) == 0
    assert titles((folder / "deep.svg").read_text())[0] == "all (1 ms, 100%)"


@pytest.mark.parametrize("name", ["a.folded", "p.profile.json"])
def test_a_pipe_may_give_its_first_bytes_one_by_one(folder, name):
    data = (folder / name).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, data[:3])
    threading.Timer(0, lambda: (os.write(writing, data[3:]), os.close(writing))).start()
    assert main(["render", f"/dev/fd/{reading}", "-o", "x.svg"]) == 0
    assert len(titles((folder / "x.svg").read_text())) > 2


def test_states_of_tasks_have_their_colours_unless_others_are_given(folder):
    def fills():
        text = (folder / "t.svg").read_text()
        return dict(re.findall(r'<title>(\S+) .*?fill="(#\w+)"', text))

    arguments = ["render", "p.profile.json", "--lens", "task", "-o", "t.svg"]
    assert main(arguments) == 0
    assert fills()["[idle]"] == "#78a6e6"
    assert main([*arguments, "--colors", "hot"]) == 0
    assert fills()["[idle]"] != "#78a6e6"


def test_all_graphs_of_a_report_share_the_frames_that_it_may_have(folder):
    lines = [f"all-spans;m{n};[idle] 5\nall-spans;m{n} 5\n" for n in range(300)]
    (folder / "many.folded").write_text("".join(lines))
    assert main(["render", "many.folded", "--html", "--max-frames", "90"]) == 0
    assert (folder / "many.html").read_text().count("<g data-x") == 90


def test_files_of_one_name_are_two_graphs(folder):
    (folder / "d").mkdir()
    (folder / "d" / "a.folded").write_text("q 3\n")
    assert main(["render", "a.folded", "d/a.folded", "-o", "x.html"]) == 0
    text = (folder / "x.html").read_text()
    assert "<title>a.folded, d/a.folded</title>" in text
    assert text.count('class="lens"') == 2


def test_a_report_may_have_no_script(folder):
    assert main(["render", "p.profile.json", "--html", "--no-javascript"]) == 0
    assert "<script" not in (folder / "p.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.folded", "--flame-chart", "-o", "x.html"], "a report shows no flame chart"),
        (
            ["a.folded", "--flame-chart", "--before", "b.folded"],
            "a flame chart shows no difference",
        ),
        (["a.folded", "--lens", "idle"], "--lens chooses from a profile"),
        (["a.folded", "--max-frames", "0"], "--max-frames 0: give a whole number from 1"),
        (["a.folded", "-o", "-", "--width", "0"], "--image-width 0: give a whole number of pixels"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(capsys, arguments, said):
    assert said in failing(capsys, *arguments)


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_standard_output_that_fails_is_an_error_in_one_line(redirect):
    command = f"{sys.executable} -m tracetools render a.folded -o - {redirect}"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("tracetools: cannot write to standard output: ")
    assert ended.stderr.count("\n") == 1


# ------------------------------------------------------------------------------ files of any format


def test_files_of_other_tools_are_drawn_in_their_unit(folder):
    for name in ("p.speedscope.json", "p.pb.gz", "p.gecko.json"):
        assert main(["convert", "p.profile.json", name]) == 0
    assert main(["render", "p.speedscope.json", "-o", "s.svg"]) == 0
    assert titles((folder / "s.svg").read_text()) == [
        "all (3 ms, 100%)",
        "all-spans (3 ms, 100.00%)",
        "main (app.py:3) (2 ms, 66.67%)",
    ]
    assert main(["render", "p.pb.gz", "--lens", "idle", "-o", "i.svg"]) == 0
    assert titles((folder / "i.svg").read_text())[-1] == "main (app.py:3) (5 ms, 100.00%)"
    assert main(["render", "p.gecko.json", "--lens", "idle", "-o", "g.svg"]) == 0
    assert titles((folder / "g.svg").read_text())[-1] == "main (app.py:3) (5 ms, 100.00%)"


def test_files_with_different_units_of_time_are_not_drawn_as_one(folder):
    assert main(["convert", "p.profile.json", "p.speedscope.json"]) == 0
    assert main(["render", "p.speedscope.json", "p.profile.json", "-o", "s.svg"]) == 0
    assert titles((folder / "s.svg").read_text())[0] == "all (6 ms, 100%)"
