"""`record` in a real kernel: what the cells of a notebook show, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = Path(__file__).with_name("kernel.py")

SETUP = """\
import asyncio, json, os, threading, time, trio
from tracetools import record
from tracetools.recording.current import recorded_loops
async def on_asyncio():
    await asyncio.sleep(0.01)
    await asyncio.gather(child(), child())
async def child():
    await asyncio.sleep(0.01)
async def on_trio():
    await trio.sleep(0.01)
def see(r):
    r.profile.check()
    stacks, blocking = (
        sorted({";".join(frame.label for frame in path[1:]) for path in paths})
        for paths in (r.profile.stacks, r.profile.blocking)
    )
    print(json.dumps([stacks, blocking, r.profile.backends, r.profile.runs]))
    assert not recorded_loops
"""

CELLS = {
    "setup": SETUP,
    "trio": "with record() as r:\n    trio.run(on_trio); time.sleep(0.2)\nsee(r)",
    "thread": (
        "with record() as r:\n"
        "    thread = threading.Thread(target=lambda: asyncio.run(on_asyncio()))\n"
        "    thread.start(); thread.join()\n"
        "see(r)"
    ),
    "await": "with record() as r:\n    await on_asyncio()\nsee(r)",
    "async with": "async with record() as r:\n    await on_asyncio()\nsee(r)\nr",
    "again": "r",
    "not begun": "q = record()\nq",
    "begun": "with q: trio.run(on_trio)\nq",
    "two": "with record(): trio.run(on_trio)\nwith record(): await on_asyncio()",
    "raises": "with record() as r:\n    await on_asyncio()\n    1 / 0",
    "after raises": "see(r)",
    "interrupted": "with record() as r:\n    print('interrupt', flush=True); time.sleep(600)",
    "after interrupted": "see(r)",
    "await interrupted": (
        "with record() as r:\n"
        "    task = asyncio.create_task(on_asyncio()); await task\n"
        "    print('interrupt', flush=True)\n"
        "    while True: await asyncio.sleep(0.1)"  # ipykernel does not wake a loop that sleeps
    ),
    "after await interrupted": "see(r)",
    "across": (
        "async def records():\n"
        "    async with record() as r:\n"
        "        begun.set(); await over.wait()\n"
        "    return r\n"
        "begun, over = asyncio.Event(), asyncio.Event()\n"
        "task = asyncio.create_task(records())\n"
        "await begun.wait()"
    ),
    "meanwhile": "time.sleep(0.3)",
    "after across": "over.set()\nsee(await task)",
    "files": "print(os.listdir('.'))",
    "named": "with record('named') as r: trio.run(on_trio)\nprint(os.listdir('.'))",
    "to trio": "%autoawait trio",
    "on trio": "with record() as r:\n    await on_trio()\nsee(r)",
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run all cells, and return what each of them has put out."""
    pytest.importorskip("ipykernel", exc_type=ImportError)
    folders = ("cwd", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR")
    paths = {name: str(tmp_path_factory.mktemp(name)) for name in folders}
    source = str(Path(__file__).parents[2] / "src")
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    ran = subprocess.run(
        [sys.executable, KERNEL],
        input=json.dumps(list(CELLS.values())),
        cwd=paths.pop("cwd"),
        env=os.environ | paths | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr
    outputs = dict(zip(CELLS, json.loads(ran.stdout), strict=True))
    failed = {name: output for name, output in outputs.items() if output["error"]}
    assert failed.keys() == {"raises", "interrupted", "await interrupted"}, failed
    return outputs


def seen(output):
    """Return the names of stacks, and what else `see` has printed: backends, runs.

    Garbage may be collected at any time: that is left out. A busy machine may delay any step, but
    nothing of the kernel's ever blocks.
    """
    names, blocking, *rest = json.loads(output["text"].splitlines()[-1])
    assert not [name for name in blocking if "ipykernel/" in name or MEANWHILE in name]
    return {name for name in names if "(garbage collection" not in name}, rest


def number(name):
    return list(CELLS).index(name) + 1


MEANWHILE = f"(In [{number('meanwhile')}]:"
"""The cell that blocks for long, but does not await."""


def test_a_trio_run_in_a_cell_is_recorded_and_the_kernels_loop_is_not(done):
    names, rest = seen(done["trio"])
    assert {"on_trio (In [1]:9)", "on_trio (In [1]:9);await sleep (In [1]:10)"} <= names
    assert {name.partition(";")[0] for name in names} == {
        *("", "(runtime)", "(waiting for events)", "on_trio (In [1]:9)"),
    }
    assert rest == [["trio"], 1]


def test_a_loop_in_a_thread_is_recorded_and_the_kernels_loops_are_not(done):
    names, rest = seen(done["thread"])
    assert "on_asyncio (In [1]:4);child (In [1]:7);await sleep (In [1]:8)" in names
    assert rest == [["asyncio"], 1]


@pytest.mark.parametrize("how", ["await", "async with"])
def test_what_a_cell_awaits_stands_below_the_cell(done, how):
    names, rest = seen(done[how])
    cell = f"cell (In [{number(how)}]:1)"
    assert f"{cell};on_asyncio (In [1]:4);await gather (In [1]:6)" in names
    assert f"{cell};child (In [1]:7)" in names
    assert {name.partition(";")[0] for name in names} <= {
        *("", "(runtime)", "(waiting for events)", cell),
    }
    assert rest == [["asyncio"], 1]


def test_a_recording_is_shown_once_by_itself_and_whenever_it_is_the_last_expression(done):
    for name in ("trio", "thread", "await", "async with", "again", "begun"):
        [html] = done[name]["html"]
        assert html.startswith("<iframe ")
        assert "In [" in html
    assert done["async with"]["html"] == done["again"]["html"]
    [html] = done["not begun"]["html"]
    assert "nothing is recorded yet" in html
    assert len(done["two"]["html"]) == 2


def test_cells_that_raise_or_are_interrupted_show_what_they_recorded(done):
    errors = {name: output["error"] for name, output in done.items() if output["error"]}
    assert errors.pop("await interrupted") in ("CancelledError", "KeyboardInterrupt")
    assert errors == {"raises": "ZeroDivisionError", "interrupted": "KeyboardInterrupt"}
    for name in ("raises", "await interrupted"):
        assert len(done[name]["html"]) == 1
        assert f"cell (In [{number(name)}]:1)" in seen(done[f"after {name}"])[0]
    assert len(done["interrupted"]["html"]) == 1
    assert seen(done["after interrupted"])[1] == [[], 0]


def test_the_kernel_stands_apart_and_a_cell_that_does_not_await_is_no_finding(done):
    names, rest = seen(done["after across"])
    outer = {name.partition(";")[0] for name in names}
    across = f"In [{number('across')}]"
    assert {"(runtime)", f"records ({across}:1)"} <= outer
    assert not any("ipykernel" in name or "zmq" in name for name in outer)
    assert any(name.startswith("(runtime);") and "ipykernel/" in name for name in names)
    assert rest == [["asyncio"], 1]


def test_files_are_written_where_a_name_is_given(done):
    assert done["files"]["text"].strip() == "[]"
    assert done["named"]["text"].strip() == "['named.folded']"
    assert done["named"]["html"] == []


def test_a_cell_that_trio_runs_is_recorded(done):
    names, rest = seen(done["on trio"])
    cell = f"cell (In [{number('on trio')}]:1)"
    assert f"{cell};on_trio (In [1]:9);await sleep (In [1]:10)" in names
    assert rest == [["trio"], 1]
