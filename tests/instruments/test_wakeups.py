"""What loops are asked to call: reported first, and called whatever strikes."""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.strategies import by_names
from tracetools import compat, record
from tracetools.instruments import wakeups
from tracetools.instruments.wakeups import Uses, reported_call_soon
from tracetools.testing import FakeClock


class Loop:
    """Remembers what it was asked to call."""

    def __init__(self):
        self.calls = []

    def call_soon(self, callback, *args, context=None):
        self.calls.append((callback, args, context))
        return "handle"


class Callback:
    def __call__(self):
        pass


def replaced(reported):
    uses = Uses(reported, lambda _: None, {}, set(), compat.ASYNCIO_WAKEUP, compat.ASYNCIO_STEPS)
    return reported_call_soon(Loop.call_soon, uses)


def test_another_callback_is_called_in_place_of_the_one_given():
    loop, given, other = Loop(), Callback(), Callback()
    assert replaced({given: other}.get)(loop, given, 1, context="context") == "handle"
    assert loop.calls == [(other, (1,), "context")]


def test_what_strikes_while_it_is_reported_comes_after_the_call():
    def strike(_):
        raise KeyboardInterrupt

    loop, callback = Loop(), Callback()
    with pytest.raises(KeyboardInterrupt):
        replaced(strike)(loop, callback)
    assert loop.calls == [(callback, (), None)]


def test_an_error_of_the_loop_passes():
    with pytest.raises(TypeError):
        replaced(lambda callback: callback)(Loop(), Callback(), wrong=True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="frames cannot be taken out")
def test_an_error_of_the_loop_has_no_frame_of_ours():
    class Closed(Loop):
        def call_soon(self, *_):
            raise RuntimeError

    uses = Uses(lambda it: it, lambda _: None, {}, set(), "", frozenset())
    with pytest.raises(RuntimeError) as caught:
        reported_call_soon(Closed.call_soon, uses)(Closed(), Callback())
    assert [each.name for each in caught.traceback][1:] == ["call_soon"]


@pytest.mark.parametrize("name", ["__name__", "__qualname__", "__doc__", "__module__"])
def test_the_replacement_says_what_the_original_says(name):
    ours = replaced(lambda callback: callback)
    assert getattr(ours, name) == getattr(Loop.call_soon, name)
    assert ours.__wrapped__ is Loop.call_soon


@pytest.mark.parametrize("recordings", [1, 2])
def test_a_task_is_scheduled_from_its_wake_up_to_its_step(tmp_path, recordings):
    clock = FakeClock()

    async def waiter(event):
        await event.wait()
        clock.tick(1)

    async def main():
        event = asyncio.Event()
        task = asyncio.create_task(waiter(event))
        await asyncio.sleep(0)
        clock.tick(10)
        event.set()
        clock.tick(100)
        await task

    def run(left):
        if not left:
            asyncio.run(main())
            return
        file = tmp_path / str(left)
        with record(file, clock=clock, scheduled=True, flush_interval=None) as found:
            run(left - 1)
        found.profile.check()
        [name] = [name for name in by_names(found.profile) if name.endswith("waiter")]
        times = by_names(found.profile)[name]
        assert (times.busy, times.scheduled, times.idle) == (1, 100, 10)

    run(recordings)


def test_what_is_known_of_late_tasks_is_forgotten_with_them(tmp_path):
    async def main():
        async with record(tmp_path / "a", scheduled=True, flush_interval=None):
            async with record(tmp_path / "b", flush_interval=None):
                await asyncio.sleep(0)
                assert set(wakeups.late_tasks.values()) == {2}
            assert set(wakeups.late_tasks.values()) == {1}
        assert not wakeups.late_tasks

    asyncio.run(main())
    assert not wakeups.late_tasks
