"""What the tests of trio's instrument share."""

from __future__ import annotations

import functools

import pytest

from tracetools import FlamegraphInstrument
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    """Return a maker of instruments under the fake clock, without a thread that flushes."""
    return functools.partial(
        FlamegraphInstrument, tmp_path / "stack", clock=clock, flush_interval=None
    )
