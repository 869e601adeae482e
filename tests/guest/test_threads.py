"""Threads of ours are not among those that a program finds."""

import _thread
import asyncio
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from tests.commands.programs import assert_same
from tracetools import record, span
from tracetools.guest import threads
from tracetools.guest.threads import HiddenThread, listed, running


@pytest.fixture
def hidden():
    """A thread that waits, and calls what it is sent."""

    class Hidden:
        def __init__(self):
            self.calls, self.wake, self.done = [], threading.Event(), threading.Event()
            self.is_over = False
            self.thread = HiddenThread(target=self.run, name="ours")
            self.thread.start()

        def run(self):
            while True:
                self.wake.wait()
                self.wake.clear()
                if self.is_over:
                    return
                self.calls.pop()()
                self.done.set()

        def call(self, function):
            self.calls.append(function)
            self.wake.set()
            assert self.done.wait(10)
            self.done.clear()

    hidden = Hidden()
    hidden.call(list)  # it runs, so it is not listed any more
    yield hidden
    hidden.is_over = True
    hidden.wake.set()
    hidden.thread.join(10)
    assert not hidden.thread.is_alive()


def test_a_hidden_thread_is_not_listed(hidden):
    assert hidden.thread.is_alive()
    assert hidden.thread.daemon
    assert hidden.thread not in threading.enumerate()
    assert threading.active_count() == len(threading.enumerate())


def test_waiting_for_another_one_leaves_none_listed(hidden):
    other = HiddenThread(target=bool)
    other.start()
    hidden.call(other.join)
    assert not [each for each in threading.enumerate() if each.name.startswith("Dummy")]
    assert hidden.thread not in threading.enumerate()


def test_it_is_listed_while_it_logs(hidden, caplog):
    def log():
        with listed():
            logging.getLogger("test").warning("text")
            found.append(threading.current_thread())

    found = []
    hidden.call(log)
    assert found == [hidden.thread]
    assert [each.threadName for each in caplog.records] == ["ours"]
    assert hidden.thread not in threading.enumerate()


def test_its_end_is_not_awaited_for_ever(hidden, monkeypatch):
    monkeypatch.setattr(threads, "_LONGEST_END", 0.01)
    hidden.thread.await_end()
    assert hidden.thread.is_alive()


def test_it_ends_though_others_have_asked_for_it(hidden):
    hidden.call(threading.current_thread)  # Python makes one up


def test_other_threads_stay_as_they_are():
    before = threading.enumerate()
    with listed():
        assert threading.enumerate() == before
    assert threading.enumerate() == before


def test_an_error_ends_it_as_it_ends_any_thread(monkeypatch):
    heard = []
    monkeypatch.setattr(threading, "excepthook", lambda args: heard.append(args.exc_type))
    thread = HiddenThread(target=lambda: 1 / 0)
    before = set(threading.enumerate())
    thread.start()
    thread.join(10)
    assert heard == [ZeroDivisionError]
    assert set(threading.enumerate()) == before


def test_a_recording_adds_none_to_those_that_a_program_finds(tmp_path, caplog):
    async def main():
        found.append(threading.enumerate())
        threading.Event().wait(0.1)  # it is logged by one of our threads
        await asyncio.sleep(0)
        found.append(threading.enumerate())

    before, found = threading.enumerate(), []  # trio keeps threads for a while
    with record(tmp_path / "stack", functions=True, blocking=0.02, flush_interval=0.01):
        asyncio.run(main())
        found.append(threading.enumerate())
    assert {thread for threads in found for thread in threads} <= {*before}
    assert {record.threadName for record in caplog.records} <= {"tracetools sampler"}


def test_a_thread_that_python_does_not_know_stays_unknown(tmp_path):
    def run():
        with span("work"):
            found.append([*threading.enumerate()])
        over.set()

    found, over = [], threading.Event()
    before = threading.enumerate()

    async def main():
        _thread.start_new_thread(run, ())
        assert over.wait(10)

    with record(tmp_path / "stack", blocking=None) as recording:
        asyncio.run(main())
    assert found == [before]
    names = {tuple(frame.name for frame in path) for path in recording.profile.stacks}
    assert ("all-spans", "Thread", "work") in names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a matter of Unix")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # beside threads
def test_a_forked_process_has_none(hidden):
    child = os.fork()
    if not child:
        os._exit(len(running()))
    assert os.waitpid(child, 0)[1] == 0
    assert running() == (hidden.thread,)


def test_a_program_may_wait_for_all_threads_that_it_finds(tmp_path):
    program = """
        import asyncio, threading, time

        async def main():
            await asyncio.sleep(0.1)
            while threading.active_count() > 1:
                await asyncio.sleep(0.01)

        asyncio.run(main())
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join()
        print("ended")
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert "recorded 1 loop" in assert_same("app.py", folder=tmp_path)


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="a matter of Unix")
def test_a_program_that_dies_of_a_broken_pipe_does_not_die_of_ours():
    program = """
        import os, signal, socket
        from tracetools.guest.threads import HiddenThread

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPIPE])  # whoever started us
        ours, others = socket.socketpair()
        others.close()

        def run():
            try:
                ours.send(b"!")
            except BrokenPipeError:
                print("broken", flush=True)

        thread = HiddenThread(target=run)
        thread.start()
        thread.join()
        os.kill(os.getpid(), signal.SIGPIPE)  # elsewhere it does what it did
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    found = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert (found.returncode, found.stdout) == (-signal.SIGPIPE, b"broken\n")
