"""Signals that would end the process at once: held up, and otherwise what they were."""

import asyncio
import gc
import os
import signal
import textwrap
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


def test_a_loop_is_woken_while_it_runs_and_no_longer(monkeypatch):
    monkeypatch.setattr(waking, "_EVERY", 0.001)
    waker = waking.LoopWaker()
    woken = []

    class Loop(asyncio.SelectorEventLoop):
        def _write_to_self(self):
            woken.append(self)
            super()._write_to_self()

    async def until_woken(times):
        while len(woken) < times:  # noqa: ASYNC110  # the loop is not to wait for events
            await asyncio.sleep(0)

    waker.begin()
    try:
        loop = Loop()
        loop.run_until_complete(until_woken(3))
        assert set(woken) == {loop}
        gone = weakref.ref(loop)
        loop.close()
        woken.clear()
        del loop
        gc.collect()
        assert gone() is None
    finally:
        waker.end()
    waker._thread.join()
    assert not woken
