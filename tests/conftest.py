"""Nothing that a test starts may outlive it."""

from __future__ import annotations

import inspect
import signal
import threading

import pytest

from tracetools import current, spans, stack_file


@pytest.fixture(autouse=True)
def nothing_survives():
    """Fail the test that leaves anything of ours behind, and clean up for the next one."""
    handlers = _signal_handlers()
    yield
    left = {
        "recorded loops": dict(current.recorded_loops),
        "recorders": set(current.recorders),
        "threads": [t for t in threading.enumerate() if t.name.startswith("tracetools")],
        "unfinished files": set(stack_file._unfinished),
        "signal handlers": _signal_handlers().items() - handlers.items(),
        "awake spans": [
            method
            for method in (spans._DormantSpan.__enter__, spans._DormantSpan.__exit__)
            if inspect.isfunction(method)
        ],
        "open spans": [known for known in spans._dormant.values() if known._opened],
    }
    _clean_up()
    assert {what: found for what, found in left.items() if found} == {}


def _signal_handlers() -> dict[int, object]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _clean_up() -> None:
    for recorder in tuple(current.recorders):
        recorder.stopped = True
    current.recorders.clear()
    current.recorded_loops.clear()
    stack_file._unfinished.clear()
    spans._DormantSpan.switch(recording=False)
