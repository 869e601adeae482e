"""The names of callbacks: found without asking any object of the program."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import operator
import sys
import time
import types
from asyncio import selector_events
from unittest import mock

import pytest

from tracetools.core.stacks import Frame
from tracetools.instruments.callback_names import callback_frame, is_known_by_code


class Callable:
    def __call__(self):
        pass

    def method(self):
        pass

    @classmethod
    def of_class(cls):
        pass

    @staticmethod
    def static():
        pass


class Slotted:
    __slots__ = ()

    def method(self):
        pass


class Raising:
    """Raises whatever it is asked."""

    def __getattr__(self, name):
        raise ZeroDivisionError

    def __repr__(self):
        raise ZeroDivisionError

    def method(self):
        pass


class RaisingProtocol(asyncio.Protocol):
    def __getattr__(self, name):
        raise ZeroDivisionError


class Steps:
    def __step(self):
        pass

    step = __step


class CallsPartial:
    __call__ = functools.partial(Callable().method)


class CallsSomethingElse:
    __call__ = 5


class WithInit:
    def __init__(self):
        pass


@functools.lru_cache
def cached():
    pass


@functools.wraps(time.sleep)
def wraps_sleep():
    pass


def nested(function, depth):
    for _ in range(depth):
        function = functools.partial(function)
        function.attribute = 1  # or it would be flattened
    return function


context = contextvars.copy_context()


NAMES = [
    (Callable(), "Callable.__call__"),
    (Callable().method, "Callable.method"),
    (Callable.of_class, "Callable.of_class"),
    (Callable.static, "Callable.static"),
    (functools.partial(functools.partial(Callable().method)), "Callable.method"),
    (nested(Callable().method, 10), "Callable.method"),
    (nested(Callable().method, 100), "partial"),
    (CallsPartial(), "Callable.method"),
    (CallsSomethingElse(), "int"),
    (Callable.method, "Callable.method"),
    (Slotted().method, "Slotted.method"),
    (Raising().method, "Raising.method"),
    (Raising(), "Raising"),
    (Steps().step, "Steps.__step"),
    (WithInit, "WithInit.__init__"),
    (types.MethodType(Callable(), 1), "Callable.__call__"),
    (staticmethod(Callable.method), "Callable.method"),
    (mock.Mock(), "CallableMixin.__call__"),
    (mock.MagicMock(), "CallableMixin.__call__"),
    (cached, "cached"),
    (wraps_sleep, "sleep"),
    (lambda: None, "<lambda>"),
    (print, "builtins.print"),
    (time.sleep, "time.sleep"),
    ([].append, "list.append"),
    (dict.fromkeys, "dict.fromkeys"),
    (str.upper, "method_descriptor"),
    (Callable().__init__, "method-wrapper"),
    (operator.methodcaller("x"), "methodcaller"),
    (int, "int"),
    (object(), "object"),
    (asyncio.sleep, None),
    (RaisingProtocol().data_received, None),
]


@pytest.mark.parametrize(("callback", "name"), NAMES, ids=range(len(NAMES)))
def test_the_name_of_a_callback(callback, name):
    frame = callback_frame(callback)
    assert (frame and frame.name.rpartition("<locals>.")[2]) == name


def test_what_a_context_runs_is_the_callback():
    assert callback_frame(context.run, (Callable.static, 1)).name == "Callable.static"
    bound = functools.partial(context.run, Callable.static)
    assert callback_frame(bound).name == "Callable.static"
    assert callback_frame(context.run) == Frame("Context.run")


# What lies is made within tests: others look at all objects that there are.


def test_a_partial_that_lies_is_seen_through():
    class LikePartial(functools.partial):
        def __getattribute__(self, name):
            raise ZeroDivisionError

    assert callback_frame(LikePartial(Callable().method)).name == "Callable.method"


def test_a_class_that_lies_is_asked_nothing():
    class MetaLiar(type):
        def __getattribute__(cls, name):
            raise ZeroDivisionError

    class Liar(metaclass=MetaLiar):
        pass

    class CallableLiar(metaclass=MetaLiar):
        def __call__(self):
            pass

    assert callback_frame(Liar).name.endswith("<locals>.Liar")
    assert callback_frame(CallableLiar()).name.endswith("<locals>.CallableLiar.__call__")


def test_an_object_that_lies_is_asked_nothing():
    class Liar:
        def __getattribute__(self, name):
            pytest.fail(f"asked for {name}")

        def __call__(self):
            pass

    assert callback_frame(Liar()).name.endswith("Liar.__call__")
    assert callback_frame(types.MethodType(Liar(), 1)).name.endswith("Liar.__call__")


class Text(str):
    """A text that runs code of the program when it is asked for anything."""

    __slots__ = ()

    def refuse(self, *_):
        raise ZeroDivisionError

    __eq__ = __str__ = __repr__ = __len__ = __format__ = refuse
    __hash__ = refuse


def test_a_name_that_lies_is_taken_as_text():
    def function():
        pass

    function.__qualname__ = Text("a;b\n at 0x7f")
    frame = callback_frame(function)
    assert type(frame.name) is str
    assert frame.name == "a;b\n"
    assert not is_known_by_code(function)


@pytest.mark.parametrize("make", ["set_result", "set_exception", "cancel", "result"])
def test_methods_of_futures_are_asyncios_own(make):
    future = asyncio.new_event_loop().create_future()
    future.get_loop().close()
    assert callback_frame(getattr(future, make)) is None


@pytest.mark.parametrize(
    ("callback", "is_known"),
    [
        (Callable.method, True),
        (Callable().method, True),
        (Callable(), False),
        (functools.partial(Callable.static), False),
        (asyncio.Protocol().data_received, True),
        (types.MethodType(selector_events._SelectorSocketTransport._read_ready, object()), False),
        (time.sleep, False),
    ],
)
def test_plain_functions_and_methods_are_known_by_their_code(callback, is_known):
    assert is_known_by_code(callback) == is_known


# --------------------------------------------------------------------------------------- tornado


class TornadoLoop:
    """What of tornado's loops is called by asyncio's; its methods have files of tornado."""

    def __init__(self, **handlers):
        self.handlers = handlers

    def _run_callback(self, callback):
        callback()

    def _handle_events(self, descriptor, events):
        self.handlers[descriptor][1](descriptor, events)


@pytest.fixture
def tornado(monkeypatch):
    for name in ("tornado.ioloop", "tornado.platform.asyncio"):
        module = types.ModuleType(name)
        module.__file__ = __file__
        monkeypatch.setitem(sys.modules, name, module)


def reads(descriptor, events):
    pass


def test_what_tornado_calls_in_turn_is_named(tornado):
    loop = TornadoLoop(d=(None, reads))
    given = {
        loop._run_callback: (functools.partial(reads, 1, 2),),
        loop._handle_events: ("d", 1),
    }
    for method, args in given.items():
        assert callback_frame(method, args).name == "reads"
        assert not is_known_by_code(method)


def test_tornados_own_method_is_named_where_it_is_not_known_what_it_calls(tornado):
    loop = TornadoLoop()
    for args in ((), ("gone", 1)):
        assert callback_frame(loop._handle_events, args).name == "TornadoLoop._handle_events"
    assert callback_frame(loop._run_callback).name == "TornadoLoop._run_callback"


def test_methods_of_such_names_that_are_not_tornados_are_named_themselves():
    method = TornadoLoop()._run_callback
    assert callback_frame(method, (reads,)).name == "TornadoLoop._run_callback"
    assert is_known_by_code(method)
