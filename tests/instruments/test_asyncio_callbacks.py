"""What an asyncio loop calls outside of tasks: each callback has an account of its own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import selectors
import sys
import threading
from weakref import ref

import anyio
import pytest

from tests.notebooks import Notebook
from tests.strategies import by_names
from tracetools import compat, record, span
from tracetools.core.stacks import CALLBACKS
from tracetools.instruments import asyncio_callbacks
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def recorded(clock, tmp_path):
    """Return what runs a main function, and returns the times of callbacks by name."""

    def run(main, **options):
        recording = record(tmp_path / "stack", clock=clock, flush_interval=None, **options)
        with recording as found:
            asyncio.run(main())
        found.profile.check()
        names = by_names(found.profile)
        return {
            name.partition(";")[2].rpartition("<locals>.")[2]: times
            for name, times in names.items()
            if name.startswith("(callbacks);")
        }

    return run


async def until_called(turns=3):
    for _ in range(turns):
        await asyncio.sleep(0)


def test_each_callback_is_charged_by_its_function(recorded, clock):
    def first():
        clock.tick(5)

    def second(nanoseconds):
        clock.tick(nanoseconds)

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(first)
        loop.call_soon(first)
        loop.call_soon(functools.partial(second, 3))
        loop.call_later(0, second, 4)
        await until_called()

    found = recorded(main)
    assert {name: (times.busy, times.steps) for name, times in found.items()} == {
        "first": (10, 2),
        "second": (7, 2),
    }
    assert all(times.idle == times.scheduled == times.entries == 0 for times in found.values())


def test_a_callback_whose_class_has_no_hash_is_called_and_charged(recorded, clock):
    class Unhashable(type):
        def __eq__(cls, other):
            raise AssertionError("compared")

        __hash__ = None

    class Callback(metaclass=Unhashable):
        def __call__(self):
            clock.tick(5)

    async def main():
        asyncio.get_running_loop().call_soon(Callback())
        await until_called()

    assert [times.busy for times in recorded(main).values()] == [5]


def test_a_profile_in_the_midst_of_a_callback_keeps_the_laws(clock, tmp_path):
    recording = record(tmp_path / "stack", clock=clock, flush_interval=None)

    def callback():
        clock.tick(5)
        with span("part"):
            clock.tick(2)
            profiles.append(found.profile)

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    profiles = []
    with recording as found:
        asyncio.run(main())
    [profile] = profiles
    profile.check()
    busy = {name.rpartition("<locals>.")[2]: t.busy for name, t in by_names(profile).items()}
    assert (busy["callback"], busy["callback;part"]) == (5, 2)
    assert profile.callbacks == 7


def test_a_span_that_a_callback_leaves_open_is_closed_at_its_end(recorded, clock):
    def callback():
        span("open").__enter__()
        clock.tick(5)

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    found = recorded(main)
    assert (found["callback;open"].busy, found["callback;open"].left_open) == (5, 1)


def test_a_task_that_a_callback_creates_is_not_below_it(clock, tmp_path):
    async def child():
        clock.tick(1)

    def callback():
        tasks.append(asyncio.get_running_loop().create_task(child()))

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    tasks = []
    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    [name] = [name for name, times in by_names(found.profile).items() if times.busy == 1]
    assert name.endswith("main;" + child.__qualname__)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_an_eager_step_within_a_callback_interrupts_it(recorded, clock):
    async def child():
        clock.tick(100)

    def callback():
        clock.tick(1)
        tasks.append(asyncio.get_running_loop().create_task(child()))
        clock.tick(2)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)
        loop.call_soon(callback)
        await until_called()

    tasks = []
    assert recorded(main)["callback"].busy == 3


def test_a_callback_that_has_itself_called_again_wakes_itself(recorded, clock):
    def rearms():
        clock.tick(1)
        rest.append(None)
        if len(rest) < 10:
            asyncio.get_running_loop().call_soon(rearms)

    async def main():
        asyncio.get_running_loop().call_soon(rearms)
        await until_called(10)

    rest = []
    found = recorded(main)["rearms"]
    assert (found.busy, found.steps) == (10, 10)
    assert found.self_wakes >= 1


def test_an_error_of_a_callback_goes_where_it_would_have_gone(recorded, clock):
    def fails():
        clock.tick(1)
        raise ZeroDivisionError

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
        loop.call_soon(fails)
        await until_called()

    errors = []
    assert recorded(main)["fails"].busy == 1
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_a_task_and_its_error_go_when_the_program_drops_them(recorded):
    left = []

    class WrongError(Exception):
        pass

    async def fails(error):
        del error
        raise WrongError

    async def main():
        gc.disable()
        task = asyncio.create_task(fails(None))
        error = (await asyncio.gather(task, return_exceptions=True))[0]
        dropped, task = ref(task), None
        await until_called()
        left.extend([dropped(), *(each for each in gc.get_referrers(error) if each is not left)])
        gc.enable()

    asyncio.run(main())
    [nothing, *as_by_python] = left
    assert nothing is None
    left.clear()
    recorded(main)
    assert [type(each) for each in left] == [type(None), *map(type, as_by_python)]


def test_a_protocols_method_is_named(tmp_path, clock):
    class Answers(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            clock.tick(5)
            self.transport.write(data)

    async def main():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Answers, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"x")
        await reader.readexactly(1)
        writer.close()
        server.close()

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    found.profile.check()
    [name] = [name for name, times in by_names(found.profile).items() if times.busy == 5]
    assert name.endswith("Answers.data_received")


def test_a_function_in_c_is_a_callback_too(recorded, clock):
    class Ticker:
        """Ticks when it is hashed, which functions in C do."""

        def __hash__(self):
            clock.tick(5)
            return 1

    async def main():
        asyncio.get_running_loop().call_soon({}.setdefault, Ticker())
        await until_called()

    assert recorded(main)["dict.setdefault"].busy == 5


def test_two_functions_of_one_name_are_told_apart(tmp_path, clock):
    def make(ns):
        namespace = {"clock": clock}
        exec(f"def same():\n    clock.tick({ns})", namespace)  # noqa: S102
        return namespace["same"]

    async def main():
        for _ in range(2):
            asyncio.get_running_loop().call_soon(make(1))
            asyncio.get_running_loop().call_soon(make(10))
        await until_called()

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    assert found.profile.callbacks == 22


def test_what_strikes_before_a_callback_does_not_prevent_it(recorded, clock, monkeypatch):
    def callback():
        clock.tick(5)
        called.append(True)

    def strike(*_):
        raise KeyboardInterrupt

    async def main():
        monkeypatch.setattr(asyncio_callbacks, "callback_frame", strike)
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    called = []
    with pytest.raises(KeyboardInterrupt):
        recorded(main)
    assert called


def run_on(loop_class, main):
    """Run a main function on a loop of a class of the program's; return the loop."""
    loop = loop_class()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_what_strikes_before_its_recording_is_known_is_not_lost(clock, tmp_path):
    class Loop(asyncio.SelectorEventLoop):
        strikes = False

        def __hash__(self):
            if self.strikes:
                self.strikes = False
                raise KeyboardInterrupt
            return super().__hash__()

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(setattr, loop, "strikes", True)
        loop.call_soon(called.append, True)
        await until_called()

    called = []
    with (
        record(tmp_path / "stack", clock=clock, flush_interval=None),
        pytest.raises(KeyboardInterrupt),
    ):
        run_on(Loop, main)
    assert called


