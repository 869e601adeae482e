"""Programs in processes of their own: for what a process can do only once, or not survive."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tracetools

SETUP = """
import json, os, signal, sys, threading
import tracetools
from tracetools import observe, span
"""


def run(
    code: str,
    folder: Path | None = None,
    *,
    setup: str = SETUP,
    check: bool = True,
    measured: bool = True,
) -> subprocess.CompletedProcess:
    """Run a program, with the tracetools that is tested, in a folder.

    `measured` says whether coverage may follow it there, which imports much.
    """
    source = str(Path(tracetools.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        [sys.executable, "-c", setup + code],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if measured or _is_ours(name)},
            "PYTHONPATH": path,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not (check and ended.returncode), f"status {ended.returncode}: {ended.stderr}"
    return ended


def _is_ours(variable: str) -> bool:
    return not variable.startswith("COVERAGE")


@contextlib.contextmanager
def not_root() -> Iterator[None]:
    """Be nobody in particular: root may read and write whatever it likes."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
