"""Errors that strike in our code: which are the program's, and `Insist`, which passes them on."""

from __future__ import annotations

import contextlib
import functools
import signal
import time

import pytest

from tracetools.core.interruptions import Insist, is_interruption, signal_of


class Raised(Exception):  # noqa: N818  # a signal handler's, and no fault of anybody's
    """What the program's handler raises."""


def function(number, frame):
    raise Raised


def with_defaults(number, frame, more=1, *, last=2):
    raise Raised


def deletes_its_arguments(number, frame):
    del number, frame
    raise Raised


class DeletesItsArguments:
    def __call__(self, *arguments):
        del arguments
        raise Raised


def deep(number, frame):
    def inner():
        with contextlib.nullcontext():
            raise Raised

    inner()


def with_first(first, number, frame):
    raise Raised


class Methods:
    def method(self, number, frame):
        raise Raised

    @classmethod
    def of_class(cls, number, frame):
        raise Raised

    @staticmethod
    def static(number, frame):
        raise Raised

    def __call__(self, number, frame):
        raise Raised


def raise_it(*_):
    raise Raised


HANDLERS = {
    "function": function,
    "function with defaults": with_defaults,
    "function that calls others": deep,
    "function that deletes its arguments": deletes_its_arguments,
    "partial of an object that deletes its arguments": functools.partial(DeletesItsArguments()),
    "bound method": Methods().method,
    "class method": Methods.of_class,
    "static method": Methods.static,
    "callable object": Methods(),
    "partial": functools.partial(with_first, "first"),
    "partial of a partial": functools.partial(functools.partial(with_first), "first"),
    "partial of a callable object": functools.partial(Methods()),
    "lambda": lambda number, frame: raise_it(),
    "lambda with any arguments": lambda *arguments: raise_it(),
    "lambda with an argument before others": lambda number, *others: raise_it(),
    "function with any arguments": raise_it,
}
by_handler = pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)


@contextlib.contextmanager
def handled_by(number, handler):
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def raised_by_signal(number):
    """Return what the handler of a signal raises here, and whose it is said to be."""
    try:
        signal.raise_signal(number)
    except Raised as error:
        return error, signal_of(error)
    return None, None


@by_handler
def test_what_a_handler_raises_is_known_by_its_signal(handler):
    with handled_by(signal.SIGTERM, handler):
        error, number = raised_by_signal(signal.SIGTERM)
        assert is_interruption(error)
    assert (type(error), number) == (Raised, signal.SIGTERM)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there is none")
@by_handler
def test_what_a_timers_handler_raises_anywhere_is_known(handler):
    number = None
    with handled_by(signal.SIGALRM, handler):
        until = time.monotonic() + 10
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            compute(until)
        except Raised as error:
            assert is_interruption(error)  # noqa: PT017  # pytest.raises has frames of its own
            number = signal_of(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert number == signal.SIGALRM


def compute(until):
    """Python 3.13 has a `while` jump back outside of the `try` around it."""
    while time.monotonic() < until:
        sorted(range(10), key=lambda number: -number)


def test_an_ordinary_error_is_no_interruption():
    with pytest.raises(ZeroDivisionError) as caught:
        divide(1, 0)
    assert signal_of(caught.value) is None
    assert not is_interruption(caught.value)


def divide(number, by):
    return number / by


def test_an_error_that_was_never_raised_is_no_interruption():
    assert signal_of(Raised()) is None
    assert not is_interruption(Raised())


def test_a_function_with_a_number_and_some_other_frame_is_no_handler():
    import sys

    frame = sys._getframe()
    with pytest.raises(Raised) as caught:
        Elsewhere.call(frame.f_back)
    assert signal_of(caught.value) is None


class Elsewhere:
    @staticmethod
    def call(frame):
        function(signal.SIGTERM, frame)


def test_a_handler_that_the_program_calls_by_itself_is_one():
    """It cannot be told apart, and what it raises is the program's as well."""
    import sys

    with pytest.raises(Raised) as caught:
        function(signal.SIGTERM, sys._getframe())
    assert signal_of(caught.value) == signal.SIGTERM


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_is_always_an_interruption(error):
    assert is_interruption(error())
    assert signal_of(error()) is None


def test_ctrl_c_is_known_by_its_signal_as_well():
    with handled_by(signal.SIGINT, signal.default_int_handler):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            assert is_interruption(error)  # noqa: PT017  # pytest.raises would not let it pass
            assert signal_of(error) == signal.SIGINT  # noqa: PT017
        else:
            pytest.fail("no KeyboardInterrupt")


# ---------------------------------------------------------------------------------------- insisting


class Act:
    """An action that raises these errors, one each time that it is done."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.arguments: list[object] = []

    def __call__(self, argument):
        self.arguments.append(argument)
        if self.errors:
            raise self.errors.pop(0)


def test_insist_does_everything_though_something_strikes():
    acts = [Act(), Act(KeyboardInterrupt()), Act(ValueError()), Act()]
    with pytest.raises(KeyboardInterrupt), Insist() as insist:
        for number, act in enumerate(acts):
            insist.do(act, number)
    # what was interrupted is done once more; what has failed would fail again
    assert [act.arguments for act in acts] == [[0], [1, 1], [2], [3]]


def test_insist_raises_what_struck_first():
    first, second = SystemExit(1), SystemExit(2)
    with pytest.raises(SystemExit) as caught, Insist() as insist:
        insist.do(Act(first, second), None)
        insist.do(Act(ValueError()), None)
    assert caught.value is first


def test_insist_raises_nothing_where_nothing_struck():
    with Insist() as insist:
        insist.do(Act(), None)


def test_insist_gives_up_on_what_is_interrupted_without_end():
    act = Act(*(KeyboardInterrupt() for _ in range(100)))
    with pytest.raises(KeyboardInterrupt), Insist() as insist:
        insist.do(act, None)
    assert 1 < len(act.arguments) < 10


def test_insist_does_again_what_a_signal_handler_interrupts():
    calls = []

    def act():
        calls.append(1)
        if len(calls) == 1:
            signal.raise_signal(signal.SIGTERM)

    with handled_by(signal.SIGTERM, function), pytest.raises(Raised), Insist() as insist:
        insist.do(act)
    assert calls == [1, 1]


def test_insist_drops_an_ordinary_error_quietly():
    acts = [Act(ValueError()), Act()]
    with Insist(quietly=True) as insist:
        for act in acts:
            insist.do(act, None)
    assert [len(act.arguments) for act in acts] == [1, 1]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_insist_raises_an_interruption_quietly_or_not(interruption):
    act = Act(interruption())
    with pytest.raises(interruption), Insist(quietly=True) as insist:
        insist.do(Act(ValueError()), None)
        insist.do(act, None)
    assert len(act.arguments) == 2


def test_insist_raises_the_error_of_a_signal_handler_quietly_or_not():
    quiet = Insist(quietly=True)
    with handled_by(signal.SIGTERM, function), pytest.raises(Raised), quiet as insist:
        insist.do(signal.raise_signal, signal.SIGTERM)