def test_what_strikes_at_the_end_of_a_callback_that_is_known_leaves_nothing_running(
    clock, tmp_path
):
    class Loop(asyncio.SelectorEventLoop):
        strikes = False

        @property
        def _ready(self):
            if self.strikes:
                self.strikes = False
                raise KeyboardInterrupt
            return vars(self)["ready"]

        @_ready.setter
        def _ready(self, ready):
            vars(self)["ready"] = ready

    def callback():
        clock.tick(5)
        loop = asyncio.get_running_loop()
        loop.strikes, again[:] = not again, [True]

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    again = [True]
    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        run_on(Loop, main)
        again.clear()
        with pytest.raises(KeyboardInterrupt):
            run_on(Loop, main)
        clock.tick(100)
    found.profile.check()
    assert found.profile.callbacks == 15


@pytest.mark.parametrize("several", [False, True])
def test_what_strikes_at_the_end_of_a_callback_leaves_nothing_running(
    clock, tmp_path, monkeypatch, several
):
    def callback():
        clock.tick(5)
        monkeypatch.setattr(asyncio_callbacks, "_is_rearmed", strike)
        monkeypatch.setattr(compat, "asyncio_is_rearmed", strike)

    def strike(*_):
        monkeypatch.undo()
        raise KeyboardInterrupt

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    def run():
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
        clock.tick(100)

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        if several:
            with record(tmp_path / "other", clock=clock, flush_interval=None) as other:
                run()
            assert other.profile.callbacks == 5
        else:
            run()
    found.profile.check()
    assert found.profile.callbacks == 5


def test_callbacks_of_two_recordings_are_in_both(clock, tmp_path):
    def callback():
        clock.tick(5)

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    with record(tmp_path / "a", clock=clock, flush_interval=None) as first:
        with record(tmp_path / "b", clock=clock, flush_interval=None) as second:
            asyncio.run(main())
        asyncio.run(main())
    assert (first.profile.callbacks, second.profile.callbacks) == (10, 5)


