"""What is said in a line at the end, and what is not."""

from pathlib import Path

import pytest

from tracetools import Profile
from tracetools.commands.running import notes
from tracetools.commands.running.program import Program
from tracetools.core.stacks import ROOT, Frame, Times

MAIN = (ROOT, Frame("main", "app.py", 3))
OTHER = (*MAIN, Frame("other", "app.py", 9))


def profile(main, other):
    return Profile(stacks={(ROOT,): Times(busy=10**9), MAIN: Times(main), OTHER: Times(other)})


def test_a_frame_with_nearly_all_busy_time_may_be_divided(monkeypatch):
    monkeypatch.setattr(notes, "why_not", "")
    assert notes.what_functions_would_show(profile(81, 19), is_on=False) == (
        "main (app.py:3) has 81 % of the busy time; --functions shows the functions in it."
    )
    monkeypatch.setattr(notes, "why_not", "it was installed without a compiler")
    said = notes.what_functions_would_show(profile(0, 5), is_on=False)
    assert said.startswith("other (app.py:9) has 100 % of the busy time")
    assert said.endswith("off by default: it was installed without a compiler.")


@pytest.mark.parametrize(
    ("recorded", "is_on"), [(profile(81, 19), True), (profile(80, 20), False), (Profile(), False)]
)
def test_nothing_is_said_where_functions_are_shown_or_would_show_little(recorded, is_on):
    assert notes.what_functions_would_show(recorded, is_on=is_on) == ""


def test_where_the_pages_of_slow_spans_are(tmp_path):
    pages = [tmp_path / "stack.slow" / name for name in ("a.html", "b.html")]
    assert notes.what_is_kept((), tmp_path) == ""
    assert notes.what_is_kept(pages[:1], tmp_path) == (
        "1 slow span is kept, a page for each: stack.slow"
    )
    said = notes.what_is_kept(pages, tmp_path / "elsewhere")
    assert said == f"2 slow spans are kept, a page for each: {tmp_path / 'stack.slow'}"


def script(*words, source=b"print()", status=None):
    program = Program(["app.py", *words], "", len, source=source)
    program.status = status
    return program


def command(*words, status=None):
    program = Program(["-m", *words], "", len, name="app")
    program.status = status
    return program


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (script("-o", "x"), ["-o"]),
        (script("x", "--lens=idle", "-q", "-q"), ["--lens", "-q"]),
        (script("--no-functions"), ["--no-functions"]),
        (script("-o", source=b"if '-o' in argv"), []),
        (script("-o", source=b'add("-o")', status=2), ["-o"]),
        (script("--", "-o"), []),
        (script("-ox", "--port", "--out"), []),
        (command("-o", "x"), []),
        (command("-o", "x", status=2), ["-o"]),
        (command("-q", "--functions"), ["--functions"]),
        (None, []),
    ],
)
def test_our_options_that_the_program_got_are_named(program, found):
    said = notes.our_options_after(program)
    assert said.startswith(f"{', '.join(found)} after" if found else "")
    assert bool(said) == bool(found)


def test_the_remedy_is_a_command_line():
    assert notes.our_options_after(script("-o", "x")) == (
        "-o after app.py went to the program. Options of tracetools stand before it:"
        " tracetools run -o ... app.py"
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 profile by the minute is in a/b."), (1200, "1,200 profiles by the minute are in a/b.")],
)
def test_where_minutes_are(count, said):
    assert notes.where_minutes_are(count, Path("/x/a/b"), Path("/x")).startswith(said)


def test_what_is_not_sent_can_be_sent():
    folder, here, url = Path("/x/a b"), Path("/x"), "clickhouse://host/db"
    assert notes.what_is_not_sent(0, folder, here, url) == ""
    assert notes.what_is_not_sent(3, folder, here, None) == ""
    said = notes.what_is_not_sent(1, folder, here, url)
    assert said == "1 of them was not sent: tracetools push 'a b' --to clickhouse://host/db"
