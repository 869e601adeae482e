"""The one profile that most tests show."""

import pytest

from tracetools.profile import Profile
from tracetools.stacks import ROOT, Frame, Times

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
