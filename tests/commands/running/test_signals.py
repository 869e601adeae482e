"""Signals that would end the process at once do so after some last work."""

import os
import signal
import textwrap
import threading

import pytest

from tests import processes
from tests.commands.programs import PROGRAMS, assert_same, end, run_both, started, what_we_said
from tracetools.commands.running.signals import DeadlySignals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


def test_signals_that_are_ignored_or_handled_stay_so(tmp_path):
    program = """
        import signal
        print(signal.getsignal(signal.SIGHUP))
        signal.signal(signal.SIGTERM, lambda *_: print("handled"))
        signal.raise_signal(signal.SIGTERM)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert_same("app.py", folder=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)


WAYS = ("plain", "asyncio", "uvloop", "trio", "anyio", "before")


@pytest.mark.parametrize("how", ["returns", "dies"])
@pytest.mark.parametrize("way", WAYS)
def test_a_program_finds_the_handlers_that_it_would_find(tmp_path, way, how):
    words = (str(PROGRAMS / "handles_signals.py"), way, how)
    plain, recorded = run_both(*words, folder=tmp_path, covered=False)
    what_we_said(plain, recorded)
    dies = how == "dies" and way != "before"
    assert plain.status == (-signal.SIGTERM if dies else 0)
    assert " SIGTERM=0 " in plain.output.partition("first wakeup")[0]


@pytest.mark.parametrize("way", WAYS)
def test_a_program_that_records_itself_finds_them_too(tmp_path, way):
    program = """
        import runpy, sys
        from tracetools import record
        script, records, *sys.argv[1:] = sys.argv[1:]
        if records == "yes":
            with record("stack", blocking=None):
                runpy.run_path(script, run_name="__main__")
        else:
            runpy.run_path(script, run_name="__main__")
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    ended = []
    for records in ("no", "yes"):
        words = ("app.py", str(PROGRAMS / "handles_signals.py"), records, way)
        with started(*words, folder=tmp_path) as process:
            ended.append(end(process))
    assert ended[0] == ended[1]
    assert ended[0].status == 0


def test_forked_child_finds_the_default_signal_handlers(tmp_path):
    program = """
        import os, signal
        child = os.fork()
        if not child:
            print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
            signal.raise_signal(signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert assert_same("app.py", folder=tmp_path, covered=False).count("tracetools:") == 1


# ----------------------------------------------------------------------------- in this process

DEADLY = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def default():
    """Both signals have the system's handlers, as in a program that was just started."""
    before = [signal.signal(number, signal.SIG_DFL) for number in DEADLY]
    yield
    for number, handler in zip(DEADLY, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def caught(default):
    """Both signals are caught; a test that sends one does not survive it."""
    signals = DeadlySignals(lambda: None)
    signals.catch()
    yield signals
    signals.let_go()


getsignal = signal.getsignal
"""Python's own: the other one hides what we have set."""


def handlers():
    return [getsignal(number) for number in DEADLY]


def test_default_handlers_are_replaced_and_put_back(default):
    signals = DeadlySignals(lambda: None)
    for _ in range(2):
        signals.catch()
        assert all(map(callable, handlers()))
        signals.let_go()
        assert handlers() == [signal.SIG_DFL] * 2
    signals.let_go()
    assert handlers() == [signal.SIG_DFL] * 2


def test_handlers_of_someone_else_are_left_alone(caught):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    caught.catch()
    caught.let_go()
    assert handlers() == [signal.default_int_handler, signal.SIG_IGN]


def test_two_may_catch_and_the_first_keeps_its_handlers(caught):
    before = handlers()
    second = DeadlySignals(lambda: None)
    second.catch()
    second.let_go()
    assert handlers() == before


def test_other_threads_catch_nothing(default):
    thread = threading.Thread(target=DeadlySignals(lambda: None).catch)
    thread.start()
    thread.join()
    assert handlers() == [signal.SIG_DFL] * 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # beside threads
def test_fork_leaves_the_signal_mask_as_it_was(caught):
    def mask():
        return signal.pthread_sigmask(signal.SIG_BLOCK, ())

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        child = os.fork()
        if not child:
            os._exit(mask() != {signal.SIGHUP} or handlers() != [signal.SIG_DFL] * 2)
        assert os.waitpid(child, 0)[1] == 0
        assert mask() == {signal.SIGHUP}
        assert all(map(callable, handlers()))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])


# ------------------------------------------------------------------------------ in others, that end

CATCH = """
import os, signal
from tracetools.commands.running.signals import DeadlySignals

DeadlySignals(lambda: print("last work", flush=True)).catch()
"""


@pytest.mark.parametrize("number", DEADLY)
def test_signal_ends_the_process_after_the_last_work(number):
    code = f"signal.raise_signal({int(number)})\nprint('survived')"
    ended = processes.run(code, setup=CATCH, check=False, measured=False)
    assert (ended.returncode, ended.stdout) == (-number, "last work\n")


def test_signal_that_comes_during_a_fork_ends_the_child_without_the_last_work():
    code = """
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))  # before ours
DeadlySignals(lambda: print("last work", flush=True)).catch()
child = os.fork()
if not child:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    setup = CATCH.rpartition("DeadlySignals(")[0]
    assert processes.run(code, setup=setup, measured=False).stdout == f"{-signal.SIGTERM}\n"
