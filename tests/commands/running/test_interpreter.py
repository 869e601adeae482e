"""A `python` before the program is taken off; what cannot be honoured is refused."""

import os
import subprocess
import sys

import pytest

from tests.commands.programs import RECORDED, end, started
from tracetools.commands import UsageError
from tracetools.commands.running.interpreter import take_off

OWN = ".".join(map(str, sys.version_info[:2]))
OTHER = "3.9" if OWN != "3.9" else "3.8"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Be in a folder, with this Python first on the path."""
    monkeypatch.chdir(tmp_path)
    beside = os.path.dirname(sys.executable)
    monkeypatch.setenv("PATH", f"{beside}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "program", "switches"),
    [
        ("app.py -u", "app.py -u", ""),
        ("-m python", "-m python", ""),
        ("python app.py -x", "app.py -x", ""),
        ("python3 app.py", "app.py", ""),
        (f"python{OWN} app.py", "app.py", ""),
        (f"{sys.executable} app.py", "app.py", ""),
        ("-- python app.py", "app.py", ""),
        ("-- app.py", "-- app.py", ""),
        ("python -- app.py", "-- app.py", ""),
        ("python -m mod -u", "-m mod -u", ""),
        ("python -mmod", "-mmod", ""),
        ("python -c code", "-c code", ""),
        ("python -u app.py", "app.py", "-u"),
        ("python -um mod", "-m mod", "-u"),
        ("python -uB -X dev -Wignore -m mod", "-m mod", "-uB -X dev -Wignore"),
        ("python -OO app.py", "app.py", "-OO"),
        ("python - x", "- x", ""),
    ],
)
def test_a_python_is_taken_off(line, program, switches):
    found = take_off(line.split())
    assert (found.program, found.switches) == (program.split(), switches.split())
    assert found.note == ""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("python", "nothing to run: python needs a script, or -m and a module, after it"),
        ("python -u", "nothing to run"),
        ("python -X", "-X of python needs a value after it"),
        ("python -I app.py", "-I of python cannot be honoured here"),
        ("python -i app.py", "as in python -i -m tracetools run"),
        ("python --version", "--version of python cannot be honoured here"),
        (f"python{OTHER} app.py", f"python{OTHER} is not Python {OWN}, which runs tracetools"),
        ("/else/python app.py", f"/else/python is not {sys.executable}, which runs tracetools"),
        ("./python app.py", "./python -m tracetools run"),
    ],
)
def test_what_cannot_be_honoured_is_refused(line, said):
    with pytest.raises(UsageError) as error:
        take_off(line.split())
    assert said in str(error.value)


def test_a_script_with_the_name_of_a_python_is_a_script(folder):
    (folder / "python").write_text("print()")
    assert take_off(["python", "x"]).program == ["python", "x"]


def test_a_python_of_another_environment_is_named(folder, monkeypatch):
    other = folder / "bin" / "python"
    other.parent.mkdir()
    (folder / "pyvenv.cfg").touch()
    other.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(other.parent))
    assert take_off(["python", "app.py"]).note == (
        f"python is {other}; the program is run by {sys.executable}, which runs tracetools"
    )


SEES = "import sys; print(sys.argv, sys.flags.optimize, sys.flags.utf8_mode, sys.orig_argv)"


@pytest.mark.skipif(os.name != "posix", reason="a process that is replaced")
def test_switches_count_for_the_program(folder):
    (folder / "app.py").write_text(SEES)
    words = ("-O", "-X", "utf8", "app.py", "-u")
    plain = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=True, cwd=folder
    )
    with started(*RECORDED, "-q", "python", *words, folder=folder) as process:
        assert end(process) == (0, plain.stdout, "")
