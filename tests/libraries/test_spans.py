"""Spans around async functions: names, frames, and what goes wrong."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import sys
import weakref

import anyio
import pytest

from tests.libraries.apps import here
from tracetools.core.labels import PathShortener
from tracetools.core.stacks import Frame
from tracetools.libraries import spans
from tracetools.libraries.spans import (
    Frames,
    LateSpans,
    Names,
    begin,
    frame_of,
    http_method,
    method_of_class,
    spanned,
)
from tracetools.recording.current import close_span


async def nothing(*_):
    await anyio.lowlevel.checkpoint()


def named(*_, **__):
    return Frame("named", "")


def test_calls_have_spans(recorded):
    call = spanned(named)(nothing)
    assert recorded(call).entries() == {"named": 1}
    assert call.__wrapped__ is nothing


def test_a_name_of_none_is_no_span(recorded):
    assert recorded(spanned(lambda: None)(nothing)).entries() == {}


def test_without_a_recording_no_name_is_asked_for():
    def refuse():
        raise AssertionError

    anyio.run(spanned(refuse)(nothing))
    assert begin(refuse) is None


def test_a_name_that_fails_is_noted_once(recorded, caplog):
    def fail():
        raise LookupError("no name")

    async def main():
        await spanned(fail)(nothing)()
        await spanned(fail)(nothing)()

    assert recorded(main).entries() == {}
    [note] = [record for record in caplog.records if record.name == "tracetools"]
    assert note.getMessage().endswith("so there is none: LookupError: no name")


def test_an_interruption_while_a_name_is_found_is_the_programs(recorded):
    def interrupt():
        raise KeyboardInterrupt

    async def main():
        with pytest.raises(KeyboardInterrupt):
            await spanned(interrupt)(nothing)()

    assert recorded(main).entries() == {}


def test_what_a_call_raises_and_returns_is_its_own(recorded):
    error = ValueError("own")

    async def call(value):
        if value is error:
            raise error
        return value

    async def main():
        assert await spanned(named)(call)(3) == 3
        with pytest.raises(ValueError) as caught:
            await spanned(named)(call)(error)
        assert caught.value is error

    assert recorded(main).entries() == {"named": 2}


def test_a_method_that_calls_the_one_of_its_base_is_one_span(recorded):
    class Base:
        async def work(self): ...

    class Derived(Base):
        async def work(self):
            await super().work()

    for kind in (Base, Derived):
        kind.work = spanned(named, once=True)(kind.work)

    async def main():
        await Derived().work()
        await Base().work()

    assert recorded(main).entries() == {"named": 2}


def test_a_late_span_ends_with_the_outermost_call(recorded):
    late = LateSpans()
    request = object()

    async def inner(request):
        late.name(request, named)
        late.name(request, refused)

    def refused():
        raise AssertionError("it has a name already")

    inner_call = late.around(lambda request: request)(inner)

    async def outer(request):
        await inner_call(request)
        opened = begin(lambda: Frame("after", ""))
        close_span(opened)

    call = late.around(lambda request: request)(outer)
    assert recorded(call, request).entries() == {"named": 1, "named;after": 1}
    assert late._calls == {}


def test_a_late_span_without_a_call_is_none(recorded):
    late = LateSpans()

    async def main():
        late.name(object(), named)

    assert recorded(main).entries() == {}


class Callable:
    def __init__(self): ...

    def __call__(self): ...


@pytest.mark.parametrize(
    ("target", "function"),
    [
        (here, here),
        (functools.partial(functools.partial(here), None), here),
        (Callable, Callable.__init__),
        (Callable(), Callable.__call__),
        (Callable().__call__, Callable.__call__),
    ],
)
def test_a_frame_is_at_the_line_of_what_is_called(target, function):
    assert PathShortener()(frame_of(target, "name")) == ("name", *here(function))


def test_a_class_of_c_has_no_line():
    assert frame_of(dict) == Frame("dict")


def test_methods_that_clients_make_up_have_one_name():
    assert [http_method(name) for name in ("GET", "get", "X")] == ["GET", "HTTP", "HTTP"]


def test_the_method_of_a_class_is_its_own():
    class Derived(Callable):
        def get(self): ...

    assert method_of_class(functools.partial(Derived), ("get",)) is Derived.get
    assert method_of_class(Derived, ("post",)) is Derived
    assert method_of_class(here, ("get",)) is here


def test_frames_keep_nothing_alive():
    frames = Frames()
    owner = Callable()
    frames.of(owner)["key"] = Frame("name")
    assert frames.of(owner) == {"key": Frame("name")}
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
    assert frames.of(Callable()) == {}


def test_frames_of_what_cannot_be_referred_to_weakly_are_not_kept():
    frames = Frames()
    frames.of(3)["key"] = Frame("name")
    assert frames.of(3) == {}


def test_frames_are_bounded(monkeypatch):
    monkeypatch.setattr("tracetools.libraries.spans._MOST_OWNERS", 3)
    frames, owners = Frames(), [Callable() for _ in range(10)]
    for owner in owners:
        frames.of(owner)["key"] = Frame("name")
    assert len(frames._known) <= 3


def test_only_so_many_names_and_places_are_told_apart(monkeypatch):
    monkeypatch.setattr(spans, "_MOST_NAMES", 2)
    monkeypatch.setattr(spans, "_MOST_OWNERS", 3)
    names = Names()
    found = [names.told_apart("here", name, "other") for name in "abcab"]
    assert found == ["a", "b", "other", "a", "b"]
    assert [names.told_apart(place, "c", "other") for place in range(100)] == ["c"] * 100
    assert len(names._known) <= 3


@pytest.mark.parametrize("make", [spanned, functools.partial(spanned, once=True)])
def test_a_call_with_a_span_is_still_known_as_a_coroutine_function(make):
    call = make(named)(nothing)
    of = inspect if sys.version_info >= (3, 12) else asyncio
    assert of.iscoroutinefunction(call)


@pytest.mark.parametrize("name_call", [named, lambda *_: None])
@pytest.mark.parametrize("arguments", [(1,), (1, 2)])
@pytest.mark.parametrize("make", [spanned, functools.partial(spanned, once=True)])
def test_tracebacks_have_no_frame_of_ours(recorded, make, arguments, name_call):
    async def work(number):
        raise ValueError(number)

    async def main():
        with pytest.raises((ValueError, TypeError)) as raised:  # there may be one too many
            await make(name_call)(work)(*arguments)
        raised_in.extend(entry.path.name for entry in raised.traceback)

    raised_in = []
    recorded(main)
    assert "test_spans.py" in raised_in
    if sys.version_info >= (3, 11):  # before, an error that is raised again has the frame anew
        assert "spans.py" not in raised_in
