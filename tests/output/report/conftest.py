"""The profiles that most tests show: a plain one, and one with findings of all kinds."""

from dataclasses import replace

import pytest

from tracetools.core.histogram import Histogram
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times

SERVE = Frame("serve", "app/server.py", 30)
QUERY = Frame("query", "app/db.py", 8)


@pytest.fixture
def profile():
    return Profile(
        stacks={
            (ROOT,): Times(busy=400),
            (ROOT, SERVE): Times(busy=100, scheduled=7, idle=20, steps=4, entries=2),
            (ROOT, SERVE, QUERY): Times(busy=30, idle=200, steps=7, entries=3),
            (ROOT, SERVE, QUERY, SERVE): Times(busy=5, thread=60, steps=1, entries=1),
            (ROOT, QUERY): Times(busy=2, idle=1_000, steps=1, entries=1),
        },
        duration=537,
        task_time=1_364,
        start=1_700_000_000_123_456_789,
        programs=("app",),
        backends=("trio",),
        runs=1,
        scheduled_measured=True,
    )


@pytest.fixture
def eventful(profile):
    """Has lints of three kinds and two blocking stacks, one with a known line, below functions."""
    stacks = dict(profile.stacks)
    stacks[(ROOT, QUERY)] = stacks[(ROOT, QUERY)]._replace(left_open=1)
    functions = tuple(Frame(name, "lib.py", 1) for name in ("a", "b", "c", "d"))
    line = Frame("blocks the loop", "lib.py", 7)
    return replace(
        profile,
        stacks=stacks,
        blocking_threshold=5,
        blocking={
            (ROOT, SERVE, QUERY, *functions, line): Blocks(3, 40, 20),
            (ROOT, QUERY, Frame("blocks the loop")): Blocks(1, 6, 6),
        },
        scheduling_delay=Histogram(110, 60, {50: 1, 60: 1}),
        queue=Histogram(4, 3, {1: 1, 3: 1}),
        samples=1234,
        untracked=2,
    )
