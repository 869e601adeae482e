"""What tasks did, in words."""

import pytest

from tests.output.timeline.examples import HOLD, RELEASE, TIMELINE
from tracetools.core.stacks import Frame
from tracetools.output.timeline.words import ended_by, waits_for
from tracetools.timelines.states import Interval
from tracetools.timelines.timeline import Wake


@pytest.mark.parametrize(
    ("wake", "text"),
    [
        (None, ""),
        (Wake(1, 0, "task", 2, HOLD, RELEASE), "hold #2 at hold (cache.py:24)"),
        (Wake(1, 0, "task", 2, HOLD), "hold #2 at hold (cache.py:20)"),
        (Wake(1, 0, "task", 2), "hold #2"),
        (Wake(1, 0, "task", 1), "itself"),
        (Wake(1, 0, "thread", None, (Frame("sleep"),)), "a thread at sleep"),
        (Wake(1, 0, "task", 77), "unknown #77"),
        (Wake(1, 0, "task"), "a task"),
        (Wake(1, 0, "timer"), "a timer"),
        (Wake(1, 0, "thread"), "a thread"),
        (Wake(1, 0, "loop"), "the loop (a timer, or data that arrived)"),
        (
            Wake(1, 0, "callback", None, (Frame("on_data", "net.py", 4),)),
            "a callback at on_data (net.py:4)",
        ),
    ],
)
def test_who_made_a_task_ready_and_where_is_said(wake, text):
    assert ended_by(TIMELINE, wake) == text


def test_what_a_task_waits_for_is_said_with_its_line():
    path = (Frame("await Lock", "app.py", 11),)
    assert waits_for(Interval("waiting", 0, 9, path, is_named=True)) == "await Lock (app.py:11)"
    assert waits_for(Interval("waiting", 0, 9, path)) == "waiting, for what is not known"
