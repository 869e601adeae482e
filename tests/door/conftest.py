"""A private folder for sockets."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from tracetools.door import serving
from tracetools.door.asks import Asks


@pytest.fixture
def runtime(monkeypatch):
    """Return the folder that stands for the user's runtime folder; its path is short."""
    folder = Path(tempfile.mkdtemp(prefix="tt"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed_door(runtime):
    """Close the door of this process at the end, and put none elsewhere."""
    yield runtime
    if serving._open.door is not None:
        serving._open.door.close()


@pytest.fixture
def asks():
    """Return what is behind a door."""
    made = Asks()
    yield made
    made.end()
