"""Blocking steps, errors out of spans, and signals have the last events kept."""

import asyncio
import os
import pickle
import signal
import threading
import types

import pytest
import trio

from tracetools import observe, record, slow, span
from tracetools.guest.messages import to_log
from tracetools.recording.keeper import Keeper
from tracetools.recording.triggers import Signals, signal_number, type_of
from tracetools.testing import ScriptedLoop

MS = 1_000_000
posix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


class World:
    """A loop whose keeper keeps in a list, under a fake clock."""

    def __init__(self, how, threshold=None):
        self.script = ScriptedLoop(scheduled=True, threshold=threshold)
        self.kept = []
        self.keeper = Keeper(self.script.recorder, how, self._keep)
        self.script.loop.journal = self.script.recorder.journal
        self.task = self.script.spawn("task")

    def _keep(self, kept):
        self.kept.append(kept)
        return lambda: self.kept.remove(kept)

    def fail(self, error, *names, ms=1):
        """Let an exception end spans, the first one around the others, in a step of their own."""
        self.script.begin_step(self.task)
        spans = [self.script.open(name) for name in names]
        for each in reversed(spans):
            self.script.tick(ms * MS)
            opened = self.script.spans[each]
            self.script.recorder.triggers.note_error(opened, opened.account, error)
            self.script.close(each)
        self.script.end_step()

    def step(self, ms, name="span"):
        self.script.begin_step(self.task)
        each = self.script.open(name)
        self.script.tick(ms * MS)
        self.script.end_step()
        self.script.begin_step(self.task)
        self.script.close(each)
        self.script.end_step()

    def told(self):
        return [(kept.why, kept.name, kept.detail, kept.latency // MS) for kept in self.kept]


@pytest.fixture
def made():
    found = []

    def make(how, **options):
        found.append(World(how, **options))
        return found[-1]

    yield make
    for each in found:
        each.keeper.let_go_of_signal()
        each.script.finish()


# ---------------------------------------------------------------------------------- blocking


def test_a_blocking_step_is_kept_with_what_was_around_it(made):
    world = made(slow(None, blocking=True, before=0.002, after=0.003), threshold=5 * MS)
    world.step(5)
    world.step(6)
    world.keeper.look()
    assert world.kept == []
    world.script.tick(3 * MS)
    world.keeper.look()
    assert world.told() == [("blocking", "span", "", 6)]
    [kept] = world.kept
    start = world.script.loop.begin
    assert (kept.timeline.begin, kept.timeline.end) == (start + 3 * MS, start + 14 * MS)
    assert (kept.timeline.subject.begin, kept.timeline.subject.end) == (
        start + 5 * MS,
        start + 11 * MS,
    )
    assert world.script.recorder.slow == {}


def test_the_longest_blocking_steps_of_a_name_are_kept(made):
    world = made(slow(None, blocking=True, most=2, after=0), threshold=MS)
    for ms in (4, 2, 5, 3):
        world.step(ms)
        world.keeper.look()
    assert world.told() == [("blocking", "span", "", 4), ("blocking", "span", "", 5)]


def test_no_blocking_step_is_kept_unless_it_is_asked_for(made):
    world = made(slow(None, errors=True, after=0), threshold=MS)
    world.step(5)
    world.keeper.look()
    assert world.kept == []


# ------------------------------------------------------------------------------------ errors


def test_a_span_that_an_exception_ends_is_kept_with_its_type(made):
    world = made(slow(None, errors=True, after=0))
    world.fail(ValueError("a secret"), "span")
    world.keeper.look()
    assert world.told() == [("error", "span", "ValueError", 1)]
    assert "secret" not in repr(world.kept)


def test_an_exception_is_kept_once_with_the_outermost_span(made):
    world = made(slow(None, errors=True, after=0))
    world.fail(ValueError(), "request", "query")
    world.keeper.look()
    assert world.told() == [("error", "request", "ValueError", 2)]


def test_only_spans_that_are_asked_for_are_kept(made):
    world = made(slow(None, errors=["query"], after=0))
    world.fail(ValueError(), "request", "query")
    world.keeper.look()
    assert world.told() == [("error", "query", "ValueError", 1)]


def test_each_type_counts_for_itself_and_the_first_ones_are_kept(made):
    world = made(slow(None, errors=True, most=2, after=0))
    for ms in (1, 2, 3):
        for error in (ValueError(), KeyError()):
            world.fail(error, "span", ms=ms)
            world.keeper.look()
    kept = [("error", "span", each, ms) for ms in (1, 2) for each in ("ValueError", "KeyError")]
    assert world.told() == kept


def test_errors_are_noted_no_more_once_enough_are_kept(made):
    world = made(slow(None, errors=True, most=1, after=0))
    for _ in range(2):
        world.fail(ValueError(), "span")
        world.keeper.look()
    world.fail(ValueError(), "span")
    assert list(world.script.recorder.triggers.take()) == []
    world.fail(KeyError(), "span")
    assert len(list(world.script.recorder.triggers.take())) == 1


def test_errors_are_kept_some_time_apart(made):
    world = made(slow(None, errors=True, apart=0.003, after=0))
    for _ in range(5):
        world.fail(ValueError(), "span")
        world.keeper.look()
    assert len(world.kept) == 2
    assert world.keeper.skipped == 3


def test_a_thousand_errors_at_once_are_bounded_and_said(made):
    world = made(slow(None, errors=True, after=0))
    for _ in range(3000):
        world.fail(ValueError(), "span")
    world.keeper.look()
    assert len(world.kept) == 10
    assert world.keeper.skipped == 2000


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("x"), "ValueError"),
        (pickle.PickleError("x"), "_pickle.PickleError"),
        (type("A" * 1000, (Exception,), {"__module__": None})(), "A" * 80),
        (StopIteration(), None),
        (StopAsyncIteration(), None),
        (asyncio.CancelledError(), None),
        (KeyboardInterrupt(), None),
        (GeneratorExit(), None),
    ],
)
def test_an_error_is_told_by_its_type(error, told):
    assert type_of(error) == told


