"""What a step was, by what its thread has used meanwhile."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from tracetools import compat
from tracetools.core.stacks import Blocks
from tracetools.recording import usage
from tracetools.recording.usage import (
    Pulse,
    Usage,
    divided,
    looks_like_gil,
    read_cpu,
    read_own_usage,
    read_usage,
)

MS = 1_000_000
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux knows what threads use")

BEFORE = Usage(moment=0, cpu=10 * MS, delay=20 * MS, switches=30, process=40 * MS)


def after(moment, *, cpu=0, delay=0, switches=0, others=0):
    """Return what was used at a moment, in milliseconds."""
    return Usage(
        moment * MS,
        BEFORE.cpu + cpu * MS,
        BEFORE.delay + delay * MS,
        BEFORE.switches + switches,
        BEFORE.process + (cpu + others) * MS,
    )


@pytest.mark.parametrize(
    ("known", "end", "kinds", "words"),
    [
        ({}, after(300, cpu=290, delay=10), {"computing": 290, "starved": 10}, "computing"),
        ({}, after(300, cpu=1), {"computing": 1, "calling": 299}, "a blocking call"),
        # one that waits often, while nothing else computes
        ({}, after(300, switches=150), {"calling": 300}, "a blocking call"),
        # threads that compute without the GIL
        ({}, after(300, switches=1, others=900), {"calling": 300}, "a blocking call"),
        (
            {},
            after(300, cpu=50, switches=50, others=250),
            {"computing": 50, "gil": 250},
            "another thread held the GIL",
        ),
        ({}, after(300, cpu=20, delay=280), {"computing": 20, "starved": 280}, "starved of CPU"),
        (
            {"collecting": 280},
            after(300, cpu=300),
            {"collecting": 280, "computing": 20},
            "garbage collection",
        ),
        (
            {"stopped": 200},
            after(300, cpu=100),
            {"stopped": 200, "computing": 100},
            "the process was stopped",
        ),
        ({}, after(300, cpu=500, delay=10), {"computing": 300}, "computing"),
    ],
)
def test_a_step_is_divided_by_what_its_thread_has_used(known, end, kinds, words):
    known = {name: time_of_it * MS for name, time_of_it in known.items()}
    blocks = divided(300 * MS, known, BEFORE, end, is_whole=True)
    expected = {name: time_of_it * MS for name, time_of_it in kinds.items()}
    assert blocks == Blocks(1, 300 * MS, 300 * MS, **expected)
    assert blocks.kind == words


def test_the_end_of_a_step_stands_for_all_of_it():
    blocks = divided(400 * MS, {}, BEFORE, after(200, cpu=150, delay=10), is_whole=False)
    assert blocks == Blocks(1, 400 * MS, 400 * MS, 300 * MS, 80 * MS, starved=20 * MS)


@pytest.mark.parametrize(
    ("waited", "switches", "expected"),
    [(500, 100, True), (500, 12, True), (500, 11, False), (500, 2, False), (19, 0, None)],
)
def test_who_waits_for_the_gil_wakes_once_in_an_interval(waited, switches, expected, monkeypatch):
    monkeypatch.setattr(sys, "getswitchinterval", lambda: 0.005)
    assert looks_like_gil(waited * MS, switches) is expected


def test_an_interval_of_the_programs_own_may_be_too_long_to_tell(monkeypatch):
    monkeypatch.setattr(sys, "getswitchinterval", lambda: 1.0)
    assert looks_like_gil(500 * MS, 0) is None


@on_linux
def test_a_thread_that_computes_uses_cpu_and_one_that_sleeps_does_not():
    native = threading.get_native_id()
    first = read_usage(native)
    until = time.thread_time_ns() + 20 * MS
    while time.thread_time_ns() < until:
        pass
    second = read_usage(native)
    time.sleep(0.02)
    third = read_usage(native)
    assert second.cpu - first.cpu >= 20 * MS
    assert second.process - first.process >= 20 * MS
    assert third.moment - second.moment >= 20 * MS > third.cpu - second.cpu
    assert third.switches > second.switches


@on_linux
def test_another_thread_can_be_read_and_one_that_is_over_is_unknown():
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    native = thread.native_id
    assert read_cpu(native) is not None
    over.set()
    thread.join()
    while read_cpu(native) is not None:  # the system forgets it a little later
        time.sleep(0.001)
    assert read_usage(native) is None


def test_without_a_number_and_without_linux_nothing_is_known(monkeypatch):
    assert (read_cpu(0), read_usage(0)) == (None, None)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert read_usage(compat.native_thread()) is None


@pytest.fixture
def pulse(monkeypatch):
    """Return the pulse of a sampler that ran last at 0, and what it is found to have used."""
    pulse = Pulse()
    pulse.moment = 1
    found = {"end": after(0)}
    pulse.usage = BEFORE
    monkeypatch.setattr(usage, "read_usage", lambda _: found["end"])
    return pulse, found


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (after(500), 350 * MS - 1),
        (after(500, switches=100), 0),  # it asked for the GIL
        (after(500, delay=300), 0),  # it had no processor
        (after(500, delay=100), 250 * MS - 1),
        (after(500, others=400), 0),  # something has computed
    ],
)
def test_the_sampler_misses_beats_while_the_process_is_stopped(pulse, end, expected):
    pulse, found = pulse
    found["end"] = end
    assert pulse.missed(500 * MS) == expected


def test_a_stop_is_counted_from_when_the_sampler_wanted_to_wake(pulse):
    pulse, found = pulse
    found["end"] = after(500)
    pulse.sleep(20 * MS)
    assert pulse.missed(500 * MS) == 480 * MS


def test_a_short_pause_of_the_sampler_means_nothing(pulse):
    pulse, _ = pulse
    assert pulse.missed(100 * MS) == 0
    pulse.moment = 0
    assert pulse.missed(500 * MS) == 0


@on_linux
@pytest.mark.parametrize("read", [read_usage, read_own_usage])
def test_what_an_audit_hook_forbids_is_not_known(read, monkeypatch):
    def forbid(*_):
        raise RuntimeError

    monkeypatch.setattr(os, "open", forbid)
    assert read(threading.get_native_id()) is None


@on_linux
def test_ctrl_c_that_strikes_meanwhile_is_the_programs(monkeypatch):
    def strike(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", strike)
    with pytest.raises(KeyboardInterrupt):
        read_usage(threading.get_native_id())
