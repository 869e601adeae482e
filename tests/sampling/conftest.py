"""Worlds, and Python's default switch interval."""

from __future__ import annotations

import logging
import sys

import pytest

from tests.sampling.world import MILLISECOND, USUAL, World, worlds


@pytest.fixture(autouse=True)
def end_of_all_worlds():
    yield
    while worlds:
        worlds.pop().loop.finish()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def blocking(caplog):
    caplog.set_level(logging.WARNING, "tracetools")
    return World(interval=None, threshold=100 * MILLISECOND)


@pytest.fixture
def interval():
    before = sys.getswitchinterval()
    sys.setswitchinterval(USUAL)
    yield
    sys.setswitchinterval(before)
