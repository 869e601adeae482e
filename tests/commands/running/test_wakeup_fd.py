"""Signals wake an asyncio loop that waits; and the program's own wakeup fd is what it was."""

import asyncio
import gc
import os
import signal
import socket
import sys
import textwrap
import threading
import traceback
import weakref

import pytest
import trio
import uvloop

from tests.commands.programs import assert_same
from tracetools.commands.running.wakeup_fd import WakeupFd

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")

NONE = -1
set_wakeup_fd = signal.set_wakeup_fd
"""Python's own."""


def wakeup_fd():
    """Return what is really set."""
    fd = set_wakeup_fd(NONE)
    set_wakeup_fd(fd, warn_on_full_buffer=False)
    return fd


def fd_of(loop):
    return loop._csock.fileno()


@pytest.fixture
def followed():
    """All loops are followed."""
    ours = WakeupFd()
    ours.start()
    yield ours
    ours.end()
    assert signal.set_wakeup_fd is set_wakeup_fd
    assert wakeup_fd() == NONE


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def fd():
    """A descriptor of the program's own."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    with reading, writing:
        yield writing.fileno()


# ------------------------------------------------------------------------------- whole programs


@pytest.mark.parametrize("way", ["the program", "a child"])
def test_signal_that_interrupts_nothing_ends_a_loop_that_waits(tmp_path, way):
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
    said = assert_same("app.py", way, folder=tmp_path, covered=False)
    assert "Written: stack.profile.json" in said


def test_program_finds_no_wakeup_fd_and_may_put_that_back_at_any_time(tmp_path):
    program = """
        import asyncio, signal
        from signal import set_wakeup_fd

        async def main():
            return [signal.set_wakeup_fd(-1), set_wakeup_fd(-1)]

        found = asyncio.run(main())
        print(found, *map(signal.set_wakeup_fd, found))
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert "recorded 1 loop" in assert_same("app.py", folder=tmp_path)


# ------------------------------------------------------------------------------ which loop it is


def test_fd_is_that_of_the_loop_which_runs(followed, loop):
    async def main():
        return wakeup_fd()

    for _ in range(2):
        assert loop.run_until_complete(main()) == fd_of(loop)
        assert wakeup_fd() == NONE


def test_fd_is_taken_back_when_a_loop_fails(followed, loop):
    loop.call_soon(exec, "raise SystemExit")
    with pytest.raises(SystemExit):
        loop.run_forever()
    assert wakeup_fd() == NONE
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()
    assert wakeup_fd() == NONE


def test_loop_that_has_run_is_not_kept(followed):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None


def test_fd_is_that_of_the_inner_loop_while_one_runs_within_another(followed, loop):
    inner = asyncio.new_event_loop()

    async def main():
        return wakeup_fd()

    async def nested():
        task = asyncio.current_task()
        asyncio.tasks._leave_task(loop, task)  # since 3.14, a thread has one current task
        asyncio._set_running_loop(None)
        found = inner.run_until_complete(main())
        asyncio._set_running_loop(loop)
        asyncio.tasks._enter_task(loop, task)
        return found, wakeup_fd()

    assert loop.run_until_complete(nested()) == (fd_of(inner), fd_of(loop))
    inner.close()


def test_loops_of_other_threads_are_left_alone(followed, loop):
    other = asyncio.new_event_loop()
    runs = threading.Event()
    other.call_soon(runs.set)
    thread = threading.Thread(target=other.run_forever)

    async def main():
        thread.start()
        runs.wait()
        while_it_runs = wakeup_fd()
        other.call_soon_threadsafe(other.stop)
        thread.join()
        return while_it_runs, wakeup_fd()

    assert loop.run_until_complete(main()) == (fd_of(loop), fd_of(loop))
    other.close()


def test_recording_may_end_while_a_loop_runs(loop):
    ours = WakeupFd()
    ours.start()

    async def main():
        before = wakeup_fd()
        ours.end()
        return before, wakeup_fd()

    assert loop.run_until_complete(main()) == (fd_of(loop), NONE)
    assert wakeup_fd() == NONE


class Unlike(asyncio.SelectorEventLoop):
    """A loop whose self-pipe has other names."""

    def _make_self_pipe(self):
        super()._make_self_pipe()
        self._writing = self._csock
        del self._csock

    def _close_self_pipe(self):
        self._csock = self._writing
        super()._close_self_pipe()


@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, Unlike])
def test_signal_in_another_thread_wakes_a_loop_that_waits(followed, make):
    called = []
    loop = make()

    def stop(number, _):
        called.append(number)
        loop.stop()

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        timer = threading.Timer(
            0.05, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        )
        late = loop.call_later(60, loop.stop)
        loop.call_soon(timer.start)
        loop.run_forever()
        assert called == [signal.SIGUSR1]
        assert loop.time() < late.when() - 30
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
        loop.close()
    assert wakeup_fd() == NONE


# --------------------------------------------------------------------- the program's own, if any


