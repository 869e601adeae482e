"""Signals that would end the process at once: held up, and otherwise what they were."""

import asyncio
import gc
import os
import signal
import textwrap
import threading
import weakref

import pytest

from tests.commands.programs import assert_same
from tracetools.commands import waking

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


@pytest.mark.parametrize("way", ["the program", "a child"])
def test_a_signal_that_interrupts_nothing_ends_a_loop_that_waits_all_the_same(tmp_path, way):
    program = """
        import asyncio, multiprocessing, signal, sys, threading

        def terminate():  # in this thread, so what the main one waits for is not interrupted
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

        async def wait():
            threading.Timer(0.2, terminate).start()
            await asyncio.Event().wait()

        def main():
            asyncio.run(wait())

        if __name__ == "__main__" and sys.argv[1] == "a child":
            child = multiprocessing.get_context("spawn").Process(target=main)
            child.start()
            child.join()
            print(child.exitcode)
        elif __name__ == "__main__":
            main()
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert "Written: stack.folded" in assert_same("app.py", way, folder=tmp_path, covered=False)


@pytest.fixture
def waker(monkeypatch):
    monkeypatch.setattr(waking, "_EVERY", 0.001)
    waker = waking.LoopWaker()
    waker.begin()
    yield waker
    waker.end()


class Loop(asyncio.SelectorEventLoop):
    """Counts how often it is woken."""

    woken = 0

    def _write_to_self(self):
        self.woken += 1
        super()._write_to_self()

    async def until_woken(self, times):
        enough = self.woken + times
        while self.woken < enough:  # noqa: ASYNC110  # the loop is not to wait for events
            await asyncio.sleep(0)


def wakers():
    return [thread for thread in threading.enumerate() if thread.name == "tracetools signals"]


def test_a_loop_is_woken_while_it_runs_and_nobody_is_left_who_would_do_it_afterwards(waker):
    before = wakers()
    loop = Loop()
    for _ in range(3):
        loop.run_until_complete(loop.until_woken(3))
        assert wakers() == before
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_loops_that_follow_one_another_closely_share_a_thread_that_ends_by_itself(waker):
    before = wakers()
    loop = Loop()
    for _ in range(2 * waking._MANY):
        loop.run_until_complete(loop.until_woken(1))
    for thread in set(wakers()) - set(before):
        thread.join(60)
        assert not thread.is_alive()
    loop.run_until_complete(loop.until_woken(1))
    loop.close()


def test_a_loop_is_woken_again_when_another_one_has_run_within_it(waker):
    outer, inner = Loop(), Loop()

    async def nested():
        asyncio._set_running_loop(None)
        inner.run_until_complete(inner.until_woken(1))
        asyncio._set_running_loop(outer)
        await outer.until_woken(3)

    outer.run_until_complete(nested())
    outer.close()
    inner.close()


def test_loops_of_other_threads_are_not_woken_for_no_signal_is_theirs(waker):
    loop = Loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(asyncio.sleep(0.01),))
    thread.start()
    thread.join()
    loop.close()
    assert loop.woken == 0