def test_a_callback_of_a_loop_that_is_not_recorded_is_nobodys(clock, tmp_path):
    def callback():
        clock.tick(5)

    async def call_another(loop):
        other = asyncio.SelectorEventLoop()
        other.call_soon(callback)
        other.call_soon(other.stop)
        thread = threading.Thread(target=other.run_forever)
        thread.start()
        await asyncio.to_thread(thread.join)
        other.close()

    async def main():
        async with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
            await call_another(asyncio.get_running_loop())
        assert found.profile.callbacks == 0

    asyncio.run(main())


def test_a_loop_whose_selector_the_program_replaces_is_recorded_on(recorded, clock):
    class Selector(selectors.DefaultSelector):
        def select(self, timeout=None):
            found = super().select(0 if timeout is None else min(timeout, 0.01))
            clock.tick(100)
            return found

    def callback():
        clock.tick(5)

    async def main():
        loop = asyncio.get_running_loop()
        old, loop._selector = loop._selector, Selector()
        for key in old.get_map().values():
            loop._selector.register(key.fileobj, key.events, key.data)
        old.close()
        loop.call_soon(callback)
        loop.call_later(0.001, callback)
        await asyncio.sleep(0.01)

    assert recorded(main)["callback"].busy == 10


def test_a_loop_of_a_class_that_the_program_makes_meanwhile_is_recorded(clock, tmp_path):
    def callback():
        clock.tick(5)

    async def main():
        asyncio.get_running_loop().call_soon(callback)
        await until_called()

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:

        class Loop(asyncio.SelectorEventLoop):
            def run_forever(self):
                clock.tick(1)
                super().run_forever()

        class OtherHandle(asyncio.Handle):
            def _run(self):
                clock.tick(1)
                super()._run()

        loop = Loop()
        handle = OtherHandle(callback, (), loop, contextvars.copy_context())
        loop._ready.append(handle)
        loop.run_until_complete(main())
        loop.close()
    found.profile.check()
    assert found.profile.callbacks == 10


def test_steps_of_a_class_of_tasks_are_no_callbacks(clock, tmp_path):
    class OwnTask(asyncio.Task):
        pass

    async def child():
        clock.tick(1)
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future
        clock.tick(2)

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_task_factory(lambda loop, coro, **options: OwnTask(coro, loop=loop, **options))
        await loop.create_task(child())

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as found:
        asyncio.run(main())
    assert not any(name.startswith("(callbacks)") for name in by_names(found.profile))
    assert found.profile.busy == 3


def test_what_a_late_timer_wakes_is_scheduled_from_its_deadline_on(clock, tmp_path):
    class Loop(asyncio.SelectorEventLoop):
        def time(self):
            return clock.now / 1e9

    async def heartbeat():
        await asyncio.sleep(0.01)

    async def main():
        task = asyncio.ensure_future(heartbeat())
        await asyncio.sleep(0)
        clock.tick(510_000_000)
        await task

    loop = Loop()
    with record(tmp_path / "stack", clock=clock, scheduled=True, await_stacks=False) as recording:
        loop.run_until_complete(main())
        loop.close()
    recording.profile.check()
    times = next(each for name, each in by_names(recording.profile).items() if "beat" in name)
    assert (times.idle, times.scheduled) == (10_000_000, 500_000_000)
    assert recording.profile.scheduling_delay.max == 500_000_000


def test_a_cancellation_that_never_ends_names_its_scope_and_task(clock, tmp_path):
    async def stubborn(over):
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(over.wait())
            clock.tick(1)

    async def main():
        over = asyncio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(stubborn, over)
            await until_called()
            group.cancel_scope.cancel()
            asyncio.get_running_loop().call_later(0.05, over.set)

    with record(tmp_path / "stack", clock=clock, flush_interval=None) as recording:
        anyio.run(main)
    profile = recording.profile
    profile.check()
    delivered = {
        path[-1].name: times
        for path, times in profile.stacks.items()
        if path[1:2] == (CALLBACKS,) and path[-1].name.startswith("cancel ")
    }
    [name] = [name for name in delivered if "stubborn" in name]
    scope = name.partition(" in a scope of ")[2]
    assert scope.endswith("main")
    assert 2 * delivered[name].self_wakes > delivered[name].steps > 1


def test_callbacks_of_a_notebooks_kernel_are_the_loops_own_work(recorded, clock, monkeypatch):
    notebook = Notebook(monkeypatch)
    names = {}
    source = "def reads(tick):\n    tick(5)"
    exec(compile(source, "/site/ipykernel/iostream.py", "exec"), names)  # noqa: S102
    found = {}

    async def main():
        loop = asyncio.get_running_loop()
        async with record(clock=clock) as recording:
            loop.call_soon(names["reads"], clock.tick)
            loop.call_soon(clock_tick)
            await until_called()
        found.update(by_names(recording.profile))

    def clock_tick():
        clock.tick(3)

    asyncio.run(main())
    assert notebook.shown == []
    assert [times.busy for name, times in found.items() if "clock_tick" in name] == [3]
    assert not any("reads" in name for name in found)
