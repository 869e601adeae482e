"""Spans of FastAPI's dependencies, and of its routes where they are not handled as Starlette's.

FastAPI solves the dependencies of one before it calls it, by one function that calls itself. So
what happens from the end of such a call to the next event in the calling one is the call of the
dependency. Nothing is changed that the program can see: not the dependency, nor what knows it.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.functions import register_opener
from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import Frames, begin, frame_of, within
from tracetools.libraries.starlette import route_handle
from tracetools.recording.current import close_span, recorded_loops

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.libraries.places import Places
    from tracetools.recording.current import Opening

__all__ = ["install"]

_ROUTING: Final = "fastapi.routing"
_SOLVING: Final = "fastapi.dependencies.utils"


def install(places: Places) -> None:
    """Put spans around dependencies, and around what handles the requests of routes."""
    places.wrap(_ROUTING, "APIRoute.handle", ("self", "scope", "receive", "send"), route_handle)
    wanted = ("dependant", "dependency_cache")
    for module in (_SOLVING, _ROUTING):
        places.wrap(module, "solve_dependencies", wanted, _solve_dependencies)
    places.wrap(_SOLVING, "request_params_to_args", (), _request_params_to_args)
    places.wrap(_SOLVING, "asynccontextmanager", ("func",), _asynccontextmanager)
    places.wrap(_SOLVING, "contextmanager_in_threadpool", ("cm",), _contextmanager_in_threadpool)


class _Solving:
    """The solving of the dependencies of a request.

    Attributes:
        request: the identity of the request; 0 when it is over.
    """

    __slots__ = ("_calls", "request")

    def __init__(self, request: int) -> None:
        self.request = request
        self._calls: list[Opening | None] = []

    def begin(self) -> None:
        """Begin to solve the dependencies of a function, before which a call is over."""
        if self._calls:
            self.end_call()
        self._calls.append(None)

    def end(self) -> None:
        """End what was begun last."""
        close_span(self._calls.pop())

    def call(self, function: Any) -> None:
        """Open the span of a dependency, which is called next."""
        self._calls[-1] = begin(_frame, function)

    def end_call(self) -> None:
        """Close the dependency that was called, if one was."""
        opened, self._calls[-1] = self._calls[-1], None
        close_span(opened)


_solving: Final[ContextVar[_Solving | None]] = ContextVar("tracetools_solving", default=None)
"""What is solved in this context just now."""


def _solve_dependencies(original: Any) -> Any:
    @functools.wraps(original)
    async def solve_dependencies(*args: Any, **options: Any) -> Any:
        solving, request = _solving.get(), id(options.get("request"))
        try:
            if solving is None or solving.request != request:
                if not recorded_loops or args:
                    return await original(*args, **options)
                return await _solve_all(_Solving(request), original, options)
            solving.begin()
            try:
                result = await original(**options)
            finally:
                solving.end()
        except BaseException as error:
            hide_frame(error)
            raise
        if _is_called(options, result):
            solving.call(options["dependant"].call)
        return result

    return solve_dependencies


async def _solve_all(solving: _Solving, original: Any, options: dict[str, Any]) -> Any:
    """Solve the dependencies of an endpoint; those that are called lie below their spans."""
    token = _solving.set(solving)
    solving.begin()
    try:
        return await original(**options)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        solving.end()
        solving.request = 0
        with suppress(ValueError):  # the coroutine is closed elsewhere
            _solving.reset(token)


register_opener(_solve_all.__code__)


def _is_called(options: dict[str, Any], solved: Any) -> bool:
    """Whether a dependency is going to be called, after its own ones were solved."""
    errors = solved[1] if isinstance(solved, tuple) else getattr(solved, "errors", None)
    dependant, cache = options["dependant"], options.get("dependency_cache") or ()
    call = dependant.call
    is_known = dependant.use_cache and any(key[0] is call for key in cache)
    return not errors and not is_known


def _request_params_to_args(original: Any) -> Any:
    @functools.wraps(original)
    def request_params_to_args(*args: Any, **options: Any) -> Any:
        solving = _solving.get()
        if solving is not None and solving.request:
            solving.end_call()
        try:
            return original(*args, **options)
        except BaseException as error:
            hide_frame(error)
            raise

    return request_params_to_args


_frames: Final = Frames()


def _frame(function: Any) -> Frame:
    frames = _frames.of(function)
    found = frames.get(None)
    if found is None:
        found = frames[None] = frame_of(function)
    return found


# ----------------------------------------------------------------------- dependencies that yield


def _contextmanager_in_threadpool(original: Any) -> Any:
    @functools.wraps(original)
    def contextmanager_in_threadpool(cm: Any) -> Any:
        return _Leaving(original(cm), getattr(cm, "func", None))

    return contextmanager_in_threadpool


def _asynccontextmanager(original: Any) -> Any:
    @functools.wraps(original)
    def asynccontextmanager(function: Any) -> Any:
        make = original(function)

        @functools.wraps(make)
        def call(*args: Any, **options: Any) -> Any:
            return _Leaving(make(*args, **options), function)

        return call

    return asynccontextmanager


class _Leaving:
    """A context manager of a dependency, with a span around what it does at its end."""

    def __init__(self, manager: Any, function: Any) -> None:
        self._manager = manager
        self._function = function

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)

    def __aenter__(self) -> Any:
        return self._manager.__aenter__()

    async def __aexit__(self, *error: object) -> Any:
        opened = None if self._function is None else begin(_frame, self._function)
        leave = self._manager.__aexit__
        try:
            return await (leave(*error) if opened is None else within(opened, leave, *error))
        except BaseException as raised:
            hide_frame(raised)
            raise