def test_fd_that_was_set_before_is_left_alone(followed, loop, fd):
    assert signal.set_wakeup_fd(fd) == NONE

    async def main():
        return wakeup_fd(), signal.set_wakeup_fd(NONE), wakeup_fd()

    assert loop.run_until_complete(main()) == (fd, fd, fd_of(loop))


def test_fd_that_is_set_meanwhile_is_left_alone(followed, loop, fd):
    async def main():
        return signal.set_wakeup_fd(fd), wakeup_fd()

    assert loop.run_until_complete(main()) == (NONE, fd)
    assert wakeup_fd() == fd
    assert signal.set_wakeup_fd(NONE) == fd


def test_fd_that_is_set_by_python_s_own_function_is_left_alone(followed, loop, fd):
    async def meanwhile():
        return set_wakeup_fd(fd)

    assert loop.run_until_complete(meanwhile()) == fd_of(loop)
    assert wakeup_fd() == fd

    async def before():
        return wakeup_fd()

    assert loop.run_until_complete(before()) == fd
    assert set_wakeup_fd(NONE) == fd


@pytest.mark.parametrize("early", [True, False])
def test_signal_handlers_of_a_loop_are_called(followed, loop, early):
    def add():
        loop.add_signal_handler(signal.SIGUSR1, called.set)

    async def main():
        if not early:
            add()
        signal.raise_signal(signal.SIGUSR1)
        await called.wait()
        found = wakeup_fd(), loop.remove_signal_handler(signal.SIGUSR1)
        return *found, signal.set_wakeup_fd(NONE), wakeup_fd()

    called = asyncio.Event()
    if early:
        add()
    assert loop.run_until_complete(main()) == (fd_of(loop), True, NONE, fd_of(loop))


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((), {}), (("0",), {}), ((-2,), {}), ((), {"fd": 1}), ((0,), {"x": 1})],
)
def test_errors_are_python_s_own(followed, arguments, options):
    with pytest.raises(Exception) as theirs:
        set_wakeup_fd(*arguments, **options)
    with pytest.raises(theirs.type) as ours:
        signal.set_wakeup_fd(*arguments, **options)
    assert str(ours.value) == str(theirs.value)
    if sys.version_info >= (3, 11):  # before, a frame cannot be kept out
        frames = [traceback.extract_tb(error.tb) for error in (ours, theirs)]
        assert len(frames[0]) == len(frames[1])


def test_other_threads_may_set_none(followed, loop):
    errors = []

    def set_one():
        try:
            signal.set_wakeup_fd(NONE)
        except ValueError as error:
            errors.append(error)

    async def main():
        thread = threading.Thread(target=set_one)
        thread.start()
        thread.join()
        return wakeup_fd()

    assert loop.run_until_complete(main()) == fd_of(loop)
    assert len(errors) == 1


def test_function_that_someone_else_has_put_in_place_since_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "set_wakeup_fd", set_wakeup_fd)
    ours = WakeupFd()
    ours.start()
    signal.set_wakeup_fd = theirs = object()
    ours.end()
    assert signal.set_wakeup_fd is theirs


# ------------------------------------------------------------------ other backends, other processes


def test_trio_within_a_loop_finds_nothing_to_warn_of(followed, loop):
    async def own():
        return wakeup_fd()

    async def main():
        return trio.run(own), wakeup_fd()

    of_trio, afterwards = loop.run_until_complete(main())
    assert of_trio not in (NONE, fd_of(loop))
    assert afterwards == fd_of(loop)


def test_trio_as_a_guest_finds_nothing_to_warn_of(followed, loop):
    async def guest():
        await trio.sleep(0)
        return wakeup_fd()

    async def main():
        over = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=over.set_result
        )
        outcome = await over
        return outcome.unwrap(), wakeup_fd()

    of_trio, afterwards = loop.run_until_complete(main())
    assert of_trio not in (NONE, fd_of(loop))
    assert afterwards == fd_of(loop)


def test_loop_within_a_trio_run_leaves_trio_s_alone(followed, loop):
    async def inner():
        return wakeup_fd()

    async def main():
        before = wakeup_fd()
        return before, loop.run_until_complete(inner()), wakeup_fd()

    before, within, afterwards = trio.run(main)
    assert before == within == afterwards != NONE


def test_uvloop_has_its_own(followed, loop):
    async def own():
        return wakeup_fd()

    theirs = uvloop.new_event_loop()
    assert theirs.run_until_complete(own()) != NONE
    theirs.close()
    assert wakeup_fd() == NONE


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # beside threads
@pytest.mark.parametrize("make", [asyncio.SelectorEventLoop, Unlike])
def test_forked_child_has_none(followed, make):
    loop = make()

    async def main():
        child = os.fork()
        if not child:
            os._exit(wakeup_fd() != NONE)
        return os.waitpid(child, 0)[1], wakeup_fd() != NONE

    assert loop.run_until_complete(main()) == (0, True)
    loop.close()
