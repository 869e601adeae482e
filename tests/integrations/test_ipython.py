"""The magics, in a shell of IPython and in a real kernel, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.processes import run

KERNEL = Path(__file__).parent.parent / "session" / "kernel.py"

SHELL = """
import contextlib, io, json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor", display_page=False)
shell.display_formatter.active_types = ["text/plain"]  # as a terminal has it
done = []
for cell in json.loads(CELLS):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        result = shell.run_cell(cell, store_history=True)
    error = result.error_in_exec or result.error_before_exec
    done.append([out.getvalue(), repr(result.result), type(error).__name__])
sys.stdout.write(json.dumps(done))
"""

SETUP = """
import asyncio, trio
async def main():
    await asyncio.sleep(0.002)
    return 7
async def trio_main():
    await trio.sleep(0.002)
    return 8
"""


@pytest.fixture
def shell(tmp_path):
    def cells(*texts):
        given = ["%load_ext tracetools", SETUP, *map(textwrap.dedent, texts)]
        code = SHELL.replace("CELLS", repr(json.dumps(given)))
        done = run(code, tmp_path, setup=f"import os\nos.environ['IPYTHONDIR'] = {str(tmp_path)!r}")
        loaded, *rest = json.loads(done.stdout)
        assert loaded == ["", "None", "NoneType"]
        return rest[1:]

    return cells


@pytest.mark.parametrize(
    ("cell", "backend", "value"),
    [
        ("%%tracetools\nawait main()", "asyncio", "7"),
        ("\n%%tracetools --lens idle\nasyncio.run(main())", "asyncio", "7"),
        ("%tracetools await main()", "asyncio", "7"),
        ("%tracetools --task-names trio.run(trio_main)", "trio", "8"),
        ("x = 1\n%tracetools asyncio.run(main())", "asyncio", "None"),
    ],
)
def test_a_cell_is_recorded_and_has_its_value(shell, cell, backend, value):
    [[text, result, error]] = shell(cell)
    assert (result, error) == (value, "NoneType")
    first, *rest = text.splitlines()
    assert first.startswith("tracetools: ")
    assert f" of 1 loop ({backend}), " in first
    assert "What is waited for" in rest
    assert "<iframe" not in text


def test_a_cell_of_trio_can_await_too(shell):
    _, [text, result, _] = shell("%autoawait trio", "%%tracetools\nawait trio_main()")
    assert result == "8"
    assert " of 1 loop (trio), " in text


def test_the_code_of_a_cell_stays_as_it_is(shell):
    cells = '%%tracetools\ntext = """a\n  b"""\nawait main()', "text", "%%tracetools\n%time 1 + 1\n"
    [[_, _, first], [_, text, _], [_, _, last]] = shell(*cells)
    assert (first, text, last) == ("NoneType", repr("a\n  b"), "NoneType")


def test_what_follows_a_statement_is_not_recorded_and_has_the_value(shell):
    [[text, result, _]] = shell("%tracetools asyncio.run(main())\ny = 7\ny + 1")
    assert result == "8"
    assert text.count("of 1 loop") == 1


def test_an_error_of_a_cell_is_its_own_and_at_its_own_line(shell):
    [[text, _, error]] = shell("%%tracetools\nawait main()\n1 / 0")
    assert error == "ZeroDivisionError"
    assert "----> 3 1 / 0" in text
    assert "tracetools: " in text


def test_a_file_is_written_and_named(shell, tmp_path):
    [[text, _, _]] = shell("%%tracetools -o out --lens idle\nawait main()")
    assert f"Written: {tmp_path / 'out.folded'}" in text
    assert "cell (In [3]:1)" in (tmp_path / "out.folded").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%tracetools --lense idle\n1", "there is no option --lense; did you mean --lens?"),
        ("%%tracetools --lens red\n1", "scheduled, task, critical, chain, not 'red'"),
        ("%%tracetools -o nowhere/x\n1", "nowhere/x.folded: No such file or directory"),
        ("%tracetools", "%tracetools [options] STATEMENT records a statement"),
        ("x = 1\n%tracetools await main()", "has to stand in a cell that begins with the magic"),
    ],
)
def test_wrong_use_is_said_in_a_line_without_a_traceback(shell, cell, message):
    [[text, _, error]] = shell(cell)
    assert error == "UsageError"
    assert text.startswith("UsageError: %")
    assert message in text
    assert "Traceback" not in text


def test_a_shell_is_as_it_was_after_unloading(shell):
    cells = "%reload_ext tracetools", "%unload_ext tracetools", "%%tracetools\n1", "await main()"
    _, _, [text, *_], [_, result, _] = shell(*cells)
    assert "Cell magic `%%tracetools` not found" in text
    assert result == "7"


def test_the_face_of_the_package_has_the_extension_and_does_not_list_it():
    code = """
import tracetools
assert callable(tracetools.load_ipython_extension)
assert callable(tracetools.unload_ipython_extension)
assert not {name for name in dir(tracetools) if "ipython" in name}
"""
    run(code)


def test_a_kernel_shows_the_report_below_the_cell(tmp_path):
    cells = [
        "%load_ext tracetools",
        SETUP,
        "%%tracetools\nawait main()",
        "%%tracetools\nasyncio.run(main())",
        "%tracetools trio.run(trio_main)",
        "from tracetools import record\nwith record() as r: await main()\nr.profile",
        "%%tracetools --lens idle\n1 / 0",
    ]
    done = subprocess.run(
        [sys.executable, str(KERNEL)],
        input=json.dumps(cells),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    _, _, awaited, ran, on_trio, profile, failed = json.loads(done.stdout)
    for each in (awaited, on_trio):
        assert each["error"] == ""
        assert len(each["html"]) == 1
        assert each["html"][0].startswith("<iframe")
        assert each["text"] == ""
    assert ran["error"] == "RuntimeError"  # a loop runs already, as without us
    assert len(profile["html"]) == 2  # the recording and its profile
    assert failed["error"] == "ZeroDivisionError"


def test_the_value_of_a_cell_is_not_kept_alive(shell):
    cells = shell(
        "import gc, weakref\nclass Value: ...\nvalue = Value(); known = weakref.ref(value)",
        "%%tracetools\nvalue is known()",
        "%%tracetools\nawait main()\nvalue;",
        "del value\n[name for name in dir() if 'tracetools' in name]",
    )
    assert [error for _, _, error in cells] == ["NoneType"] * 4
    assert cells[1][1] == "True"
    assert cells[3][1] == "[]"
