"""The command line itself: what it lists, and how errors end it."""

import io
import platform
import subprocess
import sys
from functools import partial
from importlib import metadata

import pytest
import trio

from tests.commands.starting import run_command, start_command
from tracetools import TracetoolsError, __main__
from tracetools.__main__ import main


def test_help_lists_the_commands(tmp_path):
    status, output, errors = run_command("--help", folder=tmp_path)
    assert (status, errors) == (0, "")
    assert "demo" in output
    assert "run" in output


def test_help_and_version_import_no_backend(tmp_path):
    program = (
        "import sys, tracetools.__main__ as command\n"
        "try: command.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(sorted({'trio', 'anyio', 'httpx', 'asyncio'} & set(sys.modules)), file=sys.stderr)"
    )
    for option in ("--help", "--version"):
        ran = subprocess.run(
            [sys.executable, "-c", program, option], capture_output=True, text=True, check=True
        )
        assert ran.stderr == "[]\n"


def version(monkeypatch, capsys, why_not):
    monkeypatch.setattr(__main__, "why_not", why_not)
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_version_is_the_one_of_the_distribution(monkeypatch, capsys):
    found = metadata.version("trio-tracetools")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    assert version(monkeypatch, capsys, "") == f"tracetools {found} (native core), {python}\n"


def test_version_says_on_one_line_why_the_core_is_not_native(monkeypatch, capsys):
    why = "its extension cannot be loaded: " + "for a long reason, " * 10
    assert version(monkeypatch, capsys, why).partition(" (")[2].startswith(f"pure Python: {why}), ")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["demo", "--what"]])
def test_wrong_arguments_end_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: tracetools" in capsys.readouterr().err


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Be in a folder with a program of which nothing may run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").write_text("print()")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("arguments", "usage", "said"),
    [
        (["run", "--unknown", "app.py"], "tracetools run [options]", "no option --unknown"),
        (["run", "--funcions", "a"], "tracetools run", "did you mean --functions?"),
        (["run", "--out", "x", "a"], "tracetools run", "no option --out; did you mean --output?"),
        (["run"], "tracetools run", "tracetools run: error: nothing to run"),
        (["run", "-o", "x.png", "a"], "tracetools run", "no format has the suffix .png"),
        (["render", "--nosuch", "a"], "tracetools render", "no option --nosuch"),
        (["render", "a", "b"], "tracetools render", "name it with -o"),
        (["render", "a", "-o", "x.html", "--flame-chart"], "tracetools render", "no flame chart"),
        (["demo", "extra"], "tracetools demo", "'extra' is one word too many"),
        (["demo", "--requests", "x"], "tracetools demo", "'x' is no number from 1 to 100000"),
        (["nothing"], "tracetools [-h]", "invalid choice: 'nothing'"),
    ],
)
def test_wrong_use_shows_the_usage_of_the_command(arguments, usage, said, capsys):
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith(f"usage: {usage}")
    assert said in printed.err


def test_the_short_form_of_version(capsys):
    for option in ("-V", "--version"):
        with pytest.raises(SystemExit):
            main([option])
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


class Command:
    """A command that does one thing."""

    SUMMARY = "does one thing"

    def __init__(self, do):
        self._do = do

    def add_options(self, parser):
        pass

    def run(self, options):
        return self._do()


def run_one(monkeypatch, do):
    monkeypatch.setitem(__main__._COMMANDS, "one", Command(do))
    return main(["one"])


def raiser(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize("status", [0, 1])
def test_exit_status_is_the_command_s(monkeypatch, status):
    assert run_one(monkeypatch, lambda: status) == status


def test_error_of_ours_is_one_line_and_2(monkeypatch, capsys):
    assert run_one(monkeypatch, raiser(TracetoolsError("no such file\ntry again"))) == 2
    assert capsys.readouterr() == ("", "tracetools: no such file try again\n")


@pytest.mark.parametrize("nested", [False, True])
def test_ctrl_c_is_130_without_words(nested, monkeypatch, capsys):
    async def interrupted():
        async with trio.open_nursery(), trio.open_nursery():
            raise KeyboardInterrupt

    do = partial(trio.run, interrupted) if nested else raiser(KeyboardInterrupt())
    assert run_one(monkeypatch, do) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("error", [TracetoolsError, BrokenPipeError, KeyboardInterrupt, SystemExit])
def test_errors_of_a_program_that_is_run_are_its_own(monkeypatch, capsys, error):
    with pytest.raises(error):
        run_one(monkeypatch, lambda: raiser(error("the program's")))
    assert capsys.readouterr() == ("", "")


def test_exit_status_may_come_from_what_is_left_to_do(monkeypatch):
    assert run_one(monkeypatch, lambda: lambda: 3) == 3


def test_streams_of_a_program_that_is_run_are_left_alone(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["run"]) == 2
    assert terminal.errors == "strict"


def test_any_other_error_is_a_bug_and_shows_its_traceback(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run_one(monkeypatch, raiser(ZeroDivisionError()))


def test_names_that_the_terminal_cannot_show_are_escaped(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert run_one(monkeypatch, lambda: sys.stdout.write("größe\n") and 0) == 0
    assert terminal.buffer.getvalue() == b"gr\\xf6\\xdfe\n"


def test_output_that_is_no_file_is_written_to_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stdout", output := io.StringIO())
    assert run_one(monkeypatch, lambda: sys.stdout.write("größe\n") and 0) == 0
    assert output.getvalue() == "größe\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of Unix")
def test_reader_that_goes_away_causes_no_traceback(tmp_path):
    with start_command("demo", "--requests", "1", folder=tmp_path) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (2, "")


def test_errors_cannot_move_the_cursor(capsys):
    assert main(["report", "no\x1b[2Jsuch\u202e"]) == 2
    assert capsys.readouterr().err == "tracetools: no file no?[2Jsuch?: check the path\n"
