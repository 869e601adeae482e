"""Worlds."""

from __future__ import annotations

import logging

import pytest

from tests.sampling.world import MILLISECOND, World, worlds


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
