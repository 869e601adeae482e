"""What a task awaits: the chain of its awaits, and the time that goes to each."""

import asyncio
import contextlib
import functools
import gc
import sys
import types
import weakref

import anyio
import pytest
import trio

from tests.backends import AsyncioBackend, Backend, TrioBackend
from tests.scenarios import World, rest, work
from tracetools import FlamegraphInstrument, observe, record, span
from tracetools.attribution.wait_names import MAX_LINKS, AwaitReader, WaitNames
from tracetools.core.stacks import Frame, StackTree, frames_between


@types.coroutine
def park():
    """What the bottom of every backend is: a generator that gives the loop a word."""
    yield


async def outer():
    await inner()


async def inner():
    await park()


def frame_of(code):
    """Return a frame by any name, at the location of a function."""
    return Frame("any", code.co_filename, code.co_firstlineno)


def frames_of(awaits, coroutine, *shown):
    """The frames of what a coroutine is parked in, under those of the functions that are shown."""
    tree = StackTree()
    base = own = tree.root
    for code in shown:
        own = tree.child(own, frame_of(code))
        base = own if base is tree.root else base
    found = awaits.stack(coroutine, base, own, tree)
    return frames_between(own, found)[1:]


def names(coroutine, *shown):
    """Step a coroutine once, and say what it is parked in: names, and lines from its first one.

    `shown` are functions that have frames already, beside its own.
    """
    coroutine.send(None)
    first = coroutine.cr_code.co_firstlineno
    frames = frames_of(WaitNames(), coroutine, coroutine.cr_code, *shown)
    coroutine.close()
    return [
        f"{frame.name}:{frame.line - first}" if frame.name.startswith("await") else frame.name
        for frame in frames
    ]


def chain_of(make):
    """Return a coroutine whose function waits, in its third line, for what `make` makes."""

    async def task():
        # the frame of this function is the task's own
        await make()

    return task()


# -- the chain ---------------------------------------------------------------------------------


def test_functions_between_the_tasks_own_and_the_await_have_frames():
    assert names(chain_of(outer)) == ["outer", "inner", "park"]


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_runtime_functions_are_named_by_the_first_of_them(backend):
    def sleeping():
        return {"trio": trio.sleep, "asyncio": asyncio.sleep}[backend](10)

    async def main():
        seen.append(names(chain_of(sleeping)))

    seen = []
    (trio.run if backend == "trio" else lambda main: asyncio.run(main()))(main)
    assert seen == [["await sleep:2"]]


def test_two_awaits_of_one_function_are_told_apart_by_their_lines():
    async def main():
        async def task():
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        coroutine, awaits, found = task(), WaitNames(), []
        for _ in range(2):
            coroutine.send(None)
            found += frames_of(awaits, coroutine, task.__code__)
        coroutine.close()
        return [(frame.name, frame.line - task.__code__.co_firstlineno) for frame in found]

    assert asyncio.run(main()) == [("await sleep", 1), ("await sleep", 2)]


async def numbers():
    await park()
    yield 1


@contextlib.asynccontextmanager
async def manager():
    await park()
    yield


class Wrapped:
    def __await__(self):
        return inner().__await__()


async def iterate():
    async for _ in numbers():
        pass


async def comprehend():
    return [number async for number in numbers()]


async def enter():
    async with manager():
        pass


async def wrapped():
    await Wrapped()


async def next_or_none():
    await anext(numbers(), None)


async def first():
    await anext(numbers())


@pytest.mark.parametrize(
    ("function", "below"),
    [
        (iterate, ["iterate", "numbers", "park"]),
        (enter, ["enter", "manager", "park"]),
        (wrapped, ["wrapped", "inner", "park"]),
        (next_or_none, ["next_or_none", "numbers", "park"]),
        (first, ["first", "numbers", "park"]),
    ],
)
def test_the_chain_goes_through_what_python_puts_between(function, below):
    assert names(chain_of(function)) == below


