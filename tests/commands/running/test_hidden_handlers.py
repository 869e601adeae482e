"""Signal handlers of ours are hidden: the program sees and does what it would without them."""

import asyncio
import os
import signal
import sys
import threading
import traceback
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGTERM, SIGUSR1

import pytest

from tracetools.commands.running import hidden_handlers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")

python = (signal.signal, signal.getsignal)
DEADLY = (SIGTERM, SIGHUP)


def ours(number, frame):
    heard.append(number)


heard = []


@pytest.fixture(autouse=True)
def hidden():
    before = [signal.signal(number, SIG_DFL) for number in DEADLY]
    heard.clear()
    hidden_handlers.take_over(DEADLY, ours)
    yield
    hidden_handlers.let_go(ours)
    assert (signal.signal, signal.getsignal) == python
    for number, handler in zip(DEADLY, before, strict=True):
        signal.signal(number, handler)


def really(number):
    return python[1](number)


def test_the_program_finds_the_system_s_handlers():
    assert really(SIGTERM) is ours
    assert signal.getsignal(SIGTERM) is SIG_DFL
    assert signal.getsignal(int(SIGTERM)) is SIG_DFL
    assert signal.signal(SIGTERM, SIG_IGN) is SIG_DFL
    assert signal.getsignal(SIGTERM) is really(SIGTERM) is SIG_IGN


@pytest.mark.parametrize("default", [SIG_DFL, 0, int(SIG_DFL)])
def test_ours_is_set_where_the_program_sets_the_system_s(default):
    """As uvicorn does: it puts back what it has found, and raises the signal once more."""

    def theirs(*_):
        heard.append("theirs")

    found = signal.signal(SIGTERM, theirs)
    signal.raise_signal(SIGTERM)
    assert found is SIG_DFL
    assert signal.signal(SIGTERM, default) is theirs
    signal.raise_signal(SIGTERM)
    assert heard == ["theirs", SIGTERM]
    assert signal.signal(SIGTERM, default) is SIG_DFL


def test_handlers_of_a_loop_come_and_go():
    async def main():
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(SIGTERM, came.set)
        signal.raise_signal(SIGTERM)
        await came.wait()
        assert loop.remove_signal_handler(SIGTERM)

    asyncio.run(main())
    assert heard == []
    assert really(SIGTERM) is ours
    assert signal.getsignal(SIGTERM) is SIG_DFL


def test_other_signals_are_the_programs():
    before = really(SIGUSR1)
    assert signal.signal(SIGUSR1, SIG_DFL) == signal.getsignal(SIGUSR1) == really(SIGUSR1) == before


def test_a_handler_of_the_program_is_not_taken_away():
    signal.signal(SIGTERM, signal.default_int_handler)
    hidden_handlers.let_go(ours)
    assert really(SIGTERM) is signal.default_int_handler
    hidden_handlers.take_over(DEADLY, ours)
    assert really(SIGTERM) is signal.default_int_handler
    assert really(SIGHUP) is ours


def test_handlers_of_the_program_are_not_compared():
    class Handler:
        compared = 0

        def __eq__(self, other):
            Handler.compared += 1
            return NotImplemented

        __hash__ = object.__hash__

        def __call__(self, number, frame):
            pass

    def compared(functions):
        Handler.compared = 0
        handler = Handler()
        assert functions[0](SIGTERM, handler) in (SIG_DFL, ours)
        assert functions[1](SIGTERM) is handler
        assert functions[0](SIGTERM, SIG_DFL) is handler
        return Handler.compared

    assert compared((signal.signal, signal.getsignal)) == compared(python)
    python[0](SIGTERM, Handler())
    Handler.compared = 0
    hidden_handlers.own(ours)
    assert Handler.compared == 0
    signal.signal(SIGTERM, SIG_DFL)


def test_functions_that_the_program_has_taken_work_without_us():
    set_handler, get_handler = signal.signal, signal.getsignal
    hidden_handlers.let_go(ours)
    assert set_handler(SIGTERM, SIG_IGN) is SIG_DFL
    assert get_handler(SIGTERM) is SIG_IGN
    assert set_handler(SIGTERM, SIG_DFL) is SIG_IGN
    assert get_handler(SIGTERM) is really(SIGTERM) is SIG_DFL


def test_functions_that_someone_else_has_put_in_place_since_are_left_alone(monkeypatch):
    other = [lambda *_: None, lambda *_: None]
    monkeypatch.setattr(signal, "signal", other[0])
    monkeypatch.setattr(signal, "getsignal", other[1])
    hidden_handlers.let_go(ours)
    hidden_handlers.take_over(DEADLY, ours)
    assert [signal.signal, signal.getsignal] == other
    hidden_handlers.let_go(ours)
    monkeypatch.undo()
    signal.signal, signal.getsignal = python


@pytest.mark.parametrize(
    "arguments", [(), (SIGTERM,), (1000, SIG_DFL), ("x", SIG_DFL), (SIGTERM, [])]
)
@pytest.mark.parametrize("index", [0, 1])
def test_errors_are_python_s_own(arguments, index):
    def error_of(function):
        try:
            function(*arguments)
        except Exception as error:  # any
            frames = traceback.extract_tb(error.__traceback__)
            files = [frame.filename for frame in frames]
            # before Python 3.11, frames cannot be taken out
            return type(error), files if sys.version_info >= (3, 11) else None

    theirs, now = error_of(python[index]), error_of((signal.signal, signal.getsignal)[index])
    assert theirs == now


def test_other_threads_set_nothing():
    errors = []

    def run():
        try:
            signal.signal(SIGTERM, SIG_IGN)
        except ValueError as error:
            errors.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in errors[0]
    assert really(SIGTERM) is ours


def test_second_handlers_do_not_take_the_place_of_the_first():
    def second(*_):
        pass

    hidden_handlers.take_over(DEADLY, second)
    hidden_handlers.let_go(second)
    assert really(SIGTERM) is ours
