"""The last work before SIGTERM ends the process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tracetools.minutes.last_signal import LastSignal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM to catch")


@pytest.fixture(autouse=True)
def as_before():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_work_is_done_and_then_the_signal_ends_the_process(monkeypatch):
    done = []
    monkeypatch.setattr(os, "kill", lambda pid, number: done.append((pid, number)))
    LastSignal(lambda: done.append("work")).catch()
    signal.raise_signal(signal.SIGTERM)
    assert done == ["work", (os.getpid(), signal.SIGTERM)]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_failure_does_not_keep_the_process_alive(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "kill", lambda *_: ended.append(True))

    def fails():
        raise ZeroDivisionError

    LastSignal(fails).catch()
    with pytest.raises(ZeroDivisionError):
        signal.raise_signal(signal.SIGTERM)
    assert ended == [True]


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_a_handler_of_the_program_is_left_alone(handler):
    signal.signal(signal.SIGTERM, handler)
    last = LastSignal(lambda: None)
    last.catch()
    assert signal.getsignal(signal.SIGTERM) is handler
    last.let_go()
    assert signal.getsignal(signal.SIGTERM) is handler


def test_it_lets_go_only_of_its_own():
    last = LastSignal(lambda: None)
    last.catch()
    last.let_go()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_in_another_thread_nothing_is_done():
    thread = threading.Thread(target=LastSignal(lambda: None).catch)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
