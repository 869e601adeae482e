"""A process that was started records itself if its environment says so, and is else what it was."""

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

import tracetools
from tracetools.commands.running import family as families
from tracetools.commands.running import startup
from tracetools.commands.running.family import VARIABLE, Family

SOURCE = str(Path(tracetools.__file__).parent.parent)
PYTHON = getattr(sys, "_base_executable", sys.executable)
"""The one that the environment of the tests was made from: nothing of ours is installed there."""

LOOP = "import asyncio\nasyncio.run(asyncio.sleep(0))"


@pytest.fixture
def family(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(families, "_is_installed", lambda: False)
    made = Family({"lens": "busy"}, [SOURCE, *sys.path])
    yield made
    made.remove()


def run(family, code, *words, **variables):
    """Run code as a process that is expected to record itself."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")
    }
    added = {**family.environment(), **variables}
    done = subprocess.run(
        [PYTHON, *words, "-c", textwrap.dedent(code)],
        env=environment | added,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def change_plan(family, **more):
    plan = Path(family.make_folder(), "plan.json")
    plan.write_text(json.dumps(json.loads(plan.read_text()) | more))


def recorded(family):
    found = family.collect()
    assert (found.unread, found.running) == (0, 0)
    return sum(profile.runs for profile in found.profiles), sum(found.lost.values())


def test_it_is_recorded_and_finds_nothing_of_ours(family):
    code = f"""
        import os, sys
        print({VARIABLE!r} in os.environ, "PYTHONPATH" in os.environ)
        print("sitecustomize" in sys.modules)
        print([folder for folder in sys.path if "start_on_path" in folder])
        {LOOP.replace(chr(10), "; ")}
    """
    assert run(family, code) == (0, "False False\nFalse\n[]\n", "")
    assert recorded(family) == (1, 0)


def test_it_needs_no_loop(family):
    assert run(family, "import os; os._exit(3)") == (3, "", "")
    assert recorded(family) == (0, 0)


def test_its_own_sitecustomize_is_imported(family, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("print(__name__, __file__)")
    path = family.environment()["PYTHONPATH"] + os.pathsep + str(tmp_path)
    code = "import sitecustomize, os; print(os.environ['PYTHONPATH'])\n" + LOOP
    said = f"sitecustomize {tmp_path / 'sitecustomize.py'}\n{tmp_path}\n"
    assert run(family, code, PYTHONPATH=path) == (0, said, "")


def test_its_own_sitecustomize_may_fail_as_ever(family, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("1 / 0")
    with_ours = family.environment()["PYTHONPATH"] + os.pathsep + str(tmp_path)
    ended = run(family, LOOP, PYTHONPATH=with_ours)
    plain = run(Family({}, [], folder=str(tmp_path)), LOOP, PYTHONPATH=str(tmp_path))
    assert ended == plain
    assert "ZeroDivisionError" in ended[2]


@pytest.mark.parametrize("more", [{"path": []}, {"version": [3, 1]}, {"options": {}}, {"path": 5}])
def test_it_goes_on_where_it_cannot_be_recorded(family, more):
    change_plan(family, **more)
    assert run(family, "print(7)\n" + LOOP) == (0, "7\n", "")
    assert recorded(family) == (0, 1)


def test_it_goes_on_where_our_code_fails_and_it_is_known_why(family):
    change_plan(family, options={"lens": "nonsense", "clock": "wall"})
    assert run(family, "print(7)\n" + LOOP) == (0, "7\n", "")
    ((why, count),) = family.collect().lost.items()
    assert (why[:10], count) == ("ValueError", 1)


def test_it_goes_on_where_the_folder_is_gone(family):
    gone = {VARIABLE: "/nowhere/x"}
    assert run(family, "print(7)\n" + LOOP, **gone) == (0, "7\n", "")


@pytest.mark.parametrize("switch", ["-S", "-I", "-E"])
def test_it_is_counted_where_python_was_told_to_start_without_us(family, switch):
    assert run(family, "print(7)\n" + LOOP, switch) == (0, "7\n", "")
    assert recorded(family) == (0, 1)


def test_the_helper_of_multiprocessing_is_not_recorded(family):
    code = "from multiprocessing.resource_tracker import main, sys; print(*sys.modules)"
    status, modules, errors = run(family, code)
    assert (status, errors) == (0, "")
    assert "tracetools.commands.running.startup" in modules
    assert "tracetools.session" not in modules


def test_a_process_whose_environment_says_nothing_is_not_recorded(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    startup.start()
    assert startup._started == []


PTH = Path(SOURCE) / "tracetools_processes.pth"


def test_an_installed_file_does_the_same(family, tmp_path):
    if not PTH.exists():
        pytest.skip("not a checkout")
    site = tmp_path / "site"
    site.mkdir()
    (site / PTH.name).write_text(PTH.read_text())
    (site / "a.pth").write_text(SOURCE)
    code = f"import site; site.addsitedir({str(site)!r})\n" + LOOP
    assert run(family, code, "-E") == (0, "", "")
    assert recorded(family) == (1, 0)


def test_an_installed_file_costs_next_to_nothing_where_nothing_is_recorded():
    if not PTH.exists():
        pytest.skip("not a checkout")
    line = PTH.read_text().strip()
    code = f"import sys; before = set(sys.modules); {line}; print(set(sys.modules) - before)"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