@observe
def call():
    raise ValueError("x")


@observe
async def await_it():
    await asyncio.sleep(0)
    raise ValueError("x")


@observe
def generate():
    yield
    raise ValueError("x")


@types.coroutine
def old():
    yield from asyncio.sleep(0).__await__()
    raise ValueError("x")


def block():
    with span("block"):
        raise ValueError("x")


def again():
    """Enter a span twice at once."""
    one = span("block")
    with one, one:
        raise ValueError("x")


@observe
def fine():
    try:
        block_that_raises_nothing()
    finally:
        next(iter([1]))


def block_that_raises_nothing():
    with span("nothing"):
        try:
            raise KeyError
        except KeyError:
            with span("nothing"):
                pass


ENDS = {
    "call": lambda: asyncio.sleep(0, call()),
    "await_it": await_it,
    "awaitable": lambda: observe(await_plain(), name="awaitable"),
    "old": observe(old),
    "block": lambda: asyncio.sleep(0, block()),
    "twice": lambda: asyncio.sleep(0, again()),
}


async def await_plain():
    await asyncio.sleep(0)
    raise ValueError("x")


@pytest.mark.parametrize("kind", ENDS)
def test_an_error_out_of_any_span_is_kept(tmp_path, kind):
    async def main():
        fine()
        with pytest.raises(ValueError, match="x"):
            await ENDS[kind]()
        with pytest.raises(ValueError, match="x"):
            list(generate())  # it has no latency

    with record(tmp_path / "stack", keep=slow(None, errors=True, after=0)) as recording:
        asyncio.run(main())
    name = "block" if kind == "twice" else kind
    [page] = recording.kept
    assert page.name.startswith(f"{name}-ValueError-")
    assert "ended by ValueError" in page.read_text("utf-8")


def test_a_cancellation_is_no_error(tmp_path):
    async def main():
        with trio.move_on_after(0), span("cancelled"):
            await trio.sleep_forever()

    with record(tmp_path / "stack", keep=slow(None, errors=True, after=0)) as recording:
        trio.run(main)
    assert recording.kept == ()


def test_an_error_is_the_program_s_own_still(tmp_path):
    async def main():
        error = ValueError("x")
        with pytest.raises(ValueError, match="x") as caught, span("span"):
            raise error
        assert caught.value is error
        assert error.__context__ is None
        with pytest.raises(ValueError, match="x") as caught:
            call()
        return caught.traceback

    with record(tmp_path / "stack", keep=slow(None, errors=True, after=0)):
        traceback = asyncio.run(main())
    assert traceback[-1].name == "call"


def test_two_recordings_keep_an_error_each(tmp_path):
    async def main():
        with pytest.raises(ValueError, match="x"):
            call()

    how = slow(None, errors=True, after=0)
    with record(tmp_path / "a", keep=how) as one, record(tmp_path / "b", keep=how) as other:
        asyncio.run(main())
    assert [len(each.kept) for each in (one, other)] == [1, 1]


# ----------------------------------------------------------------------------------- signals


@posix
def test_the_last_seconds_before_a_signal_are_kept(made):
    world = made(slow(None, signal=True, after=0.001))
    world.keeper.catch_signal()
    world.step(5)
    signal.raise_signal(signal.SIGUSR2)
    world.keeper.look()
    assert world.kept == []
    world.script.tick(2 * MS)
    world.keeper.look()
    assert world.told() == [("signal", "SIGUSR2", "SIGUSR2", 0)]
    [kept] = world.kept
    assert kept.timeline.subject is None
    assert kept.timeline.end - kept.timeline.begin == 10_001 * MS
    assert len(kept.timeline.steps) == 2


