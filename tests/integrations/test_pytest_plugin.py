"""The plugin from the outside: its option, its marker, its fixture, and what it costs."""

from __future__ import annotations

import json
import textwrap

import pytest

from tests.integrations.projects import KINDS, make, outcomes, run_pytest
from tests.processes import run


def test_it_imports_nothing_but_pytest():
    code = "import pytest, tracetools.integrations.pytest_plugin\nprint(json.dumps([*sys.modules]))"
    done = run(code, setup="import json, sys\n", measured=False)
    ours = {name for name in json.loads(done.stdout) if name.startswith("tracetools")}
    package = {"tracetools", "tracetools.core", "tracetools.core.errors"}
    plugin = {"tracetools.integrations", "tracetools.integrations.pytest_plugin"}
    plugin |= {"tracetools.integrations.pytest_names"}
    assert ours == package | plugin


@pytest.mark.parametrize("is_there", [True, False])
def test_a_run_that_does_not_ask_for_it_is_as_without_it(tmp_path, is_there):
    text = """
    import sys

    def test_modules():
        loaded = {name for name in sys.modules if name.startswith("tracetools.")}
        assert loaded <= {
            "tracetools.core", "tracetools.core.errors",
            "tracetools.integrations", "tracetools.integrations.pytest_plugin",
            "tracetools.integrations.pytest_names",
        }

    def test_hooks(pytestconfig):
        manager = pytestconfig.pluginmanager
        named = manager.list_name_plugin()
        ours = [name for name, plugin in named if plugin and "tracetools" in name]
        assert ours == ["tracetools"] * IS_THERE
        calls = manager.hook.pytest_runtest_call.get_hookimpls()
        assert not [each for each in calls if "tracetools" in each.plugin_name]
    """
    text = textwrap.dedent(text).replace("IS_THERE", str(is_there))
    folder = make(tmp_path, app="", test_plain=text)
    done = run_pytest(folder, *([] if is_there else ["-p", "no:tracetools"]))
    assert outcomes(done) == {"passed": 2}, done.stdout
    assert {path.name for path in folder.iterdir()} <= {"app.py", "test_plain.py", "__pycache__"}


def test_the_next_word_after_the_option_is_no_folder(tmp_path):
    folder = make(tmp_path / "tests", test_kinds=KINDS)
    done = run_pytest(
        tmp_path, "--tracetools", "tests/test_kinds.py::test_sync", PYTHONPATH=str(folder)
    )
    assert outcomes(done) == {"passed": 1}, done.stdout + done.stderr
    assert (tmp_path / ".tracetools" / "tests-test_kinds.py--test_sync.html").exists()


def test_a_folder_that_cannot_be_written_to_is_said_before_any_test(tmp_path):
    folder = make(tmp_path, test_kinds=KINDS)
    (tmp_path / "file").touch()
    done = run_pytest(folder, "--tracetools=file/reports")
    assert done.returncode == 4
    assert "ERROR: --tracetools: no report can be written to " in done.stderr
    assert "test_kinds" not in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_wrong_arguments_of_the_marker_are_wrong_use(tmp_path, workers):
    text = """
    import pytest

    @pytest.mark.max_blocking("50ms")
    def test_wrong():
        pass
    """
    folder = make(tmp_path, test_wrong=textwrap.dedent(text))
    done = run_pytest(folder, *workers)
    said = "test_wrong.py:4: test_wrong: max_blocking('50ms') is not understood: it takes seconds"
    assert said in done.stdout + done.stderr, done.stdout + done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_a_marker_of_the_project_with_that_name_is_left_alone(tmp_path, workers):
    text = """
    import pytest

    @pytest.mark.max_blocking("50ms", device="disk")
    def test_right():
        pass
    """
    folder = make(tmp_path, test_right=textwrap.dedent(text))
    (folder / "pytest.ini").write_text(
        "[pytest]\nmarkers =\n    max_blocking(time, device): ours\n"
    )
    done = run_pytest(folder, *workers)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_marker_is_listed(tmp_path):
    done = run_pytest(make(tmp_path), "--markers")
    assert "@pytest.mark.max_blocking(seconds): fail the test if one step blocks" in done.stdout


def test_the_fixture_records_a_test_of_pytest_trio(tmp_path):
    text = """
    from app import *
    from tracetools import observe

    @observe
    async def pay():
        await fetch()

    @pytest.mark.trio
    async def test_fixture(flamegraph_instrument):
        await pay()
        profile = flamegraph_instrument.profile
        profile.check()
        assert profile.backends == ("trio",)
        assert "pay" in {path[-1].name for path in profile.stacks}
    """
    folder = make(tmp_path, test_fixture=textwrap.dedent(text))
    done = run_pytest(folder, "--basetemp=kept", "-W", "error")
    assert outcomes(done) == {"passed": 1}, done.stdout
    [stacks] = (folder / "kept").rglob("stack.folded")
    assert ";pay (test_fixture.py:5)" in stacks.read_text(encoding="utf-8")
