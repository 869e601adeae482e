"""Spans around async functions of a library, each named by what the call is for.

What goes wrong while a name is found costs that span, never the call.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools import compat
from tracetools.attribution.functions import register_opener
from tracetools.core.interruptions import is_interruption
from tracetools.core.stacks import Frame
from tracetools.guest.messages import common
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.current import (
    close_span,
    note_error,
    open_library_span,
    recorded_loops,
)
from tracetools.recording.spans import function_frame
from tracetools.recording.traces import note_call, wanting

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from tracetools.recording.current import Opening

    FrameOf = Callable[..., Frame | None]
    """Returns the frame of the span of a call, from its arguments; None for no span."""

__all__ = [
    "Frames",
    "LateSpans",
    "Names",
    "begin",
    "call_in_span",
    "frame_of",
    "frame_of_call",
    "http_method",
    "method_of_class",
    "spanned",
]

_METHODS: Final = ("__init__", "__call__")


def spanned(name_call: FrameOf, *, once: bool = False) -> Callable[[Any], Any]:
    """Return what makes of an async function one with a span around each call.

    Args:
        name_call: finds the frame of the span.
        once: the functions are methods, and a class and one derived from it may have both. One that
            calls the other makes one span.
    """

    def replacement(original: Any) -> Any:
        @functools.wraps(original)
        def call(*args: Any, **options: Any) -> Any:
            frame = None
            try:
                if recorded_loops:
                    is_inner = once and args and _is_inner(args[0], original.__name__, call)
                    frame = None if is_inner else frame_of_call(name_call, *args, **options)
                if frame is None:
                    return original(*args, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            return call_in_span(frame, original, *args, **options)

        return compat.mark_coroutine_function(call)

    return replacement


async def call_in_span(frame: Frame, function: Any, /, *args: Any, **options: Any) -> Any:
    """Call an async function in a span. What it awaits lies below the span, by the frame of this.

    There is one coroutine of ours to a call, and none where there is no span: each costs as much as
    the span itself.
    """
    opened = open_library_span(frame)
    if wanting:
        note_call(opened, args)
    try:
        return await function(*args, **options)
    except BaseException as error:
        note_error(opened, error)
        hide_frame(error)
        raise
    finally:
        close_span(opened)


register_opener(call_in_span.__code__)


def _is_inner(owner: Any, name: str, method: Any) -> bool:
    """Whether, of the methods that are made here, the class of an object has another one first."""
    kind = type(owner)
    if getattr(kind, name, None) is method:
        return False
    for each in kind.__mro__:
        found = vars(each).get(name)
        if getattr(found, "__code__", None) is method.__code__:
            return found is not method
    return False


class LateSpans:
    """Spans that are named only after the call has begun that they are around.

    The call and what names it have an object in common, such as the request. It is not kept alive.
    """

    def __init__(self) -> None:
        self._calls: dict[int, Opening | None] = {}

    def around(self, common_object: Callable[..., Any]) -> Callable[[Any], Any]:
        """Return what makes of an async function one whose calls may get a span; within each other.

        Args:
            common_object: returns the object that is in common, from the arguments.
        """

        def replacement(original: Any) -> Any:
            @functools.wraps(original)
            async def call(*args: Any, **options: Any) -> Any:
                key = id(common_object(*args, **options)) if recorded_loops else 0
                try:
                    if not key or key in self._calls:
                        return await original(*args, **options)
                    return await self._outermost(key, original, *args, **options)
                except BaseException as error:
                    hide_frame(error)
                    raise

            return call

        return replacement

    async def _outermost(self, key: int, function: Any, /, *args: Any, **options: Any) -> Any:
        self._calls[key] = None
        try:
            return await function(*args, **options)
        except BaseException as error:
            note_error(self._calls.get(key), error)
            hide_frame(error)
            raise
        finally:
            close_span(self._calls.pop(key, None))

    register_opener(_outermost.__code__)

    def name(self, common_object: Any, name_call: FrameOf, *args: Any) -> None:
        """Open the span of the call that is around this, unless it has one, or there is none."""
        key = id(common_object)
        if key in self._calls and self._calls[key] is None:
            self._calls[key] = begin(name_call, *args)


def begin(name_call: FrameOf, *args: Any, **options: Any) -> Opening | None:
    """Open the span of a call, if anything is recorded; to be closed by `close_span`.

    Raises:
        BaseException: what a signal handler of the program's raised meanwhile; no span is open
            then. Nothing of our own.
    """
    frame = frame_of_call(name_call, *args, **options)
    return None if frame is None else open_library_span(frame)


def frame_of_call(name_call: FrameOf, /, *args: Any, **options: Any) -> Frame | None:
    """Return the frame of the span of a call; None if nothing is recorded, or none can be found."""
    if not recorded_loops:
        return None
    try:
        return name_call(*args, **options)
    except Exception as error:
        if is_interruption(error):
            raise
        _complain(name_call, error)
        return None


_complained: Final[set[str]] = set()


def _complain(name_call: FrameOf, error: Exception) -> None:
    """Say once that no span can be named."""
    module = name_call.__module__
    if module not in _complained:
        _complained.add(module)
        common.warning(
            "%s: a span cannot be named, so there is none: %s: %s",
            module.rpartition(".")[2],
            type(error).__name__,
            error,
        )


def frame_of(target: Any, name: str | None = None) -> Frame:
    """Return the frame of a function, class or callable object, at the line where it begins.

    Args:
        target: what is called.
        name: the name; without it, the qualified name of what is called.
    """
    inner = target
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not isinstance(inner, type):
        return function_frame(target, name)
    name = inner.__qualname__ if name is None else name
    found = (function_frame(getattr(inner, method), name) for method in _METHODS)
    return next((frame for frame in found if frame.file), Frame(name))


def http_method(method: str) -> str:
    """Return the method of a request if it is a known one; "HTTP" for what a client makes up."""
    return method if method in _HTTP_METHODS else "HTTP"


_HTTP_METHODS: Final = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
)


def method_of_class(endpoint: Any, names: tuple[str, ...]) -> Any:
    """Return the function of a class that handles a request; what is no class, as it is.

    Args:
        endpoint: the class.
        names: what the function may be called.
    """
    inner = endpoint
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not isinstance(inner, type):
        return endpoint
    own = (getattr(inner, name) for kind in inner.__mro__ for name in names if name in vars(kind))
    return next(own, inner)


_MOST_NAMES: Final = 256
_MOST_OWNERS: Final = 4096


class Names:
    """Tells only so many names apart at each place: names may have what clients send in them."""

    def __init__(self) -> None:
        self._known: dict[Hashable, set[str]] = {}

    def told_apart(self, place: Hashable, name: str, other: str) -> str:
        """Return a name; `other` for all that come after so many at a place."""
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= _MOST_OWNERS:
                self._known.clear()
            known = self._known[place] = set()
        if name not in known:
            if len(known) >= _MOST_NAMES:
                return other
            known.add(name)
        return name


class Frames:
    """Remembers the frames of spans, by the object that they are for and a key.

    The objects are told apart by identity, and not kept alive. It is bounded.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[Any], dict[Hashable, Frame]]] = {}

    def of(self, owner: Any) -> dict[Hashable, Frame]:
        """Return the frames of an object by their keys, to read and to write."""
        found = self._known.get(id(owner))
        if found is not None and found[0]() is owner:
            return found[1]
        try:
            known: tuple[ref[Any], dict[Hashable, Frame]] = (ref(owner), {})
        except TypeError:  # it cannot be referred to weakly
            return {}
        if len(self._known) >= _MOST_OWNERS:
            self._known.clear()
        self._known[id(owner)] = known
        return known[1]
