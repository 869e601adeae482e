"""`observe` and `span`: what is observed does exactly what it did, and is charged where it runs."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import copy
import doctest
import functools
import gc
import inspect
import os
import pickle
import platform
import signal
import sys
import threading
import traceback
import types
import typing
import warnings
import weakref
from collections.abc import Coroutine, Generator, Iterable
from contextvars import ContextVar
from unittest import mock

import pytest
import trio

from tests.strategies import numbers
from tracetools import compat, observe, span
from tracetools.core.native import native
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.recording import spans
from tracetools.recording.current import recorded_loops
from tracetools.recording.spans import Span, function_frame, observed_frame
from tracetools.testing import ScriptedLoop


@pytest.fixture(params=["dormant", "recording"])
def recording(request):
    """Run the test twice: while nothing is recorded, and in the step of a recorded task."""
    if request.param == "dormant":
        yield None
        return
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    yield loop
    loop.finish().check()


@pytest.fixture
def loop():
    """Return a loop in which one task steps."""
    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    yield loop
    if loop.recorder.loops:
        loop.finish().check()


def times(loop, *names):
    return numbers(loop.profile).get(("all-spans", "task", *names), Times())


def stacks(loop):
    """Return what stands below the task, with how often it was entered."""
    found = numbers(loop.profile).items()
    return {";".join(path[2:]): times.entries for path, times in found if len(path) > 2}


# ------------------------------------------------------------------------- the same as unobserved


@types.coroutine
def switch(value=None):
    """Let the driver of a coroutine have a value, and take one."""
    return (yield value)


class Failure(Exception):  # noqa: N818
    pass


def outcome(act, *args):
    """Return what a call gives or raises, with what the error came from."""
    try:
        return "returned", act(*args)
    except BaseException as error:
        chain = [type(error.__cause__).__name__, type(error.__context__).__name__]
        return type(error).__name__, str(error), *chain


def drive(awaitable):
    """Run a coroutine to its end; each value that it passes to its driver comes back to it."""
    passed, value = [], None
    iterator = awaitable.__await__()
    try:
        while True:
            value = iterator.send(value)
            passed.append(value)
    except StopIteration as stop:
        return passed, stop.value


def returning(a, b=2, *rest, key=None, **more):
    return a, b, rest, key, more


def raising(*_args, **_more):
    raise Failure("oh")


def raising_from(*_args, **_more):
    try:
        raise KeyError(1)
    except KeyError as error:
        raise Failure("oh") from error


def raising_in_a_handler(*_args, **_more):
    try:
        raise KeyError(1)
    except KeyError:
        raise Failure("oh")  # noqa: B904


def exiting(*_args, **_more):
    raise SystemExit(3)


def stopping(*_args, **_more):
    raise StopIteration(5)


FUNCTIONS = [returning, raising, raising_from, raising_in_a_handler, exiting, stopping]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_function_returns_and_raises_the_same(function, recording):
    def call(function):
        return outcome(lambda: function(1, key=3, other=4))

    assert call(observe(function)) == call(function)
    assert outcome(observe(function)) == outcome(function)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_coroutine_returns_and_raises_the_same(function, recording):
    async def plain(*args, **kwargs):
        assert await switch("out") == "out"
        return function(*args, **kwargs)

    def call(coroutine_function):
        return outcome(lambda: drive(coroutine_function(1, key=3, other=4)))

    assert call(observe(plain)) == call(plain)


def test_a_coroutine_that_is_thrown_at_or_closed_does_the_same(recording):
    async def plain():
        try:
            await switch()
        except KeyError:
            return await switch("handled")
        finally:
            seen.append(type(sys.exc_info()[1]))

    def throw(function, *errors):
        coroutine = function()
        return [outcome(coroutine.send, None)] + [outcome(coroutine.throw, e) for e in errors]

    results = []
    for function in (plain, observe(plain)):
        seen = []
        results.append(
            (
                throw(function, KeyError(1), Failure("2")),
                throw(function, GeneratorExit()),
                throw(function, Failure("1"), Failure("2")),
                outcome(function().throw, Failure("at once")),
                outcome(function().close),
                seen,
            )
        )
    assert results[0] == results[1]


def test_the_very_error_object_comes_out_with_the_frames_of_the_program(recording):
    error = Failure("this")

    def inner():
        raise error

    def frames(function):
        try:
            function()
        except Failure as caught:
            names = [frame.name for frame in traceback.extract_tb(caught.__traceback__)]
            caught.__traceback__ = None
            return caught is error, [name for name in names if name != "call"]
        return None

    def outer():
        inner()

    assert frames(observe(outer)) == frames(outer) == (True, ["frames", "outer", "inner"])


# Generators of all tempers, and all that can be done to one.


def plain_generator(*_):
    log = ["sent", (yield 1)]
    log.append((yield 2))
    return log


def handling(*_):
    while True:
        try:
            yield "waiting"
        except Failure as error:  # noqa: PERF203  # that is what it is for
            yield "handled", str(error), type(error.__context__).__name__


def raising_generator(*_):
    yield 1
    try:
        raise KeyError(1)
    except KeyError:
        raise Failure("oh") from None


def not_leaving(*_):
    try:
        yield 1
    except GeneratorExit:
        yield "not yet"


def leaving_with_a_value(*_):
    try:
        yield 1
    except GeneratorExit:
        return "the end"


def failing_to_leave(*_):
    try:
        yield 1
    finally:
        raise Failure("finally")


def stopping_generator(*_):
    yield 1
    raise StopIteration(2)  # noqa: PLR1708  # that is what it is for


def in_a_handler(*_):
    try:
        raise KeyError(1)
    except KeyError:
        yield sys.exc_info()[0].__name__
    yield sys.exc_info()[0]


def delegating(*_):
    return (yield from plain_generator())


def empty(*_):
    return 7
    yield


GENERATORS = [
    plain_generator,
    handling,
    raising_generator,
    not_leaving,
    leaving_with_a_value,
    failing_to_leave,
    stopping_generator,
    in_a_handler,
    delegating,
    empty,
]

ACTIONS = {
    "next": lambda g: next(g),  # noqa: PLW0108  # the partial of a builtin has no name
    "send": lambda g: g.send("sent"),
    "throw": lambda g: g.throw(Failure("thrown")),
    "throw StopIteration": lambda g: g.throw(StopIteration("thrown")),
    "throw GeneratorExit": lambda g: g.throw(GeneratorExit("thrown")),
    "close": lambda g: g.close(),
}

SEQUENCES = [
    ["next"] * 5,
    ["send", "next"],
    ["next", "send", "send", "send"],
    ["throw", "next"],
    ["close", "next"],
    ["next", "close", "next", "close", "throw"],
    ["next", "next", "close"],
    ["next", "throw", "next", "throw", "next"],
    ["next", "throw StopIteration", "next"],
    ["next", "throw GeneratorExit", "next", "close"],
    ["throw GeneratorExit", "next"],
]


@pytest.mark.parametrize("actions", SEQUENCES, ids=", ".join)
@pytest.mark.parametrize("function", GENERATORS, ids=lambda f: f.__name__)
def test_a_generator_does_the_same_whatever_is_done_to_it(function, actions, recording):
    def run(function):
        generator = function(1)
        return [outcome(ACTIONS[action], generator) for action in [*actions, "close", "close"]]

    assert run(observe(function)) == run(function)


def test_a_generator_handles_what_its_consumer_is_handling(recording):
    def plain():
        yield sys.exc_info()[0]
        raise Failure

    def context(function):
        generator = function()
        try:
            raise OSError
        except OSError:
            first = next(generator)
            return first, outcome(next, generator)

    assert context(observe(plain)) == context(plain)
    assert context(plain)[0] is OSError


async def counting(*_):
    got = yield 1
    await switch(got)
    got = yield 2, got
    yield 3, got


async def async_handling(*_):
    while True:
        try:
            yield "waiting"
        except Failure as error:  # noqa: PERF203
            await switch("handling")
            yield "handled", str(error), type(error.__context__).__name__


async def async_raising(*_):
    yield 1
    raise Failure("oh")


async def async_not_leaving(*_):
    try:
        yield 1
    except GeneratorExit:
        yield "not yet"


async def async_leaving_early(*_):
    try:
        yield 1
    except GeneratorExit:
        await switch("leaving")


async def async_failing_to_leave(*_):
    try:
        yield 1
    finally:
        await switch("finally")
        raise Failure("finally")


async def async_stopping(*_):
    yield 1
    raise StopAsyncIteration(2)


async def async_empty(*_):
    return
    yield


ASYNC_GENERATORS = [
    counting,
    async_handling,
    async_raising,
    async_not_leaving,
    async_leaving_early,
    async_failing_to_leave,
    async_stopping,
    async_empty,
]

ASYNC_ACTIONS = {
    "next": lambda g: g.__anext__(),
    "send": lambda g: g.asend("sent"),
    "throw": lambda g: g.athrow(Failure("thrown")),
    "throw StopIteration": lambda g: g.athrow(StopAsyncIteration("thrown")),
    "throw GeneratorExit": lambda g: g.athrow(GeneratorExit("thrown")),
    "close": lambda g: g.aclose(),
}


@pytest.mark.parametrize("actions", SEQUENCES, ids=", ".join)
@pytest.mark.parametrize("function", ASYNC_GENERATORS, ids=lambda f: f.__name__)
def test_an_async_generator_does_the_same_whatever_is_done_to_it(function, actions, recording):
    def run(function):
        generator = function(1)
        todo = [ASYNC_ACTIONS[action] for action in [*actions, "close", "close"]]
        return [outcome(lambda act: drive(act(generator)), act) for act in todo]

    assert run(observe(function)) == run(function)


def test_an_old_coroutine_is_still_one(recording):
    @types.coroutine
    def plain(value):
        got = yield value
        try:
            yield got
        except Failure as error:
            return str(error)

    async def use(function):
        return await function(5)

    def run(function):
        coroutine = use(function)
        return [
            outcome(coroutine.send, None),
            outcome(coroutine.send, 6),
            outcome(coroutine.throw, Failure("thrown")),
        ]

    assert run(observe(plain)) == run(plain)
    assert inspect.isawaitable(observe(plain)(1))
    if recording:
        assert stacks(recording) == {function_frame(plain).name: 1}


# -------------------------------------------------------------------------- all kinds of callables


class Methods:
    """Each kind of method, decorated in both orders."""

    def __init__(self, value):
        self.value = value

    @observe
    def plain(self):
        return self.value

    @observe
    async def coroutine(self):
        return self.value

    @observe
    def generator(self):
        yield self.value

    @observe
    async def async_generator(self):
        yield self.value

    @classmethod
    @observe
    def class_inner(cls):
        return cls

    @observe
    @classmethod
    def class_outer(cls):
        return cls

    @staticmethod
    @observe
    def static_inner(value):
        return value

    @observe
    @staticmethod
    def static_outer(value):
        return value

    @property
    @observe
    def property_inner(self):
        """Inner."""
        return self.value

    @observe
    @property
    def property_outer(self):
        """Outer."""
        return self.value

    @observe
    @property
    def settable(self):
        """Settable."""
        return self.value

    @observe
    @settable.setter
    def settable(self, value):
        self.value = value

    @settable.deleter
    def settable(self):
        self.value = None

    @observe
    def __call__(self):
        return "called"


class Child(Methods):
    pass


def test_methods_of_every_kind_in_both_orders(recording):
    one = Child(5)
    assert one.plain() == Methods.plain(one) == 5
    assert drive(one.coroutine()) == ([], 5)
    assert list(one.generator()) == [5]
    assert outcome(drive, one.async_generator().__anext__()) == ("returned", ([], 5))
    assert one.class_inner() is Child.class_inner() is Child
    assert one.class_outer() is Child.class_outer() is Child
    assert one.static_inner(6) == Child.static_inner(6) == 6
    assert one.static_outer(6) == Child.static_outer(6) == 6
    assert (one.property_inner, one.property_outer) == (5, 5)
    assert Child.property_inner.__doc__ == "Inner."
    assert Child.property_outer.__doc__ == "Outer."
    assert Child.settable.__doc__ == "Settable."
    one.settable = 8
    assert (one.settable, one.value) == (8, 8)
    del one.settable
    assert one.value is None
    assert one() == "called"
    if recording:
        names = {"__call__"} | {name for name in vars(Methods) if not name.startswith("__")}
        assert set(stacks(recording)) == {f"Methods.{name}" for name in names}


def test_a_property_of_another_class_and_with_its_own_text_stays_so(recording):
    class Special(property):
        pass

    def real(number):
        """Said of it."""
        return number.real

    special = observe(Special(real))
    assert type(special) is Special
    assert special.__doc__ == "Said of it."
    assert special.fget(5) == 5
    assert observe(property(real, doc="Said.")).__doc__ == "Said."
    assert (special.fset, special.fdel) == (None, None)
    assert type(observe(Special(None, setattr))) is Special


def test_partials_objects_builtins_and_lambdas(recording):
    class Callable:
        def __call__(self, value):
            return value

    class AsyncCallable:
        async def __call__(self, value):
            return value

    class Slotted:
        __slots__ = ()

        def __call__(self, value):
            return value

    def add(a, b):
        return a + b

    async def async_add(a, b):
        return a + b

    def generate(a, b):
        yield a + b

    assert observe(functools.partial(add, 1))(2) == 3
    assert drive(observe(functools.partial(functools.partial(async_add, 1), b=2))()) == ([], 3)
    assert list(observe(functools.partial(generate, 1))(2)) == [3]
    assert observe(Callable())(4) == 4
    assert drive(observe(AsyncCallable())(4)) == ([], 4)
    assert observe(Slotted())(4) == 4
    assert observe(len)([1, 2]) == 2
    assert observe(str.upper)("a") == "A"
    assert observe([1, 1].count)(1) == 2
    assert observe(lambda value: value)(5) == 5
    assert observe(functools.lru_cache(add))(1, 2) == 3
    assert observe(Callable().__call__)(6) == 6
    if recording:
        here = "test_partials_objects_builtins_and_lambdas.<locals>"
        assert stacks(recording) == {
            f"{here}.add": 2,
            f"{here}.async_add": 1,
            f"{here}.generate": 1,
            f"{here}.Callable.__call__": 2,
            f"{here}.AsyncCallable.__call__": 1,
            f"{here}.Slotted.__call__": 1,
            "len": 1,
            "str.upper": 1,
            "list.count": 1,
            f"{here}.<lambda>": 1,
        }


if sys.version_info >= (3, 12):

    def test_what_is_marked_as_a_coroutine_function_is_awaited_in_its_span(loop):
        async def work():
            loop.tick(5)

        class Marked:
            def __call__(self):
                return work()

        targets = {"object": Marked(), "function": lambda: work()}  # noqa: PLW0108
        for name, target in targets.items():
            observed = observe(inspect.markcoroutinefunction(target), name=name)
            assert inspect.iscoroutinefunction(observed)
            drive(observed())
            assert times(loop, name) == Times(busy=5, entries=1)


KINDS = [
    inspect.isfunction,
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    asyncio.iscoroutinefunction if sys.version_info < (3, 14) else inspect.iscoroutinefunction,
]


async def documented_coroutine(a: int, *b: str, c: bool = True, **d: object) -> None:
    """Said of a coroutine."""


async def documented_async_generator(a: int = 5):
    """Said of an async generator."""
    yield a


def documented_generator(a: int = 5):
    """Said of a generator."""
    yield a


def documented(a: int, b: str = "x", /, *, c: bytes) -> dict[str, int]:
    """Said of a function."""
    return {b: a, str(c): 1}


@pytest.mark.parametrize(
    "function",
    [documented, documented_generator, documented_coroutine, documented_async_generator],
    ids=lambda f: f.__name__,
)
def test_signature_text_and_kind_are_kept(function):
    observed = observe(name="other")(function)
    assert observed is not function
    assert [kind(observed) for kind in KINDS] == [kind(function) for kind in KINDS]
    assert inspect.signature(observed) == inspect.signature(function)
    assert observed.__wrapped__ is function
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__", "__annotations__"):
        assert getattr(observed, attribute) == getattr(function, attribute)


def test_attributes_of_a_function_are_kept():
    class Abstract(abc.ABC):
        @observe
        @abc.abstractmethod
        def method(self): ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_coroutines_and_generators_have_the_names_of_the_function():
    coroutine = observe(documented_coroutine)(1)
    assert (coroutine.__name__, coroutine.__qualname__) == ("documented_coroutine",) * 2
    coroutine.close()
    assert observe(documented_generator)().__qualname__ == "documented_generator"
    assert observe(documented_async_generator)().__qualname__ == "documented_async_generator"


def test_wrong_arguments_are_the_same_error_at_the_first_step_at_the_latest(recording):
    message = "() missing 1 required keyword-only argument: 'c'"
    with pytest.raises(TypeError) as caught:
        observe(documented)(1)
    assert str(caught.value).endswith(message)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        drive(observe(documented_coroutine)())
    with pytest.raises(TypeError, match="unexpected keyword argument 'z'"):
        next(observe(documented_generator)(z=1))


@pytest.mark.parametrize("target", [5, "name", [], object, type("C", (), {}), None, NotImplemented])
def test_what_can_be_neither_called_nor_awaited_is_refused_with_the_remedy(target):
    with pytest.raises(TypeError) as caught:
        observe(target)
    assert str(caught.value) == (
        f"observe takes a function, a method or an awaitable, not {target!r};"
        " a name is given as observe(name=...)"
    )


@pytest.mark.parametrize("name", [5, b"x", object(), ["x"]])
def test_a_name_that_is_no_text_is_refused(name):
    with pytest.raises(TypeError) as caught:
        observe(name=name)
    assert str(caught.value) == f"the name of a span is a str, not {name!r}"


def test_a_cached_property_is_refused_outside_and_observed_inside(recording):
    with pytest.raises(TypeError, match="observe takes a function"):
        observe(functools.cached_property(len))

    class Cached:
        @functools.cached_property
        @observe
        def value(self):
            return 5

    assert Cached().value == 5


# --------------------------------------------------------------- what an observed function is like


@observe
def at_the_top(number: int, text: "str" = "x", *, flag: bool = True) -> float:  # noqa: UP037
    """Say what it does.

    >>> at_the_top(1)
    (1, 'x', True)
    """
    return number, text, flag


def test_an_observed_function_is_a_function_to_whoever_asks():
    assert isinstance(at_the_top, types.FunctionType)
    assert inspect.isfunction(at_the_top)
    assert inspect.isroutine(at_the_top)
    assert not inspect.ismethod(at_the_top)
    assert repr(at_the_top).startswith("<function at_the_top at 0x")
    assert typing.get_type_hints(at_the_top)["text"] is str
    assert weakref.ref(at_the_top)() is at_the_top
    assert {at_the_top: 5}[at_the_top] == 5


def test_an_observed_function_is_pickled_and_copied_by_its_name():
    assert pickle.loads(pickle.dumps(at_the_top)) is at_the_top
    assert copy.copy(at_the_top) is at_the_top
    assert copy.deepcopy([at_the_top]) == [at_the_top]
    assert pickle.loads(pickle.dumps(Methods(5).plain))() == 5

    @observe
    def local():
        pass

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(local)


def test_the_examples_of_an_observed_function_are_tried():
    found = doctest.DocTestFinder().find(sys.modules[__name__])
    assert [test.examples[0].want for test in found if test.name.endswith(".at_the_top")] == [
        "(1, 'x', True)\n"
    ]


def test_a_mock_of_an_observed_function_takes_the_same_arguments():
    mocked = mock.create_autospec(at_the_top)
    mocked(1, flag=False)
    with pytest.raises(TypeError, match="number"):
        mocked()
    drive(mock.create_autospec(switching)(1))


def test_a_wrapper_around_an_observed_function_looks_like_it():
    @functools.wraps(at_the_top)
    def wrapper(*args, **kwargs):
        return at_the_top(*args, **kwargs)

    assert wrapper.__name__ == "at_the_top"
    assert vars(wrapper) == {"__wrapped__": at_the_top}
    assert inspect.signature(wrapper) == inspect.signature(at_the_top)
    assert function_frame(wrapper) == function_frame(at_the_top)


def test_attributes_that_are_set_are_those_of_the_observed_function_alone():
    def plain(number: int):
        """Said of it."""

    observed = observe(plain)
    observed.mine = 5
    observed.__name__, observed.__qualname__, observed.__module__ = "name", "qualified", "module"
    observed.__doc__ = None
    observed.__annotations__ = {"number": str}
    assert (observed.__name__, observed.__qualname__) == ("name", "qualified")
    assert (observed.__module__, observed.__doc__) == ("module", None)
    assert observed.__annotations__ == {"number": str}
    assert vars(observed) == {"__wrapped__": plain, "mine": 5}
    assert (plain.__name__, plain.__doc__, plain.__module__) == ("plain", "Said of it.", __name__)
    assert plain.__annotations__ != observed.__annotations__
    assert not hasattr(plain, "mine")
    del observed.mine
    assert not hasattr(observed, "mine")
    for attribute in ("__name__", "__qualname__"):
        with pytest.raises(TypeError, match=attribute):
            setattr(observed, attribute, 5)


def test_annotations_of_an_observed_function_are_made_when_they_are_asked_for():
    namespace = {"observe": observe}
    source = "@observe\ndef f(x: Later) -> Later: pass"
    exec(compile(source, "later.py", "exec", dont_inherit=True), namespace | {"Later": 0})  # noqa: S102
    if sys.version_info >= (3, 14):
        exec(compile(source, "later.py", "exec", dont_inherit=True), namespace)  # noqa: S102
        namespace["Later"] = int
        assert namespace["f"].__annotations__ == {"x": int, "return": int}
        namespace["f"].__annotate__ = lambda _: {"x": 5}
        assert namespace["f"].__annotations__ == {"x": 5}


def test_special_methods_are_observed_as_python_would_call_them(recording):
    class Base:
        @observe
        def __new__(cls, *args):
            return super().__new__(cls)

        @observe
        def __init__(self, *args):
            self.args = args

        @observe
        def __init_subclass__(cls, **named):
            cls.named = named

        @observe
        def __class_getitem__(cls, item):
            return cls, item

        @observe
        def __getitem__(self, item):
            return item

        @observe
        def __getattr__(self, name):
            return name

        @observe
        def __len__(self):
            return 5

    class Derived(Base, extra=1):
        pass

    one = Derived(1, 2)
    assert (one.args, Derived.named, Derived[7]) == ((1, 2), {"extra": 1}, (Derived, 7))
    assert (one[8], one.other, len(one), Base.__len__(one)) == (8, "other", 5, 5)
    assert inspect.ismethod(one.__len__)
    assert one.__len__.__func__ is vars(Base)["__len__"]


def test_an_observed_function_can_be_observed_again(recording):
    twice = observe(name="outer")(observe(name="inner")(returning))
    assert twice(1) == returning(1)
    if recording:
        assert stacks(recording) == {"outer": 1, "outer;inner": 1}


# ---------------------------------------------------------------- what observed coroutines are like


@observe
async def switching(value=None):
    return await switch(value)


def test_an_observed_coroutine_is_a_coroutine_to_whoever_asks():
    coroutine = switching()
    assert inspect.iscoroutine(coroutine)
    assert inspect.isawaitable(coroutine)
    assert isinstance(coroutine, Coroutine)
    assert not isinstance(coroutine, Iterable)
    assert repr(coroutine).startswith("<coroutine object switching at 0x")
    with pytest.raises(TypeError):
        iter(coroutine)
    coroutine.close()


def test_the_state_of_an_observed_coroutine_is_known(recording):
    coroutine = switching(5)
    states = [inspect.getcoroutinestate(coroutine)]
    assert coroutine.send(None) == 5
    states.append(inspect.getcoroutinestate(coroutine))
    assert outcome(coroutine.send, 6) == ("StopIteration", "6", "NoneType", "NoneType")
    states.append(inspect.getcoroutinestate(coroutine))
    assert states == [inspect.CORO_CREATED, inspect.CORO_SUSPENDED, inspect.CORO_CLOSED]


@pytest.mark.parametrize("observing", [observe, lambda function: function], ids=["", "unobserved"])
def test_what_cannot_be_done_to_a_coroutine_is_refused_as_ever(observing, recording):
    function = observing(switching.__wrapped__)

    async def use(coroutine):
        return await coroutine

    coroutine = function()
    assert outcome(coroutine.send, 5)[:2] == (
        "TypeError",
        "can't send non-None value to a just-started coroutine",
    )
    coroutine.send(None)
    assert outcome(drive, use(coroutine))[1] == "coroutine is being awaited already"
    coroutine.close()
    assert outcome(drive, use(coroutine))[1] == "cannot reuse already awaited coroutine"


def test_a_coroutine_that_awaits_itself_is_refused(recording):
    @observe
    async def itself():
        found.append(outcome(coroutine.send, None)[:2])

    found = []
    coroutine = itself()
    drive(coroutine)
    assert found == [("ValueError", "coroutine already executing")]
    if recording:
        assert recording.tasks[0].innermost is None


@pytest.mark.parametrize("value", [None, 5, (1, 2), (), KeyError("x"), StopIteration(1)], ids=repr)
def test_any_value_is_the_result_of_an_observed_coroutine(value, recording):
    @observe
    async def giving():
        return value

    class Around:
        def __await__(self):
            return (yield from giving().__await__())

    async def use():
        return [await giving(), await Around()]

    assert drive(use()) == ([], [value, value])
    assert drive(giving())[1] is value


def test_an_observed_coroutine_that_nobody_awaits_is_warned_of_once(recwarn):
    warnings.simplefilter("always")
    switching()
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == [
        "coroutine 'switching' was never awaited"
    ]


def test_an_observed_coroutine_that_was_closed_or_thrown_at_is_not_warned_of(recwarn, loop):
    warnings.simplefilter("always")
    switching().close()
    assert outcome(switching().throw, Failure("oh"))[:2] == ("Failure", "oh")
    gc.collect()
    assert not recwarn.list
    assert stacks(loop) == {}


def test_an_observed_coroutine_that_is_dropped_half_way_ends_in_its_span(loop):
    @observe(name="dropped")
    async def dropped():
        try:
            await switch()
        finally:
            loop.tick(5)

    coroutine = dropped()
    coroutine.send(None)
    del coroutine
    gc.collect()
    loop.tick(100)
    assert times(loop, "dropped") == Times(busy=5, entries=1)
    assert loop.tasks[0].innermost is None


def test_an_observed_generator_that_is_dropped_half_way_ends_in_its_span(loop):
    @observe(name="dropped")
    def dropped():
        try:
            yield
        finally:
            loop.tick(5)

    generator = dropped()
    next(generator)
    loop.tick(10)
    del generator
    gc.collect()
    loop.tick(100)
    assert times(loop, "dropped") == Times(busy=5, entries=1)


def test_an_observed_generator_is_a_generator_to_whoever_asks():
    generator = observe(plain_generator)()
    assert inspect.isgenerator(generator)
    assert isinstance(generator, Generator)
    assert iter(generator) is generator
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CREATED
    assert next(generator) == 1
    assert inspect.getgeneratorstate(generator) == inspect.GEN_SUSPENDED
    generator.close()
    assert inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED


def test_backends_find_the_frames_of_an_observed_coroutine():
    def names(frames):
        return [frame.f_code.co_name for frame in frames if frame.f_code.co_name != "call"]

    async def on_asyncio():
        task = asyncio.ensure_future(switching())
        await asyncio.sleep(0)
        found.append(names([task.get_stack()[0], task.get_coro().cr_frame])[-1:])
        task.cancel()

    async def on_trio():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(observe(trio.sleep), 1000)
            await trio.testing.wait_all_tasks_blocked()
            (task,) = nursery.child_tasks
            found.append(task.name)
            if hasattr(task, "iter_await_frames"):  # from trio 0.23 on
                found.append(names(frame for frame, _ in task.iter_await_frames())[0])
            nursery.cancel_scope.cancel()

    found = []
    asyncio.run(on_asyncio())
    trio.run(on_trio)
    assert found[0] in (["switching"], [])  # the frame of a wrapper, if it is one in Python
    assert found[1:] in (["trio.sleep", "sleep"], ["trio.sleep"])


# ------------------------------------------------------------------------------------ awaitables


def test_an_awaitable_gives_its_result_or_its_error(recording):
    async def giving(value):
        return await switch(value)

    async def failing():
        raise Failure("oh")

    class Awaitable:
        def __await__(self):
            return (yield "own")

    assert drive(observe(giving(5))) == ([5], 5)
    assert drive(observe(giving(5), name="five")) == ([5], 5)
    assert drive(observe(switch(6), name="six")) == ([6], 6)
    assert drive(observe(Awaitable())) == (["own"], "own")
    with pytest.raises(Failure, match="oh"):
        drive(observe(failing()))
    if recording:
        here = "test_an_awaitable_gives_its_result_or_its_error.<locals>"
        assert stacks(recording) == {
            f"{here}.giving": 1,
            "five": 1,
            "six": 1,
            f"{here}.Awaitable": 1,
            f"{here}.failing": 1,
        }


def test_an_awaitable_is_charged_while_it_is_awaited_and_not_before(loop):
    async def work():
        loop.tick(5)

    observed = observe(work(), name="awaited")
    loop.tick(100)
    drive(observed)
    assert times(loop, "awaited") == Times(busy=5, entries=1)


def test_the_place_of_an_awaitable_is_where_it_is_observed(loop):
    async def work():
        pass

    drive(observe(work(), name="here"))
    code = test_the_place_of_an_awaitable_is_where_it_is_observed.__code__
    frame = next(path[-1] for path in loop.profile.stacks if path[-1].name == "here")
    assert frame.line - code.co_firstlineno == 4


# ------------------------------------------------------------------------------ what is recorded


def test_while_nothing_is_recorded_nothing_is_kept():
    @observe
    def observed():
        with span("inner") as nothing:
            return nothing

    assert observed() is None
    one = span("inner")
    assert one is span("inner")
    assert one.__enter__() is None
    assert not one._opened
    assert not one.__exit__(None, None, None)
    assert not recorded_loops


@pytest.mark.parametrize("name", ["global", ""])
def test_a_dormant_span_raises_and_swallows_nothing(name):
    with pytest.raises(Failure), span(name):
        raise Failure


def test_an_exit_stack_enters_and_leaves_spans(recording):
    async def in_async():
        async with contextlib.AsyncExitStack() as stack:
            return stack.enter_context(span("b"))

    with contextlib.ExitStack() as stack:
        assert stack.enter_context(span("a")) is None
        assert drive(in_async()) == ([], None)
    if recording:
        assert stacks(recording) == {"a": 1, "a;b": 1}


early = span("early")


def test_a_span_that_was_made_before_the_recording_works_and_is_where_it_is_entered(loop):
    with early:
        loop.tick(5)
    with early:
        loop.tick(5)
    assert sum(found.busy for found in early_ones(loop).values()) == 10
    first = test_a_span_that_was_made_before_the_recording_works_and_is_where_it_is_entered
    lines = [path[-1].line - first.__code__.co_firstlineno for path in early_ones(loop)]
    assert lines == [1, 3]


def early_ones(loop):
    stacks = loop.profile.stacks.items()
    return {path: found for path, found in stacks if path[-1].name == "early"}


def test_a_span_that_was_open_when_the_recording_ended_is_fresh_in_the_next():
    for _ in range(2):
        loop = ScriptedLoop()
        loop.begin_step(loop.spawn("task"))
        early.__enter__()
        loop.tick(5)
        assert [found.busy for found in early_ones(loop).values()] == [5]
        loop.finish()
        early.__exit__(None, None, None)
        assert not early._opened


def test_a_function_is_charged_for_its_own_time_only(loop):
    @observe(name="outer")
    def outer():
        loop.tick(1)
        inner()
        loop.tick(2)

    @observe(name="inner")
    def inner():
        loop.tick(10)

    outer()
    loop.tick(100)
    assert times(loop, "outer") == Times(busy=3, entries=1)
    assert times(loop, "outer", "inner") == Times(busy=10, entries=1)


def test_a_function_that_raises_is_closed(loop):
    with pytest.raises(Failure):
        observe(raising)()
    loop.tick(5)
    assert times(loop) == Times(busy=5, entries=1)


def test_a_generator_is_current_only_while_it_runs_and_entered_once(loop):
    @observe(name="numbers")
    def generate():
        try:
            loop.tick(1)
            yield
            loop.tick(2)
            yield
        finally:
            loop.tick(4)

    for _ in generate():
        loop.tick(100)
    generator = generate()
    next(generator)
    generator.close()
    assert times(loop, "numbers") == Times(busy=12, entries=2)
    assert times(loop).busy == 200


def test_an_async_generator_is_current_also_while_it_waits(loop):
    @observe(name="numbers")
    async def generate():
        loop.tick(1)
        await switch()
        loop.tick(2)
        yield
        loop.tick(4)

    async def use():
        async for _ in generate():
            loop.tick(100)

    use_it = use()
    use_it.send(None)
    loop.end_step()
    loop.tick(1000)
    loop.begin_step(0)
    with pytest.raises(StopIteration):
        use_it.send(None)
    assert times(loop, "numbers") == Times(busy=7, idle=1000, steps=1, entries=1)


def test_generators_that_are_finished_in_any_order_leave_nothing_open(loop):
    @observe
    def generate():
        yield

    one, other = generate(), generate()
    next(one)
    next(other)
    one.close()
    other.close()
    del one, other
    assert loop.tasks[0].innermost is None


def test_the_place_of_a_span_is_its_line_and_two_lines_are_two_places(loop):
    with span("s"):
        pass
    with span("s"):
        pass
    first = test_the_place_of_a_span_is_its_line_and_two_lines_are_two_places.__code__
    frames = [path[-1] for path in loop.profile.stacks if path[-1].name == "s"]
    assert [frame.line - first.co_firstlineno for frame in frames] == [1, 3]


def test_the_place_of_a_function_is_that_of_the_function_itself():
    def plain():
        pass

    @functools.wraps(plain)
    def wrapper():
        pass

    line = plain.__code__.co_firstlineno
    for function in (plain, wrapper, functools.partial(wrapper), observe(plain)):
        frame = function_frame(function)
        assert (frame.file, frame.line) == (__file__, line)
        assert frame.name.endswith(".plain")
    assert function_frame(len).location == "unknown"
    assert function_frame(plain, "<x at 0x7f>").name == "<x>"


def test_the_frame_of_an_observed_function_is_known_by_its_coroutine_until_that_ends():
    async def plain():
        await switch()

    coroutine, other = observe(plain)(), plain()
    assert observed_frame(coroutine) == function_frame(plain)
    assert observed_frame(other) is None
    assert observed_frame(iter(())) is None
    coroutine.send(None)
    coroutine.close()
    other.close()
    assert observed_frame(coroutine) is None


ODD = ["", ";", "a;b", "a\nb\r\n", "\0", "\ud800", " ", "7", "x" * 1_000_000, "<x at 0x7f00>"]


@pytest.mark.parametrize("name", ODD, ids=lambda name: repr(name[:20]))
def test_odd_names_are_kept_as_they_are_but_for_addresses(name, recording):
    @observe(name=name)
    def observed():
        with span(name):
            return 5

    assert observed() == 5
    if recording:
        kept = name.replace(" at 0x7f00", "")
        assert numbers(recording.profile)["all-spans", "task", kept, kept].entries == 1


# ------------------------------------------------------------------------------- spans, used oddly


def test_a_span_can_be_used_again_and_within_itself(loop):
    again = span("again")
    with again:
        loop.tick(1)
        with again:
            loop.tick(10)
            with again:
                loop.tick(100)
        loop.tick(1)
    with again:
        loop.tick(1000)
    assert times(loop, "again") == Times(busy=1002, entries=2)
    assert times(loop, "again", "again") == Times(busy=10, entries=1)
    assert times(loop, "again", "again", "again") == Times(busy=100, entries=1)
    assert loop.tasks[0].innermost is None


def test_leaving_more_often_than_entering_does_nothing(recording):
    one = span("one")
    with one, one:
        pass
    one.__exit__(None, None, None)
    one.__exit__(None, None, None)
    with one:
        pass
    if recording:
        assert stacks(recording) == {"one": 2, "one;one": 1}


def test_each_task_leaves_its_own_entry_of_a_span(loop):
    shared = span("shared")
    other = loop.spawn("other")
    shared.__enter__()
    loop.end_step()
    loop.begin_step(other)
    shared.__enter__()
    loop.end_step()
    loop.begin_step(0)
    shared.__exit__(None, None, None)
    assert loop.tasks[0].innermost is None
    assert loop.tasks[other].innermost is not None
    loop.end_step()
    loop.begin_step(other)
    shared.__exit__(None, None, None)
    assert loop.tasks[other].innermost is None


def test_a_span_can_be_left_in_another_task(loop):
    lent = span("lent")
    lent.__enter__()
    loop.tick(1)
    loop.end_step()
    other = loop.spawn("other")
    loop.begin_step(other)
    loop.tick(10)
    lent.__exit__(None, None, None)
    loop.tick(100)
    loop.end_step()
    assert times(loop, "lent") == Times(busy=1, idle=10, steps=1, entries=1)
    assert times(loop) == Times(idle=100, entries=1)


def test_a_span_that_another_thread_leaves_is_left_at_the_tasks_next_event(loop):
    lent = span("lent")
    lent.__enter__()
    loop.tick(1)
    loop.end_step()
    in_thread(lent.__exit__, None, None, None)
    loop.tick(10)
    loop.begin_step(0)
    with span("next"):
        loop.tick(100)
    assert times(loop, "lent") == Times(busy=1, idle=10, steps=1, entries=1)
    assert times(loop, "next") == Times(busy=100, entries=1)


def in_thread(function, *args):
    """Call a function in another thread, and return what it returned."""
    found = []
    thread = threading.Thread(target=lambda: found.append(outcome(function, *args)), name="other")
    thread.start()
    thread.join()
    assert found[0][0] == "returned", found[0]
    return found[0][1]


def test_a_span_around_a_yield_is_open_while_the_consumer_runs(loop):
    @contextlib.contextmanager
    def manager():
        with span("manager"):
            yield

    with manager():
        loop.tick(5)
    assert times(loop, "manager") == Times(busy=5, entries=1)


def test_a_span_shows_what_it_is(loop):
    assert repr(span("dormant or not")).startswith("<span dormant or not (")
    assert repr(Span(function_frame(len))) == "<span len (unknown)>"


def test_context_variables_pass_through(recording):
    var = ContextVar("var", default=0)

    @observe
    def change():
        var.set(5)

    @observe
    async def change_more():
        var.set(var.get() + 1)

    change()
    drive(change_more())
    assert var.get() == 6


def test_a_thread_that_enters_a_span_in_the_midst_of_another_entry_loses_none(loop):
    shared, clock = span("shared"), loop.loop.clock

    def slow_clock():
        loop.loop.clock = clock
        in_thread(shared.__enter__)
        return clock()

    def opened():
        accounts = [loop.tasks[0], *loop.recorder.open_threads()]
        return [account.base.frame.name for account in accounts if account.innermost]

    loop.loop.clock = slow_clock
    shared.__enter__()
    assert opened() == ["task", "other"]
    shared.__exit__(None, None, None)
    assert opened() == ["other"]
    shared.__exit__(None, None, None)
    assert opened() == []
    shared.__exit__(None, None, None)
    assert not shared._opened


def test_threads_that_share_one_span_lose_no_entry_of_it(loop):
    shared, rounds = span("shared"), 300
    start = threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(rounds):
            with shared:
                pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, name="worker") for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not shared._opened
    assert getattr(shared._opened, "first", None) is None
    found = numbers(loop.profile)
    assert found["all-spans", "worker", "shared"].entries == 4 * rounds
    assert len(found) == 2


# --------------------------------------------------------------------------- nothing is kept alive


class Thing:
    pass


def test_arguments_items_results_and_errors_live_no_longer_than_without_us(recording):
    alive = weakref.WeakSet()

    def thing():
        made = Thing()
        alive.add(made)
        return made

    def plain(argument):
        del argument
        sent = yield thing()
        del sent
        yield len(alive)
        with contextlib.suppress(Failure):
            yield
        yield len(alive)

    def run(function):
        generator = function(thing())
        counts = [len(alive)]
        next(generator)
        counts.append(len(alive))
        counts.append(generator.send(thing()))
        next(generator)
        error = Failure()
        error.thing = thing()
        counts.append(generator.throw(error))
        del error
        counts.append(len(alive))
        generator.close()
        return counts

    gc.disable()
    try:
        unobserved = run(plain)
        gc.collect()
        assert run(observe(plain)) == unobserved
    finally:
        gc.enable()


def test_a_suspended_generator_keeps_nothing_of_an_ended_recording():
    @observe
    def generate():
        yield

    loop = ScriptedLoop()
    loop.begin_step(loop.spawn("task"))
    generator = generate()
    next(generator)
    loop.finish()
    ref = weakref.ref(loop.tasks[0])
    del loop
    gc.collect()
    assert ref() is None
    generator.close()


def test_observed_functions_and_their_results_can_be_collected(recording):
    def make():
        result = Thing()

        @observe
        def observed():
            return result

        assert observed() is result
        return weakref.ref(observed), weakref.ref(result)

    refs = make()
    gc.collect()
    assert [ref() for ref in refs] == [None, None]


def test_names_and_places_that_are_made_up_without_end_are_forgotten(recording):
    for number in range(3 * spans._MOST_NAMES):
        with span(f"name {number}"):
            pass
    assert len(spans._dormant) <= spans._MOST_NAMES
    assert len(spans._call_sites) <= spans._MOST_NAMES


def test_a_loop_of_spans_leaves_nothing_behind(loop):
    @observe(name="f")
    def function():
        pass

    def count():
        gc.collect()
        return len(gc.get_objects())

    def spin():
        for _ in range(10_000):
            function()
            with span("s"):
                pass

    spin()
    before = count()
    spin()
    assert count() - before < 50


# --------------------------------------------------------- async generators that nobody finishes


def left_over(function):
    """Leave a generator in the middle, end its loop, and return what the loop complains of."""
    complaints, kept = [], []

    async def main():
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context["message"])
        )
        kept.append(function())
        await kept[0].__anext__()

    in_thread(asyncio.run, main())
    return complaints


def test_asyncio_closes_a_left_over_async_generator_once(recording):
    log = []

    async def plain():
        try:
            yield
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    assert left_over(observe(plain)) == left_over(plain) == []
    assert log == ["closed", "closed"]


@pytest.mark.parametrize("cycle", [False, True], ids=["dropped", "in a cycle"])
def test_trio_closes_a_collected_async_generator_once(cycle, recwarn, caplog):
    log = []

    async def plain():
        try:
            yield
        finally:
            log.append("closing")
            with pytest.raises(trio.Cancelled):
                await trio.lowlevel.checkpoint()
            log.append("closed")

    async def main(function):
        generator = function()
        await generator.__anext__()
        if cycle:
            thing = Thing()
            thing.generator, thing.itself = generator, thing
            del thing
        del generator
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
        log.append("end")

    warnings.simplefilter("always")
    for function in (plain, observe(plain)):
        trio.run(main, function)
    assert log == ["closing", "closed", "end"] * 2
    assert [type(warning.message) for warning in recwarn] == [ResourceWarning] * 2
    assert str(recwarn[0].message) == str(recwarn[1].message)
    assert caplog.records == []


def test_hooks_for_async_generators_are_the_same_after_the_first_item(recording):
    firsts = []
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firsts.append, firsts.append)
    try:
        before = sys.get_asyncgen_hooks()
        generator = observe(counting)()
        drive(generator.__anext__())
        assert sys.get_asyncgen_hooks() == before
        assert firsts == [generator]
    finally:
        sys.set_asyncgen_hooks(*hooks)
    drive(generator.aclose())


@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator", "old coroutine"])
def test_the_globals_of_an_observed_function_are_its_own(kind):
    """FastAPI before 0.124 looks up there what annotations mean, if they are strings."""
    body = {
        "sync": "def f(x: Known) -> Known: return x",
        "async": "async def f(x: Known) -> Known: return x",
        "generator": "def f(x: Known) -> Known: yield x",
        "async generator": "async def f(x: Known) -> Known: yield x",
        "old coroutine": "@types.coroutine\ndef f(x: Known) -> Known: yield x",
    }[kind]
    namespace = {"types": types, "Known": int, "__name__": "elsewhere"}
    exec(compile(body, "elsewhere.py", "exec"), namespace)  # noqa: S102
    observed = observe(namespace["f"])
    assert observed.__globals__ is namespace
    assert observed.__module__ == "elsewhere"


def test_a_span_has_no_line_where_python_cannot_say_who_calls(monkeypatch, loop):
    monkeypatch.setattr(compat, "getframe", lambda _: None)
    with span("work"):
        loop.tick(1)
    assert (ROOT, Frame("task"), Frame("work")) in loop.profile.stacks
    assert times(loop, "work").busy == 1


# ------------------------------------------------------------------------------ a deep recursion


@observe
def deep(levels):
    return deep(levels - 1) + 1 if levels else 0


@observe
async def deep_coroutine(levels):
    return await deep_coroutine(levels - 1) + 1 if levels else await switch()


@observe
def deep_generator(levels):
    return (yield from deep_generator(levels - 1)) + 1 if levels else (yield)


def send_twice(made):
    made.send(None)
    with pytest.raises(StopIteration) as stop:
        made.send(0)
    return stop.value.value


def throw_and_catch(made):
    made.send(None)
    with pytest.raises(Failure):
        made.throw(Failure())


def send_and_close(made):
    made.send(None)
    made.close()


DEEP_CALLS = [
    lambda levels: deep(levels) == levels,
    lambda levels: send_twice(deep_coroutine(levels)) == levels,
    lambda levels: send_twice(deep_generator(levels)) == levels,
    lambda levels: throw_and_catch(deep_coroutine(levels)) is None,
    lambda levels: throw_and_catch(deep_generator(levels)) is None,
    lambda levels: send_and_close(deep_coroutine(levels)) is None,
    lambda levels: send_and_close(deep_generator(levels)) is None,
]


def in_small_stack(call):
    """Call something in a thread of little C stack, and return what it returns or raises."""
    results = []

    def run():
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    size = threading.stack_size(1 << 20)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(size)
    thread.join()
    return results[0]


@pytest.fixture
def deep_limit():
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    with mock.patch.dict(sys.modules):
        sys.modules.pop("greenlet", None)  # other tests may have imported it
        yield
    sys.setrecursionlimit(limit)


may_go_deep = pytest.mark.skipif(
    native is None or platform.libc_ver()[0] != "glibc" or "asan" in os.getenv("LD_PRELOAD", ""),
    reason="there is no C stack but the thread's",
)


@may_go_deep
@pytest.mark.parametrize("call", DEEP_CALLS)
def test_a_recursion_goes_deeper_than_the_c_stack_reaches(call, deep_limit, recording):
    assert in_small_stack(lambda: call(4000)) is True


@may_go_deep
def test_a_recursion_deeper_than_the_c_stack_is_an_error_beside_greenlets(deep_limit, recording):
    with mock.patch.dict(sys.modules, greenlet=types.ModuleType("greenlet")):
        assert isinstance(in_small_stack(lambda: deep(4000)), RecursionError)


@may_go_deep
@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there is no mask of signals")
def test_a_mask_of_signals_that_was_set_deep_stays(deep_limit):
    @observe
    def block(levels):
        if levels:
            return block(levels - 1)
        return signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

    def blocked():
        block(4000)
        return signal.pthread_sigmask(signal.SIG_BLOCK, ())

    assert in_small_stack(blocked) >= {signal.SIGUSR1}
