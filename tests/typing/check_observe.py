"""What mypy and pyright must find about `observe` and `span`. Never run, only checked.

An ignored error is one that must be there: both checkers complain of an ignore without one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from typing import Any, overload

from typing_extensions import assert_type

from tracetools import observe, span

# -------------------------------------------------------------------------------------- functions


@observe
def bare(a: int, /, b: str = "", *rest: bytes, c: bool, **more: float) -> list[int]:
    return [a]


@observe(name="named")
def named(a: int, *, c: bool = True) -> str:
    return str(a)


@observe
async def coroutine(a: int) -> str:
    return str(a)


@observe(name="named")
async def named_coroutine(a: int) -> str:
    return str(a)


@observe
def generator(a: int) -> Generator[int, str, bytes]:
    got = yield a
    return got.encode()


@observe
async def async_generator(a: int) -> AsyncGenerator[int, str]:
    yield a


@observe
async def async_iterator() -> AsyncIterator[int]:
    yield 1


@overload
def overloaded(a: int) -> int: ...
@overload
def overloaded(a: str) -> str: ...
@observe
def overloaded(a: int | str) -> int | str:
    return a


@contextmanager
@observe
def manager() -> Generator[int, None, None]:
    yield 1


@asynccontextmanager
@observe
async def async_manager() -> AsyncGenerator[int, None]:
    yield 1


def generic(function: Callable[[int], str]) -> None:
    assert_type(observe(function), Callable[[int], str])
    assert_type(observe(function, name="f"), Callable[[int], str])


async def functions() -> None:
    assert_type(bare(1, "", b"", c=True, d=1.0), list[int])
    assert_type(named(1), str)
    assert_type(await coroutine(1), str)
    made: Coroutine[Any, Any, str] = coroutine(1)
    await made
    assert_type(await named_coroutine(1), str)
    assert_type(generator(1), Generator[int, str, bytes])
    assert_type(async_generator(1), AsyncGenerator[int, str])
    assert_type(overloaded(1), int)
    assert_type(overloaded(""), str)
    async for number in async_iterator():
        assert_type(number, int)
    with manager() as one:
        assert_type(one, int)
    async with async_manager() as one:
        assert_type(one, int)


def wrong_arguments() -> None:
    bare("", c=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bare(1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    named(1, d=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    overloaded(b"")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    generator("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_awaits() -> None:
    await coroutine("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await bare(1, c=True)  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    len(coroutine(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------------------------------- methods


class Methods:
    @observe
    def plain(self, a: int) -> str:
        return str(a)

    @observe(name="named")
    async def coroutine(self, a: int) -> str:
        return str(a)

    @classmethod
    @observe
    def class_inner(cls, a: int) -> str:
        return str(a)

    @observe
    @classmethod
    def class_outer(cls, a: int) -> str:
        return str(a)

    @staticmethod
    @observe
    def static_inner(a: int) -> str:
        return str(a)

    @observe
    @staticmethod
    def static_outer(a: int) -> str:
        return str(a)

    @property
    @observe
    def property_inner(self) -> str:
        return ""

    @observe
    def __call__(self) -> int:
        return 1


async def methods(one: Methods) -> None:
    assert_type(one.plain(1), str)
    assert_type(Methods.plain(one, 1), str)
    assert_type(await one.coroutine(1), str)
    assert_type(one.class_inner(1), str)
    assert_type(one.class_outer(1), str)
    assert_type(Methods.class_outer(1), str)
    assert_type(one.static_inner(1), str)
    assert_type(one.static_outer(1), str)
    assert_type(Methods.static_outer(1), str)
    assert_type(one.property_inner, str)
    assert_type(one(), int)


def wrong_methods(one: Methods) -> None:
    one.plain("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.class_outer("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.static_outer("")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.property_inner = ""  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def get(one: Methods) -> str:
    return ""


assert_type(observe(property(get)), property)

# ------------------------------------------------------------------------------------- awaitables


class Future(Awaitable[bytes]):
    def __await__(self) -> Generator[Any, Any, bytes]:
        yield
        return b""


async def awaitables(awaitable: Awaitable[int]) -> None:
    assert_type(await observe(coroutine(1)), str)
    assert_type(await observe(coroutine(1), name="one"), str)
    assert_type(await observe(awaitable), int)
    made: Coroutine[Any, Any, int] = observe(awaitable)
    await made
    assert_type(await observe(Future(), name="future"), bytes)


# ------------------------------------------------------------------------------------------ spans


def spans() -> None:
    with span("name") as nothing:
        assert_type(nothing, None)
    manager: AbstractContextManager[None, None] = span("name")
    with ExitStack() as stack:
        stack.enter_context(manager)


def a_span_swallows_nothing() -> int:
    with span("name"):
        return 1


async def async_spans() -> None:
    with span("name"):
        await coroutine(1)
    async with span("name"):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


# ----------------------------------------------------------------------------------------- misuse


def misuse() -> None:
    observe(5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    observe("name")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    observe(None)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    observe(name=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    observe(bare, "name")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    span(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    span()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
