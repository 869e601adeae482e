"""Projects with tests, which a pytest of their own runs, with our plugin as it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import tracetools

NAMES = {
    "test_plain": None,
    "test_sync": "asyncio",
    "TestCase::test_case": "asyncio",
    "test_trio": "trio",
    "test_fixtures": "trio",
    "test_asyncio": "asyncio",
    **{f"test_anyio[{backend}]": backend for backend in ("asyncio", "trio", "uvloop")},
}

APP = """
import asyncio, time, unittest
import anyio, pytest, trio

async def charge():
    time.sleep(0.06)

async def fetch():
    await anyio.sleep(0.001)

async def tick():
    while True:
        await anyio.sleep(0.001)
"""

KINDS = """
from app import *

def test_plain():
    pass

def test_sync():
    asyncio.run(fetch())

class TestCase(unittest.IsolatedAsyncioTestCase):
    async def test_case(self):
        await fetch()

@pytest.mark.trio
async def test_trio():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetch)
        nursery.start_soon(fetch)

@pytest.fixture
async def ticking(nursery):
    nursery.start_soon(tick)

@pytest.mark.trio
async def test_fixtures(ticking):
    await fetch()

@pytest.mark.asyncio
async def test_asyncio():
    await asyncio.create_task(fetch())

@pytest.mark.anyio
@pytest.mark.parametrize(
    "anyio_backend",
    ["asyncio", "trio", ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "trio", "uvloop"],
)
async def test_anyio(anyio_backend):
    async with anyio.create_task_group() as group:
        group.start_soon(fetch)
"""
"""A test of each kind."""

SHARED = """
from app import *

@pytest.fixture(scope="module", params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param

@pytest.fixture(scope="module")
async def server(anyio_backend):
    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        time.sleep(0.06)
        yield
        group.cancel_scope.cancel()

@pytest.mark.anyio
async def test_first(server):
    await fetch()
    await charge()

@pytest.mark.anyio
async def test_second(server):
    await fetch()

"""
"""Tests that share a runner of anyio's."""

SHARED_LOOP = """
from app import *
import pytest_asyncio

@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ticking():
    task = asyncio.create_task(tick())
    yield
    task.cancel()

@pytest.mark.asyncio(loop_scope="module")
class TestLoop:
    async def test_one(self, ticking):
        await fetch()
        await charge()

    async def test_two(self, ticking):
        await fetch()
"""
"""Tests that share a loop of pytest-asyncio's."""


def run_pytest(folder, *arguments, command=("-m", "pytest"), columns=80, **environment):
    """Run the tests of a folder in a process; return it with its output."""
    source = str(Path(tracetools.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, *command, "-p", "no:cacheprovider", *INI, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PYTHONPATH": os.pathsep.join([source, str(folder)]),
            "COLUMNS": str(columns),
            "NO_COLOR": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert "INTERNALERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done


INI = ("-o", "asyncio_default_fixture_loop_scope=function")


def make(folder, **files):
    """Write the modules of a project."""
    folder.mkdir(exist_ok=True)
    for name, text in {"app": APP, **files}.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def outcomes(done):
    """Return how many tests passed, failed and so on, as pytest's last line has it."""
    [*_, last] = done.stdout.splitlines()
    return {what: int(number) for number, what in re.findall(r"(\d+) (\w+)", last) if what != "in"}


def section(done):
    """Return the lines of our part of the output."""
    lines = done.stdout.splitlines()
    begin = next((n for n, line in enumerate(lines) if "= tracetools =" in line), None)
    if begin is None:
        return []
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith("=" * 10))
    return lines[begin + 1 : end]
