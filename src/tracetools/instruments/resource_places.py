"""Where resources are made and used: lines of the program, found from the frames that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracetools import compat
from tracetools.attribution.functions import is_step, owner_of, qualified_name
from tracetools.core.labels import stable_name
from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

__all__ = ["line_of", "resource_made", "resource_used"]

_MAX_LINES: Final = 4096
_UNKNOWN: Final = (Frame("?"),)
_DEFAULT_LIMITER: Final = Frame("default limiter of threads", "")
_MAKES_DEFAULT: Final = "current_default_thread_limiter"
_OF_ADAPTERS: Final = {"_lock", "_semaphore", "_limiter"}
"""Properties of anyio's adapters: what was made outside of a loop makes the real thing later."""

_lines: Final[dict[tuple[int, int], tuple[tuple[Frame], CodeType]]] = {}
"""Lines of the program, by the identity of a function and the instruction that it is at."""

_passed: Final[dict[int, CodeType]] = {}
"""Functions of ours and of runtimes that run within tasks, by identity."""

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def line_of(frame: FrameType | None) -> tuple[Frame, ...]:
    """Return the innermost function of the program, with the line that it is at; or nothing.

    Frames are searched outwards, as far as the task reaches.
    """
    while frame is not None:
        code = frame.f_code
        identity = id(code)
        if identity not in _passed:
            known = _lines.get((identity, frame.f_lasti))
            if known is not None:
                return known[0]
            if owner_of(code.co_filename) == "program":
                return _line(code, frame)
            if is_step(code) or compat.runs_loop(code):
                break
            _remember(_passed, identity, code)
        frame = frame.f_back
    return ()


def _line(code: CodeType, frame: FrameType) -> tuple[Frame]:
    name = stable_name(qualified_name(code))
    found = (Frame(name, code.co_filename or None, frame.f_lineno or 0),)
    _remember(_lines, (id(code), frame.f_lasti), (found, code))
    return found


def _remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(known) >= _MAX_LINES:
        known.clear()
    known[key] = value


def resource_used(kind: str, frame: FrameType | None) -> Resource:
    """Return what a resource is known by that was made before anybody could see it."""
    return Resource(kind, (line_of(frame) or _UNKNOWN)[0], is_made=False)


def resource_made(
    kind: str, frame: FrameType | None, known: Callable[[Any], Resource | None]
) -> Resource:
    """Return what a resource is known by that is being made.

    Args:
        kind: the name of its class.
        frame: what makes it.
        known: returns what an adapter of anyio's is known by.
    """
    outer = frame
    while outer is not None:
        code = outer.f_code
        if owner_of(code.co_filename) == "program" or is_step(code):
            break
        if code.co_name == _MAKES_DEFAULT:
            return Resource(kind, _DEFAULT_LIMITER)
        if code.co_name in _OF_ADAPTERS:
            found = known(outer.f_locals.get("self"))
            if found is not None:
                return found._replace(kind=kind)
        outer = outer.f_back
    return Resource(kind, (line_of(frame) or _UNKNOWN)[0])
