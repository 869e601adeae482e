"""Signals that start a recording and write it."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import threading

import pytest

import tracetools
from tests.processes import run
from tracetools.core.errors import DoorError
from tracetools.door import signals
from tracetools.door.asks import Asks
from tracetools.door.signals import DoorSignals
from tracetools.output.formats.profile_json import read_profile

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Signals that are told at once, in the thread that they strike."""
    monkeypatch.chdir(tmp_path)
    asks = Asks()
    made = DoorSignals(asks, lambda action: action())
    made.asks = asks
    yield made
    made.let_go()
    asks.end()


def work_in_a_loop():
    async def main():
        await asyncio.sleep(0)

    asyncio.run(main())


def test_one_starts_and_the_other_writes(told, tmp_path):
    told.catch()
    told.catch()
    for number in (1, 2):
        signal.raise_signal(signal.SIGUSR1)
        work_in_a_loop()
        signal.raise_signal(signal.SIGUSR2)
        assert not told.asks.is_recording
        path = tmp_path / f"tracetools-{os.getpid()}-{number}.profile.json"
        assert read_profile(path).runs == 1
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_earlier_handlers_are_called_and_put_back(told):
    calls = []

    def theirs(number, frame):
        calls.append((number, frame is not None))

    before = signal.signal(signal.SIGUSR1, theirs)
    try:
        told.catch()
        signal.raise_signal(signal.SIGUSR1)
        assert calls == [(signal.SIGUSR1, True)]
        assert told.asks.is_recording
        told.let_go()
        assert signal.getsignal(signal.SIGUSR1) is theirs
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_later_handler_stays(told):
    before = signal.getsignal(signal.SIGUSR2)
    told.catch()
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    told.let_go()
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN
    signal.signal(signal.SIGUSR2, before)


def test_what_cannot_be_done_is_logged(told, caplog):
    told.catch()
    signal.raise_signal(signal.SIGUSR2)
    assert "SIGUSR2 has written nothing: nothing is recorded" in caplog.text
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR1)
    assert "SIGUSR1 has started no recording: somebody else records" in caplog.text


def test_elsewhere_than_in_the_main_thread_they_are_refused(told):
    errors = []

    def catch():
        with pytest.raises(DoorError) as caught:
            told.catch()
        errors.append(str(caught.value))

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join()
    assert errors == ["signals can be had in the main thread only: call serve() there"]


def test_a_handler_in_c_is_refused(told, monkeypatch):
    monkeypatch.setattr(signals.signal, "getsignal", lambda _: None)
    with pytest.raises(DoorError, match="SIGUSR1 has a handler in C"):
        told.catch()


def test_by_default_there_are_none(closed_door):
    before = signal.getsignal(signal.SIGUSR1)
    with tracetools.serve():
        assert signal.getsignal(signal.SIGUSR1) == before
    with tracetools.serve(signals=True) as door:
        assert signal.getsignal(signal.SIGUSR1) != before
        assert tracetools.serve(signals=True) is door
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_program_is_recorded_by_signals(closed_door, tmp_path):
    run(
        """
import asyncio
async def main():
    os.kill(os.getpid(), signal.SIGUSR1)
    while not door._asks.is_recording:
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGUSR2)
    while door._asks.is_recording:
        await asyncio.sleep(0)
with tracetools.serve(signals=True) as door:
    asyncio.run(main())
    done = threading.Event()
    door._server.call(done.set)
    assert done.wait(30)
""",
        tmp_path,
    )
    [path] = tmp_path.glob("tracetools-*.profile.json")
    assert read_profile(path).runs == 1


def test_a_signal_that_writes_also_keeps_what_led_to_it(tmp_path):
    """SIGUSR2 is that of `--serve-signals` and of `--keep-on signal`: both do their part."""
    (tmp_path / "app.py").write_text(
        "import asyncio, glob, os, signal\n"
        "async def main():\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    await asyncio.sleep(0.05)\n"
        "    os.kill(os.getpid(), signal.SIGUSR2)\n"
        "    while not (glob.glob('tracetools-*.profile.json') and glob.glob('stack.slow/*')):\n"
        "        await asyncio.sleep(0.01)\n"
        "asyncio.run(main())\n"
    )
    options = ["run", "-q", "--serve-signals", "--keep-on", "signal", "app.py"]
    code = f"import sys; from tracetools.__main__ import main; sys.exit(main({options}))"
    run(code, folder=tmp_path)
    [profile] = tmp_path.glob("tracetools-*.profile.json")
    assert read_profile(profile).runs == 1
    [trace] = (tmp_path / "stack.slow").iterdir()
    assert trace.name.startswith("SIGUSR2")