def test_the_chain_goes_through_comprehensions():
    found = [name.rpartition(".")[2] for name in names(chain_of(comprehend))]
    # before Python 3.12 a comprehension is a function of its own
    assert [name for name in found if name != "<listcomp>"] == ["comprehend", "numbers", "park"]


ASKED = []


class Foreign:
    """An awaitable with an iterator of its own making, which cannot be looked into."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return None

    def close(self):
        pass

    def __getattr__(self, name):
        ASKED.append(name)
        raise AttributeError(name)


class coroutine_wrapper(Foreign):  # noqa: N801  # named as what C code makes
    def __init__(self):
        self.me = self


class Meta(type):
    @property
    def __name__(cls):
        ASKED.append("name")
        return "anext_awaitable"


class Named(Foreign, metaclass=Meta):
    @property
    def __class__(self):
        ASKED.append("class")
        return types.CoroutineType


@pytest.mark.parametrize(
    "foreign", [Foreign, coroutine_wrapper, Named], ids=["foreign", "circle", "meta"]
)
def test_an_unknown_await_is_named_so_and_asked_for_nothing(foreign):
    async def default():
        await anext(numbers_of(foreign()), None)

    def numbers_of(found):
        class Numbers:
            def __aiter__(self):
                return self

            def __anext__(self):
                return found

        return Numbers()

    for function in (foreign, default):
        coroutine = chain_of(function)
        coroutine.send(None)
        ASKED.clear()
        frames = frames_of(WaitNames(), coroutine, coroutine.cr_code)
        assert ASKED == []
        assert frames[-1].name == "await ?"
        coroutine.close()


def test_lazy_modules_are_not_loaded(monkeypatch):
    class Lazy(types.ModuleType):
        def __getattribute__(self, name):
            raise RuntimeError(f"loaded for {name}")

    monkeypatch.setitem(sys.modules, "uvloop", Lazy("uvloop"))
    assert names(chain_of(outer)) == ["outer", "inner", "park"]


def test_a_future_is_a_future():
    async def main():
        return names(chain_of(asyncio.get_running_loop().create_future))

    assert asyncio.run(main()) == ["await Future:2"]


def test_a_chain_without_end_is_cut():
    async def deeper(levels):
        await (deeper(levels - 1) if levels else park())

    found = names(chain_of(lambda: deeper(200)))
    assert len(found) == MAX_LINKS
    assert found[-1] == "(deeper)"


@pytest.mark.parametrize("make", [lambda: None, lambda: 5, object, Foreign, str])
def test_an_object_that_awaits_nothing_has_no_chain(make):
    assert frames_of(WaitNames(), make()) == []


def test_a_coroutine_that_has_not_begun_or_is_over_awaits_nothing():
    new, over = outer(), outer()
    over.close()
    found = [frames_of(WaitNames(), each, outer.__code__) for each in (new, over)]
    new.close()
    assert found == [[], []]


def test_an_observed_function_is_not_shown_twice():
    async def plain():
        await inner()

    watched = observe(plain)

    async def between():
        await watched()

    assert names(chain_of(between), plain.__code__) == ["inner", "park"]
    # in a recording that has begun since, there is no span for it
    assert [name.rpartition(".")[2] for name in names(chain_of(between))] == [
        *("between", "plain", "inner", "park")
    ]


def test_a_task_that_is_named_by_what_it_wraps_is_not_shown_twice():
    def passing(function):
        @functools.wraps(function)
        async def wrapper():
            await function()

        return wrapper

    coroutine = passing(outer)()
    coroutine.send(None)
    frames = frames_of(WaitNames(), coroutine, outer.__code__)
    coroutine.close()
    assert [frame.name for frame in frames] == ["inner", "park"]


def test_a_task_of_runtime_functions_shows_those_of_the_program():
    async def main():
        task = manager().__aenter__()
        return names(task)

    assert asyncio.run(main()) == ["manager", "park"]


def test_a_function_that_awaits_itself_is_shown_as_often():
    async def again(levels):
        await (again(levels - 1) if levels else park())

    shown = [name.rpartition(".")[2] for name in names(again(3))]
    assert shown == ["again", "again", "again", "park"]


def test_nothing_of_a_task_is_kept_alive():
    class Thing:
        pass

    async def task(thing):
        await inner()
        return thing

    awaits, thing = WaitNames(), Thing()
    known = weakref.ref(thing)
    coroutine = task(thing)
    coroutine.send(None)
    assert frames_of(awaits, coroutine, coroutine.cr_code)
    coroutine.close()
    del coroutine, thing
    gc.collect()
    assert known() is None


# -- the time ----------------------------------------------------------------------------------


@pytest.fixture(params=[TrioBackend, AsyncioBackend, Backend], ids=["trio", "asyncio", "anyio"])
def backend(request):
    World.backend = request.param(World.clock)
    yield World.backend
    World.backend = TrioBackend(World.clock)


def recorded(backend, main, path, **options):
    options = {"clock": World.clock, "flush_interval": None, "await_stacks": True} | options
    if isinstance(backend, TrioBackend):
        instrument = FlamegraphInstrument(path, **options)
        clock = trio.testing.MockClock(autojump_threshold=0)
        trio.run(main, clock=clock, instruments=[instrument, backend.waiting])
        return instrument.profile
    with record(path, **options) as recording:
        anyio.run(main)
    return recording.profile


def idle_of(profile):
    """Idle nanoseconds of the main task, by its spans and functions down to these tests' own."""
    found = {}
    for path, time in profile.lens("idle").items():
        names = [frame.name.rpartition(".")[2] for frame in path[1:]]
        if names[0] == "main":
            key = ";".join(name for name in names if name in ("part", "fetch", "store", "rest"))
            key = key.partition(";rest")[0]
            found[key] = found.get(key, 0) + time
    return found