@posix
def test_many_signals_at_once_are_one(made):
    world = made(slow(None, signal=signal.SIGUSR2, after=0))
    world.keeper.catch_signal()
    for _ in range(100):
        signal.raise_signal(signal.SIGUSR2)
    world.keeper.look()
    assert len(world.kept) == 1
    assert world.keeper.skipped == 99


@posix
def test_the_last_signals_are_kept(made):
    world = made(slow(None, signal=True, most=2, after=0))
    world.keeper.catch_signal()
    ends = []
    for _ in range(4):
        world.script.tick(MS)
        signal.raise_signal(signal.SIGUSR2)
        world.keeper.look()
        ends.append(world.kept[-1].timeline.end)
    assert [kept.timeline.end for kept in world.kept] == ends[-2:]


@pytest.fixture
def handlers():
    before = signal.getsignal(signal.SIGUSR2)
    yield
    signal.signal(signal.SIGUSR2, before)


@posix
def test_the_handler_of_the_program_still_runs(handlers):
    heard = []
    theirs = heard.append
    signal.signal(signal.SIGUSR2, lambda number, _: theirs(number))
    before = signal.getsignal(signal.SIGUSR2)
    ours = Signals(signal.SIGUSR2, to_log)
    ours.catch()
    ours.catch()
    signal.raise_signal(signal.SIGUSR2)
    assert heard == [signal.SIGUSR2]
    assert len(ours.take()) == 1
    ours.let_go()
    assert signal.getsignal(signal.SIGUSR2) is before
    signal.raise_signal(signal.SIGUSR2)
    assert ours.take() == []


@posix
def test_a_handler_that_the_program_sets_later_stays(handlers):
    ours = Signals(signal.SIGUSR2, to_log)
    ours.catch()
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    ours.let_go()
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN


@posix
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_may_look_out_for_a_signal(handlers, order):
    before = signal.getsignal(signal.SIGUSR2)
    both = [Signals(signal.SIGUSR2, to_log) for _ in range(2)]
    for each in both:
        each.catch()
    signal.raise_signal(signal.SIGUSR2)
    assert [len(each.take()) for each in both] == [1, 1]
    for index in order:
        both[index].let_go()
    assert signal.getsignal(signal.SIGUSR2) == before


@posix
def test_in_another_thread_than_the_main_one_no_handler_is_set(handlers):
    before = signal.getsignal(signal.SIGUSR2)
    ours = Signals(signal.SIGUSR2, to_log)
    thread = threading.Thread(target=ours.catch)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGUSR2) == before
    ours.let_go()


@posix
def test_in_a_forked_child_the_signal_does_what_it_did_before(handlers):
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    ours = Signals(signal.SIGUSR2, to_log)
    ours.catch()
    child = os.fork()
    if not child:
        signal.raise_signal(signal.SIGUSR2)
        signal.raise_signal(signal.SIGUSR2)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGUSR2
    ours.let_go()


@posix
def test_ctrl_c_is_left_alone(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with record(tmp_path / "stack", keep=slow(None, signal=True)):
        assert signal.getsignal(signal.SIGINT) is before
        assert signal.getsignal(signal.SIGUSR2) != signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


@posix
def test_a_signal_is_kept_while_a_step_blocks_the_loop(tmp_path, monkeypatch):
    monkeypatch.setattr("tracetools.recording.keeper._INTERVAL", 0.001)
    how = slow(None, signal=True, after=0)
    with record(tmp_path / "stack", keep=how) as recording:

        async def main():
            signal.raise_signal(signal.SIGUSR2)
            while not recording.kept:  # the keeper's thread writes meanwhile
                pass

        asyncio.run(main())
        [trace] = recording.kept
    assert trace.name == "SIGUSR2-1.trace.json.gz"


@posix
@pytest.mark.parametrize(
    ("wanted", "number"),
    [(None, None), (False, None), (True, signal.SIGUSR2), (signal.SIGUSR1, signal.SIGUSR1)],
)
def test_a_signal_is_one_that_is_free(wanted, number):
    assert signal_number(wanted) == number


@posix
@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, 0, -1, 1000])
def test_another_signal_is_refused(wanted):
    with pytest.raises(ValueError, match="signal is one of those that are free"):
        signal_number(wanted)


def test_what_is_no_signal_is_refused():
    with pytest.raises(TypeError, match="signal is a signal, such as"):
        signal_number("USR2")
