"""Entry points of the native core that `span` and `observe` use; see `entries`."""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Callable
from typing import Any

from tracetools import observe, span
from tracetools.core.journal import Journal
from tracetools.core.native import native
from tracetools.recording import current, spans
from tracetools.recording.current import close_span, open_span
from tracetools.recording.spans import Resumed, Span
from tracetools.recording.triggers import Triggers

__all__ = ["SPANS_NEVER_RAISE", "SPAN_ENTRIES"]


@observe
def function(value: int = 5) -> int:
    return value


@types.coroutine
def switch() -> Any:
    yield


@observe
async def coroutine_function() -> int:
    await switch()
    return 1000


@observe
def generator_function() -> Any:
    yield
    return 1000


@observe
def function_fails() -> None:
    raise KeyError


def in_step(call: Callable[[Any], object]) -> Callable[[Any], None]:
    """Make a call of an entry point within a step."""

    def stepping(world: Any) -> None:
        world.task.begin_step(world.now)
        call(world)
        world.task.end_step(world.now)

    return stepping


def nested(world: Any) -> None:
    close_span(open_span(world.frame, 1))
    outer = open_span(world.frame)
    inner = open_span(world.observed, 0)
    close_span(outer)
    close_span(inner)
    close_span(inner)
    close_span(None)


def nested_spans(_: Any) -> None:
    one = span("one")
    with one, one:
        pass
    one.__exit__(None, None, None)


def fails(_: Any) -> None:
    with contextlib.suppress(KeyError):
        function_fails()


def fails_in_a_span(world: Any) -> None:
    with contextlib.suppress(KeyError), span("fails"):
        raise KeyError


def with_errors_noted(call: Callable[[Any], object]) -> Callable[[Any], None]:
    """Make a call of an entry point within a step, while errors out of spans are noted."""

    def noting(world: Any) -> None:
        recorder, journal = world.script.recorder, Journal(3)
        world.loop.journal, recorder.triggers = journal, Triggers(journal, errors=True)
        try:
            in_step(call)(world)
        finally:
            world.loop.journal = recorder.triggers = None

    return noting


def send_to_the_end(made: Any) -> None:
    made.send(None)
    with contextlib.suppress(StopIteration):
        made.send(None)


def throw_into(made: Any) -> None:
    made.send(None)
    with contextlib.suppress(KeyError):
        made.throw(KeyError())


def await_of(world: Any) -> Any:
    return world.make(coroutine_function).__await__()


def iterate(_: Any) -> None:
    for _ in generator_function():
        pass


def attributes_of_function(_: Any) -> None:
    for name in (
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__annotations__",
        "__defaults__",
        "__kwdefaults__",
    ):
        setattr(function, name, getattr(function, name))
    assert function.__class__ is types.FunctionType
    repr(function)
    function.attribute = 5
    del function.attribute


def attributes_of(world: Any) -> None:
    made, generator = world.make(coroutine_function), generator_function()
    made.__name__, generator.__name__ = made.__name__, generator.__name__
    repr(made), repr(generator)
    assert (made.cr_await, made.cr_running, generator.gi_yieldfrom) == (None, False, None)
    made.close()


def resume(world: Any) -> None:
    with Resumed(world.frame):
        pass


def set_current(world: Any) -> None:
    thread = world.loop.thread
    native.set_current(thread, None, True)
    native.set_current(thread, world.loop, True)


def make_span(world: Any) -> None:
    one = Span(world.frame)
    one._opened = one._opened
    assert one._frame is world.frame
    repr(one)
    assert one.__enter__.__name__ == "__enter__"


SPAN_ENTRIES: dict[str, Callable[[Any], object]] = {
    "open_span": in_step(nested),
    "open_span, between two steps": lambda w: open_span(w.frame),
    "close_span": in_step(nested),
    "set_current": set_current,
    "use_current": lambda _: current._use_native(),
    "use_spans": lambda _: spans._use_native(),
    "span": in_step(nested_spans),
    "span, which fails": in_step(fails_in_a_span),
    "span, noted, which fails": with_errors_noted(fails_in_a_span),
    "Span": make_span,
    "do_nothing": lambda _: native.do_nothing(1, 2),
    "Resumed": in_step(resume),
    "Resumed.__enter__": in_step(resume),
    "Resumed.__exit__": in_step(resume),
    "ObservedFunction": lambda _: observe(function.__wrapped__),
    "ObservedFunction, called": in_step(lambda _: function()),
    "ObservedFunction, as a method": in_step(lambda _: function.__get__(5)()),
    "ObservedFunction, which fails": in_step(fails),
    "ObservedFunction, noted, which fails": with_errors_noted(fails),
    "ObservedFunction, its attributes": attributes_of_function,
    "ObservedFunction.__reduce__": lambda _: function.__reduce__(),
    "ObservedCoroutine": in_step(lambda w: w.make(coroutine_function).close()),
    "ObservedCoroutine, its attributes": attributes_of,
    "ObservedCoroutine, dropped": in_step(lambda w: w.make(coroutine_function).send(None)),
    "ObservedCoroutine.send": in_step(lambda w: send_to_the_end(w.make(coroutine_function))),
    "ObservedCoroutine.throw, which fails": in_step(
        lambda w: throw_into(w.make(coroutine_function))
    ),
    "ObservedCoroutine.close": in_step(lambda w: w.make(coroutine_function).close()),
    "ObservedCoroutine.__await__": in_step(lambda w: send_to_the_end(await_of(w))),
    "ObservedAwait": in_step(lambda w: await_of(w).close()),
    "ObservedAwait.send": in_step(lambda w: send_to_the_end(await_of(w))),
    "ObservedAwait.throw, which fails": in_step(lambda w: throw_into(await_of(w))),
    "ObservedAwait.close": in_step(lambda w: await_of(w).close()),
    "ObservedGenerator": in_step(iterate),
    "ObservedGenerator, dropped": in_step(lambda _: next(generator_function())),
    "ObservedGenerator.send": in_step(lambda _: send_to_the_end(generator_function())),
    "ObservedGenerator.throw, which fails": in_step(lambda _: throw_into(generator_function())),
    "ObservedGenerator.close": in_step(lambda _: generator_function().close()),
    "observed_frame": lambda w: native.observed_frame(w.coroutine),
    "observed_function_frame": lambda _: native.observed_function_frame(function),
    "is_observed": lambda _: native.is_observed(function),
    "unobserved": lambda _: native.unobserved(function),
}

SPANS_NEVER_RAISE = {
    "open_span",
    "open_span, between two steps",
    "close_span",
    "span",
    "ObservedFunction, called",
}
"""Those that allocate nothing for the program itself."""

if sys.version_info < (3, 11):  # each call of a Python function may allocate its frame
    SPANS_NEVER_RAISE.clear()
