"""Tries an installed tracetools, with nothing but what it depends on.

    python tests/smoke.py native        fails unless the native core is in use
    python tests/smoke.py pure          fails if it is

Wheels are tried so when they are made (pyproject.toml), and in CI.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import anyio

from tracetools import observe, record, span
from tracetools.core.native import native, why_not

PROGRAM = Path(__file__).resolve()
SPANS = {"bread", "chew", "soup"}


@observe
async def eat(food: str) -> None:
    with span("chew"):
        await anyio.sleep(0.01)
    with span(food):
        await anyio.lowlevel.checkpoint()


async def main() -> None:
    async with anyio.create_task_group() as tasks:
        for food in ("bread", "soup", "soup"):
            tasks.start_soon(eat, food)


def check_core(wanted: str) -> None:
    """Fail unless that core is in use."""
    found = "pure" if native is None else "native"
    assert found == wanted, f"the core is {found}: {why_not}"
    said = subprocess.run(
        [sys.executable, "-m", "tracetools", "--version"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    sys.stdout.write(said)
    assert f" ({f'pure Python: {why_not}' if why_not else 'native core'}), CPython 3." in said


def check_record(backend: str) -> None:
    """Record a program from the inside; both laws of time hold, and all spans are there."""
    with record() as recording:
        anyio.run(main, backend=backend)
    profile = recording.profile
    profile.check()
    found = {path[-1].name for path in profile.stacks}
    assert found >= SPANS, found
    assert profile.backends == (backend,)


def check_command(folder: Path) -> None:
    """Record the same program from the outside, and draw it."""

    def run(*arguments: str) -> None:
        command = [sys.executable, "-m", "tracetools", *arguments]
        subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)

    run("run", "-o", "meal", str(PROGRAM), "eat")
    run("render", "meal.profile.json", "--html", "-o", "meal.html")
    run("render", "meal.profile.json")
    for name in ("meal.folded", "meal.svg", "meal.html"):
        assert "chew" in (folder / name).read_text("utf-8"), name


if __name__ == "__main__":
    if sys.argv[1:] == ["eat"]:
        anyio.run(main)
    else:
        check_core(*sys.argv[1:])
        for each in ("trio", "asyncio"):
            check_record(each)
        with tempfile.TemporaryDirectory() as made:
            check_command(Path(made))