async def fetch():
    await rest(30)


async def store():
    work(3)
    await rest(50)


def test_idle_time_goes_to_the_await_it_is_spent_in(backend, tmp_path):
    async def main():
        work(2)
        await fetch()
        await store()
        await fetch()
        with span("part"):
            await store()

    profile = recorded(backend, main, tmp_path / "stack", await_after=0)
    profile.check()
    assert idle_of(profile) == {"fetch": 60, "store": 50, "part;store": 50}


def test_short_waits_stay_on_the_tasks_own_stack(backend, tmp_path):
    async def main():
        await fetch()
        await rest(200_000)

    profile = recorded(backend, main, tmp_path / "stack", await_after=100e-6)
    assert idle_of(profile) == {"": 30, "rest": 200_000}


@pytest.mark.parametrize("scheduled", [False, True])
def test_scheduled_time_is_not_spent_in_an_await(tmp_path, scheduled):
    World.backend = TrioBackend(World.clock)

    async def main():
        async with trio.open_nursery() as nursery:
            event = trio.Event()
            nursery.start_soon(waiter, event)
            await trio.testing.wait_all_tasks_blocked()
            World.clock.tick(20)  # while the waiter waits for the event
            event.set()
            work(40)  # while it is scheduled

    async def waiter(event):
        await event.wait()

    options = {"await_after": 0, "scheduled": scheduled}
    profile = recorded(World.backend, main, tmp_path / "stack", **options)
    profile.check()
    event_time = sum(
        time for path, time in profile.lens("idle").items() if path[-1].name == "await Event.wait"
    )
    queued = sum(
        time for path, time in profile.lens("scheduled").items() if path[-1].name.endswith("waiter")
    )
    assert (event_time, queued) == ((20, 40) if scheduled else (60, 0))


@pytest.mark.parametrize("backend_name", ["trio", "asyncio"])
def test_waits_that_go_on_are_attributed_when_the_recording_ends(tmp_path, backend_name):
    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(forever)
            async with record(tmp_path / "stack", **options) as recording:
                group.start_soon(forever)
                await anyio.wait_all_tasks_blocked()
                World.clock.tick(70)
            group.cancel_scope.cancel()
        return recording.profile

    async def forever():
        await anyio.sleep_forever()

    options = {"clock": World.clock, "await_stacks": True, "await_after": 0}
    profile = anyio.run(main, backend=backend_name)
    profile.check()
    waits = {path: t for path, t in profile.lens("idle").items() if path[-1].name[:5] == "await"}
    assert {path[-1].name for path in waits} == {"await sleep_forever"}
    assert sum(waits.values()) == 140


