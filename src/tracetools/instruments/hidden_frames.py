"""Keeps frames of ours out of the stacks that Python's own functions show.

While a task steps, frames of ours lie between it and its loop. `inspect.stack`, `traceback`,
`logging` and the debug mode of asyncio show the frames of a thread; `warnings` counts them. Each is
given those that it would find without us. Code that walks from frame to frame by itself
(`sys._getframe`, then `f_back`) still finds ours: only C code has no frames.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import traceback
import warnings
from itertools import islice
from operator import attrgetter, index
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import is_ours, owner_of
from tracetools.instruments.module_imports import forget, when_imported
from tracetools.instruments.patching import Patches, lock
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from types import CodeType, FrameType

__all__ = ["hide", "outermost", "show", "without_ours"]

_patches: Final = Patches()
_users: Final[set[Hashable]] = set()

outermost: Final[set[CodeType]] = set()
"""The functions of ours that run a program: what lies beyond them is no part of it."""


def hide(user: Hashable) -> None:
    """Hide our frames from now on, on behalf of a user."""
    with lock():
        is_first = not _users
        _users.add(user)
        if is_first:
            for module, name, replacement in _REPLACEMENTS:
                _replace(module, name, replacement)
            when_imported("asyncio.graph", _hide_in_graphs)


def show(user: Hashable) -> None:
    """Hide them no more on behalf of a user; after the last one, all is as it was before."""
    with lock():
        if user in _users:
            _users.discard(user)
            if not _users:
                forget(_hide_in_graphs)
                _patches.undo()


def _replace(module: Any, name: str, replacement: Callable[[Any], Any]) -> None:
    if name in vars(module):
        _patches.replace(
            module, name, lambda original: functools.wraps(original)(replacement(original))
        )


def _hide_in_graphs() -> None:
    for module in map(sys.modules.get, ("asyncio.graph", "asyncio")):
        if module is not None:
            _replace(module, "capture_call_graph", _capture_call_graph)


def without_ours(frames: Iterable[Any], code_of: Callable[[Any], CodeType]) -> Iterator[Any]:
    """Yield what has no code of ours, from the innermost on."""
    for each in frames:
        code = code_of(each)
        if code in outermost:
            return
        if not is_ours(code):
            yield each


# ----------------------------------------------------------------------------- the replacements


def _getouterframes(original: Callable[..., Any]) -> Callable[..., Any]:
    def getouterframes(frame: Any, context: int = 1) -> list[Any]:
        return list(without_ours(original(frame, context), _code_of))

    return getouterframes


def _walk_stack(original: Callable[..., Any]) -> Callable[..., Any]:
    def walk_stack(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        start = compat.getframe(1) if f is None else f
        return without_ours(original(start), _code_of_first)

    def walk_stack_later(f: FrameType | None) -> Iterator[tuple[FrameType, int]]:
        start = compat.getframe(1) if f is None else f
        skipped = compat.WALK_STACK_HOPS - 1 if f is None else 0
        yield from islice(without_ours(original(start), _code_of_first), skipped, None)

    return walk_stack_later if compat.WALK_STACK_HOPS else walk_stack


def _code_of_first(found: tuple[FrameType, int]) -> CodeType:
    return found[0].f_code


def _is_internal_frame(original: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def is_internal_frame(frame: FrameType) -> bool:
        return original(frame) or is_ours(frame.f_code)

    return is_internal_frame


def _warn_unawaited(_: Callable[..., Any]) -> Callable[..., Any]:
    def warn_unawaited_coroutine(coro: Any) -> None:
        """Do what Python does, which asks for where a coroutine was created."""
        text = f"coroutine '{coro.__qualname__}' was never awaited\n"
        if coro.cr_origin is not None:
            import linecache  # noqa: PLC0415  # as Python does

            found = [each for each in reversed(coro.cr_origin) if owner_of(each[0]) != "ours"]
            lines = [(*each[:3], linecache.getline(each[0], each[1])) for each in found]
            text += "Coroutine created at (most recent call last)\n"
            text += "".join(traceback.format_list([(a, b, c, line) for a, b, c, line in lines]))
        warnings.warn(text.rstrip("\n"), category=RuntimeWarning, stacklevel=2, source=coro)

    return warn_unawaited_coroutine


def _warn(original: Callable[..., None]) -> Callable[..., None]:
    def warn(
        message: Any,
        category: Any = None,
        stacklevel: int = 1,
        source: Any = None,
        **options: Any,
    ) -> None:
        try:
            level = _level(index(stacklevel), compat.getframe(1), options.get("skip_file_prefixes"))
            original(message, category, level, source, **options)
        except BaseException as error:
            hide_frame(error)
            raise

    return warn


def _level(level: int, frame: FrameType | None, prefixes: Any) -> int:
    """Return the level that makes Python warn of what it would without us.

    Args:
        level: what the program has given.
        frame: of the program's function that warns; what Python counts from is ours, within it.
        prefixes: of the files that Python does not count, where the program has given any.
    """
    if type(prefixes) is not tuple or not all(isinstance(each, str) for each in prefixes):
        prefixes = ()
    level = max(min(level, _BEYOND_ALL), 2 if prefixes else 1)
    counted = level - 1
    if frame is not None and not _is_skipped(frame, prefixes):
        level += 1
    while counted and frame is not None and (frame := frame.f_back) is not None:
        if frame.f_code in outermost:
            return _BEYOND_ALL
        if _is_skipped(frame, prefixes):
            continue
        if is_ours(frame.f_code):
            level += 1
        else:
            counted -= 1
    return level


def _is_skipped(frame: FrameType, prefixes: tuple[str, ...]) -> bool:
    """Whether `warnings` does not count a frame: it is one of an import, or has such a prefix."""
    file = frame.f_code.co_filename
    return file.startswith(prefixes) or ("importlib" in file and "_bootstrap" in file)


_BEYOND_ALL: Final = 1_000_000
"""More than there are frames: the program has no so many."""


def _capture_call_graph(original: Callable[..., Any]) -> Callable[..., Any]:
    def capture_call_graph(
        future: Any = None, /, *, depth: int = 1, limit: int | None = None
    ) -> Any:
        graph = whole = original(future, depth=depth + 1, limit=limit)
        if limit:
            whole = original(future, depth=depth + 1)
        if graph is None or not any(is_ours(_code_of(entry)) for entry in whole.call_stack):
            return graph
        stack = list(_of_task(without_ours(whole.call_stack, _code_of)))
        if limit is not None:
            stack = stack[-limit:] if limit > 0 else stack[:-limit]
        return type(graph)(graph.future, tuple(stack), graph.awaited_by)

    return capture_call_graph


_code_of: Final = attrgetter("frame.f_code")


def _of_task(entries: Iterable[Any]) -> Iterator[Any]:
    """Yield the entries of a task that steps; what has called its coroutine is its loop."""
    was_coroutine = False
    for entry in entries:
        running = entry.frame.f_generator
        if was_coroutine and running is None:
            return
        was_coroutine = isinstance(running, CoroutineType | AsyncGeneratorType)
        yield entry


_REPLACEMENTS: Final[tuple[tuple[Any, str, Callable[[Any], Any]], ...]] = (
    (inspect, "getouterframes", _getouterframes),
    (traceback, "walk_stack", _walk_stack),
    (logging, compat.LOGGING_IS_INTERNAL, _is_internal_frame),
    (warnings, "warn", _warn),
    (warnings, compat.WARN_OF_UNAWAITED, _warn_unawaited),
)
