"""An idle program is woken, and any other one is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tracetools.commands.attaching import waking

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def waiting(what):
    """Start a program that says when its wait has been interrupted."""
    code = f"import asyncio, select, sys, time; print(1, flush=True); {what}"
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("call", "is_idle"), [("232 0x3 0x7f", True), ("running", False), ("230 0x0", False)]
)
def test_only_who_waits_for_events_is_idle(monkeypatch, call, is_idle):
    monkeypatch.setattr(waking.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(waking.Path, "read_text", lambda *_: call)
    assert waking._waits_for_events(1) is is_idle


def test_who_cannot_be_seen_is_left_alone():
    assert not waking.wake(2**30)


def test_who_cannot_be_traced_is_left_alone(monkeypatch):
    monkeypatch.setattr(waking, "_waits_for_events", lambda _: True)
    assert not waking.wake(os.getpid())


def test_a_program_that_was_woken_goes_on():
    with waiting("asyncio.run(asyncio.sleep(60))") as program:
        program.stdout.readline()
        while not waking._waits_for_events(program.pid):
            pass
        if not waking.wake(program.pid):
            pytest.skip("the system lets nobody trace another process")
        assert program.poll() is None
        while not waking._waits_for_events(program.pid):
            pass
        program.kill()