def test_a_profile_has_waits_that_go_on(tmp_path):
    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(waiter)
            await trio.testing.wait_all_tasks_blocked()
            World.clock.tick(70)
            profile = instrument.profile
            nursery.cancel_scope.cancel()
        return profile

    async def waiter():
        with span("part"):
            await trio.sleep_forever()

    options = {"clock": World.clock, "await_stacks": True, "await_after": 0}
    instrument = FlamegraphInstrument(tmp_path / "stack", **options)
    profile = trio.run(main, instruments=[instrument])
    profile.check()
    idle = {
        path[-2].name: t for path, t in profile.lens("idle").items() if path[-1].name[:5] == "await"
    }
    assert idle == {"part": 70}
    assert instrument.profile.lens("idle").items() >= profile.lens("idle").items()


@pytest.mark.parametrize(
    ("after", "error"),
    [
        (-1, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (1e9, ValueError),
        ("1", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_a_wait_of_no_sensible_length_is_an_error(tmp_path, after, error):
    with pytest.raises(error, match="await_after is a number of seconds"):
        record(tmp_path / "stack", await_stacks=True, await_after=after)


def test_a_loop_that_stands_still_at_the_end_waits_for_no_longer_than_it_ran(tmp_path):
    async def main():
        asyncio.get_running_loop().stranded = asyncio.create_task(asyncio.Event().wait())
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    options = {"clock": World.clock, "await_stacks": True, "await_after": 0}
    with record(tmp_path / "stack", **options) as recording:
        loop.run_until_complete(main())
        World.clock.tick(1000)
    recording.profile.check()
    assert sum(recording.profile.lens("idle").values()) == 0
    asyncio.all_tasks(loop).pop().cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


# ---------------------------------------------------------------------- what is awaited just now


def read(coroutine, reader=None):
    """Step a coroutine once, and return what it awaits."""
    coroutine.send(None)
    found = (reader or AwaitReader()).read(coroutine)
    coroutine.close()
    return found


def line_in(function, line):
    return function.__code__.co_firstlineno + line


def test_functions_have_the_lines_that_they_are_at():
    found = read(outer())
    assert [(frame.name, frame.line) for frame in found.functions] == [
        ("outer", line_in(outer, 1)),
        ("inner", line_in(inner, 1)),
        ("park", line_in(park, 3)),
    ]
    assert found.awaits is None
    assert found.codes[found.function] is outer.__code__


def test_what_is_awaited_has_the_name_that_profiles_use():
    async def main():
        async def waits():
            await event.wait()

        event = asyncio.Event()
        found = read(waits())
        assert found.awaits.name == "await Event.wait"
        assert found.awaits.line == found.functions[-1].line

    asyncio.run(main())


def test_what_runs_the_function_of_a_task_is_passed_over():
    async def main():
        found = read(asyncio.sleep(1000), AwaitReader())
        assert found.functions == []
        assert found.awaits == Frame("await Future", "")
        names = [link.__qualname__ for link in found.links]
        assert names[found.function] == "sleep"

    asyncio.run(main())


def test_chains_that_were_seen_before_are_read_anew():
    reader = AwaitReader()

    async def waits(first):
        if first:
            await park()
        await inner()

    one, other = read(waits(True), reader), read(waits(False), reader)
    assert [frame.name for frame in one.functions][1:] == ["park"]
    assert [frame.name for frame in other.functions][1:] == ["inner", "park"]
    assert one.functions[0].line == line_in(waits, 2)
    assert other.functions[0].line == line_in(waits, 3)
    assert read(waits(True), reader)[3:] == one[3:]
