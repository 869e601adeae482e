"""Errors in our code: ours end the recording, the program's are raised."""

from __future__ import annotations

import signal

import pytest

from tracetools.recording.guard import Guard, handle


class Raised(Exception):  # noqa: N818  # a signal handler's, and no fault of anybody's
    """What the program's handler raises."""


class Recording:
    """A recording that notes why it was stopped."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def stop(self, why):
        self.stopped.append(why)


@pytest.fixture
def recording():
    return Recording()


def handler(number, frame):
    raise Raised


@pytest.fixture
def handled():
    """Let SIGTERM raise an error of the program."""
    before = signal.signal(signal.SIGTERM, handler)
    yield
    signal.signal(signal.SIGTERM, before)


def divide(number, by):
    return number / by


def test_an_error_of_ours_stops_the_recording_and_is_not_raised(recording):
    handle(ZeroDivisionError(), recording, "a test failed")
    assert recording.stopped == ["a test failed"]


def test_a_recursion_error_neither_stops_the_recording_nor_is_raised(recording):
    handle(RecursionError(), recording, "a test failed")
    assert recording.stopped == []


@pytest.mark.usefixtures("handled")
def test_an_error_of_the_program_is_raised_and_stops_nothing(recording):
    with pytest.raises(Raised) as raised:
        signal.raise_signal(signal.SIGTERM)
    for each in (raised.value, KeyboardInterrupt()):
        with pytest.raises(type(each)) as caught:
            handle(each, recording, "a test failed")
        assert caught.value is each
    assert recording.stopped == []


@pytest.mark.usefixtures("handled")
def test_a_guard_lets_errors_of_the_program_pass_and_nothing_else(recording):
    guard = Guard(recording, "a test failed")
    with pytest.raises(Raised), guard:
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(SystemExit), guard:
        raise SystemExit
    assert recording.stopped == []
    with guard:
        pass
    assert recording.stopped == []
    with guard:
        divide(1, 0)
    assert recording.stopped == ["a test failed"]
