"""What every task waits for, through the door."""

from __future__ import annotations

from tracetools.door import tasks


def test_it_is_read_as_json_and_shown_as_text():
    assert isinstance(tasks.tasks_as_text(tasks.tasks_as_json()), str)
