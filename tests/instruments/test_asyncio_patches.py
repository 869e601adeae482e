"""Loop classes are as they were, once nobody listens; and meanwhile all of them are heard."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from tracetools.instruments import asyncio_patches as loops
from tracetools.instruments.listener import Listener


class Notes(Listener):
    """Notes what it hears."""

    def __init__(self, *, wants_wakeups=False):
        self.wants_wakeups = wants_wakeups
        self.heard = []

    def starts(self, loop):
        self.heard.append("starts")

    def stops(self, loop):
        self.heard.append("stops")

    def nests(self, loop):
        self.heard.append("nests")

    def unnests(self, loop):
        self.heard.append("unnests")

    def closed(self, loop):
        if self.heard[-1:] != ["closed"]:  # a class and its base may both say so
            self.heard.append("closed")

    def created(self, loop, coroutine, options):
        self.heard.append(coroutine.__name__)
        return coroutine

    def refused(self, loop, task, error):
        self.heard.append("refused")


@pytest.fixture
def listener():
    listener = Notes()
    loops.listen(listener)
    yield listener
    loops.unlisten(listener)


def classes(base=asyncio.AbstractEventLoop):
    yield base
    for derived in base.__subclasses__():
        yield from classes(derived)


def attributes():
    return {loop_class: dict(vars(loop_class)) for loop_class in classes()}


async def nothing():
    await asyncio.sleep(0)


def run(loop):
    async def main():
        await loop.create_task(nothing())

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


def test_all_classes_are_as_they_were_after_the_last_has_left():
    before = attributes()
    first, second = Notes(), Notes(wants_wakeups=True)
    loops.listen(first)
    loops.listen(second)
    assert attributes() != before
    loops.unlisten(first)
    run(asyncio.new_event_loop())
    loops.unlisten(second)
    assert attributes() == before
    assert first.heard == []
    assert second.heard == ["main", "starts", "nothing", "stops", "closed"]


def test_wakeups_are_heard_only_while_somebody_wants_them(listener):
    original = asyncio.BaseEventLoop.call_soon
    wants = Notes(wants_wakeups=True)
    loops.listen(wants)
    assert asyncio.BaseEventLoop.call_soon is not original
    loops.unlisten(wants)
    assert asyncio.BaseEventLoop.call_soon is original


def test_a_class_that_is_made_while_somebody_listens_is_heard_and_left_as_it_is_written(listener):
    def create_task(loop, coroutine, **options):
        return asyncio.SelectorEventLoop.create_task(loop, coroutine, **options)

    class Loop(asyncio.SelectorEventLoop):
        pass

    Own = type("Own", (asyncio.SelectorEventLoop,), {"create_task": create_task})  # noqa: N806
    run(Loop())
    run(Own())
    loops.unlisten(listener)
    assert "create_task" not in vars(Loop)
    assert vars(Own)["create_task"] is create_task
    assert [what for what in listener.heard if what in ("starts", "closed")] == [
        "starts",
        "closed",
    ] * 2


def test_a_class_whose_bases_take_options_is_made_as_before(listener):
    class Base(asyncio.SelectorEventLoop):
        options = None

        def __init_subclass__(cls, **options):
            super().__init_subclass__()
            cls.options = options

    class Loop(Base, number=5):
        pass

    assert Loop.options == {"number": 5}
    with pytest.raises(TypeError):

        class Wrong(asyncio.SelectorEventLoop, number=5):
            pass


def test_classes_in_c_are_heard_by_those_that_derive_from_them(listener):
    run(uvloop.new_event_loop())
    assert listener.heard == ["main", "starts", "nothing", "stops", "closed"]
    loops.unlisten(listener)
    assert "create_task" not in vars(uvloop.Loop)


def test_what_somebody_else_has_replaced_meanwhile_stays(monkeypatch):
    listener = Notes()
    original = asyncio.BaseEventLoop.create_task
    loops.listen(listener)
    ours = asyncio.BaseEventLoop.create_task

    def theirs(loop, coroutine, **options):
        return ours(loop, coroutine, **options)

    asyncio.BaseEventLoop.create_task = theirs
    try:
        loops.unlisten(listener)
        assert asyncio.BaseEventLoop.create_task is theirs
        run(asyncio.new_event_loop())  # ours passes everything on
        assert listener.heard == []
    finally:
        asyncio.BaseEventLoop.create_task = original


def test_an_error_is_a_loops_own(listener):
    loop = asyncio.new_event_loop()
    loop.close()
    coroutine = nothing()
    with pytest.raises(RuntimeError, match="closed"):
        loop.create_task(coroutine)  # noqa: RUF006
    coroutine.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()


def test_a_loop_that_runs_within_itself_does_not_start_again(listener):
    async def main():
        with pytest.raises(RuntimeError, match="already running"):
            asyncio.get_running_loop().run_forever()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
    assert listener.heard == ["main", "starts", "stops", "closed"]


if sys.version_info >= (3, 12):

    @pytest.mark.parametrize("when", ["before", "while"])
    def test_an_eager_factory_is_given_back(when):
        factory = asyncio.create_eager_task_factory(asyncio.Task)
        listener = Notes()
        loop = asyncio.new_event_loop()
        if when == "before":
            loop.set_task_factory(factory)
        loops.listen(listener)
        if when == "while":
            loop.set_task_factory(factory)
        else:
            loops.recompose(loop)
        assert loop.get_task_factory().__code__ is asyncio.eager_task_factory.__code__

        async def main():
            loop.create_task(nothing())  # noqa: RUF006

        loop.run_until_complete(main())
        loops.unlisten(listener)
        assert loop.get_task_factory() is factory
        assert "nothing" in listener.heard
        loop.run_until_complete(nothing())
        loop.close()
