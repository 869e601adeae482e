"""Spans of FastAPI's dependencies, and of its routes where they are not handled as Starlette's.

FastAPI solves the dependencies of one before it calls it, by one function that calls itself, with a
cache of what was called in the request. It looks into the cache before and after each call. So the
cache of ours knows when a dependency is called. Nothing is changed that the program can see: not
the dependency, nor what knows it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import register_opener
from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import Frames, begin, call_in_span, frame_of, frame_of_call
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
    places.wrap(_SOLVING, "asynccontextmanager", ("func",), _asynccontextmanager)
    places.wrap(_SOLVING, "contextmanager_in_threadpool", ("cm",), _contextmanager_in_threadpool)


class _Level:
    """The dependencies of one function, which are called one after the other.

    Attributes:
        next: the dependency whose call comes next, if the cache has it not; None while it goes on.
    """

    __slots__ = ("_opened", "_rest", "next")

    def __init__(self, dependant: Any) -> None:
        self._rest = iter(dependant.dependencies)
        self._opened: Opening | None = None
        self.next: Any = None

    def expect(self, dependant: Any) -> bool:
        """Expect the call of the dependency that is solved now; return if the cache tells of it.

        If its arguments are wrong, it is not called. Then the cache is not asked before the next.
        """
        self.close()
        known = next(self._rest, None)
        asks_cache = known is None or known.use_cache
        self.next = dependant.call if asks_cache else None
        return bool(asks_cache)

    def open(self, function: Any) -> None:
        """Open the span of a dependency that is called now."""
        self.next = None
        self._opened = begin(_frame, function)

    def close(self) -> None:
        """Close it, if it is open."""
        opened, self._opened = self._opened, None
        close_span(opened)


class _Cache(dict[Any, Any]):
    """The cache of the dependencies of a request, which FastAPI looks into around each call."""

    __slots__ = ("levels",)

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[_Level] = []

    def __bool__(self) -> bool:
        """Return True: older versions make a cache of their own in place of an empty one."""
        return True

    def __contains__(self, key: object) -> bool:
        found = dict.__contains__(self, key)
        if self.levels:
            level = self.levels[-1]
            function, level.next = level.next, None
            if function is None:
                level.close()
            elif not found:
                level.open(function)
        return found


def _solve_dependencies(original: Any) -> Any:
    @functools.wraps(original)
    def solve_dependencies(*args: Any, **options: Any) -> Any:
        try:
            cache = options.get("dependency_cache")
            if type(cache) is _Cache and cache.levels:
                dependant = options["dependant"]
                if cache.levels[-1].expect(dependant) and not dependant.dependencies:
                    return original(*args, **options)
                return _solve_one(cache, original, options)
            if cache is None and recorded_loops and _has_any(options.get("dependant")):
                options["dependency_cache"] = cache = _Cache()
                return _solve_all(cache, original, options)
            return original(*args, **options)
        except BaseException as error:
            hide_frame(error)
            raise

    return compat.mark_coroutine_function(solve_dependencies)


def _has_any(dependant: Any) -> bool:
    """Whether a function has dependencies."""
    return bool(getattr(dependant, "dependencies", None))


async def _solve_all(cache: _Cache, original: Any, options: dict[str, Any]) -> Any:
    """Solve the dependencies of a function; those that are called lie below their spans."""
    level = _Level(options["dependant"])
    cache.levels.append(level)
    try:
        return await original(**options)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        cache.levels.pop()
        level.close()


register_opener(_solve_all.__code__)


async def _solve_one(cache: _Cache, original: Any, options: dict[str, Any]) -> Any:
    """Solve the dependencies of a dependency, which is called next."""
    outer, dependant = cache.levels[-1], options["dependant"]
    asks_cache, outer.next = outer.next is not None, None
    inner = _Level(dependant)
    cache.levels.append(inner)
    try:
        result = await original(**options)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        cache.levels.pop()
        inner.close()
    if _has_errors(result):
        return result
    if asks_cache:
        outer.next = dependant.call
    else:
        outer.open(dependant.call)
    return result


def _has_errors(solved: Any) -> bool:
    """Whether a dependency is not called, for its arguments are wrong."""
    return bool(solved[1] if isinstance(solved, tuple) else getattr(solved, "errors", None))


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
        frame = None if self._function is None else frame_of_call(_frame, self._function)
        leave = self._manager.__aexit__
        try:
            return await (leave(*error) if frame is None else call_in_span(frame, leave, *error))
        except BaseException as raised:
            hide_frame(raised)
            raise
