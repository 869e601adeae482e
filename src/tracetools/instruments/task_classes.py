"""Reports each asyncio task where it is made, whoever makes it, by the classes of tasks themselves.

`asyncio.Task` may be called directly, as aiohttp does for each connection, and so may classes that
derive from it. None of these calls goes through a loop. So `__init__` of asyncio's own two classes
is replaced: the one in C and the one in Python. It costs nothing per step and nothing per callback.

While it is replaced, so is `get_coro`: it returns the coroutine that the program has given. Only
greenback gets what the task runs, for it looks for that in the memory of the task. And `get_stack`
leaves out our frames, which a task that steps has between its own and those of its loop.
"""

from __future__ import annotations

import functools
import inspect
from asyncio import AbstractEventLoop, iscoroutine
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import is_ours
from tracetools.guest.messages import common
from tracetools.instruments.asyncio_spawns import AsyncioSpawns, spawning_init
from tracetools.instruments.hidden_frames import without_ours
from tracetools.instruments.patching import set_in_immutable
from tracetools.instruments.stepped import SteppedCoroutine, hide_frame
from tracetools.recording.forks import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.instruments.patching import Patches

    Reported = Callable[[AbstractEventLoop, Any, Mapping[str, Any]], Any]

__all__ = ["NAMES", "are_replaced", "replace_methods", "spawns"]

NAMES: Final = ("__init__", "get_coro", "get_stack")
"""The methods that are replaced."""


def replace_methods(
    patches: Patches, reported: Reported, hide_creation: Callable[[Any], None]
) -> None:
    """Replace the methods of asyncio's classes of tasks, unless that is done already.

    Args:
        patches: where that is kept.
        reported: called with a loop, a coroutine and options for each task that is made; returns
            the coroutine that the task runs.
        hide_creation: called with each task, once it is made.
    """
    for task_class in compat.asyncio_task_classes():
        init = partial(_init, task_class=task_class, reported=reported, hide_creation=hide_creation)
        try:
            patches.replace(task_class, "__init__", init, set_in_immutable)
            patches.replace(task_class, "get_coro", _get_coro, set_in_immutable)
            patches.replace(task_class, "get_stack", _get_stack, set_in_immutable)
        except TypeError as error:
            _say_once(str(error))


def _say_once(error: str) -> None:
    if error not in _said:
        _said.add(error)
        common.warning(
            "tasks are found by what wakes them, which costs more and misses first steps: %s", error
        )


_said: Final[set[str]] = set()


def are_replaced(patches: Patches) -> bool:
    """Whether each task is reported that is one of asyncio's classes."""
    return all(patches.has(vars(kind).get("__init__")) for kind in compat.asyncio_task_classes())


_MISSING: Final = object()


def _init(
    original: Callable[..., None],
    task_class: type,
    reported: Reported,
    hide_creation: Callable[[Any], None],
) -> Callable[..., None]:
    @functools.wraps(original)
    def init(task: Any, coro: Any = _MISSING, /, *args: Any, **options: Any) -> None:
        try:
            if type(coro) is SteppedCoroutine:  # the loop was asked for the task
                return original(task, coro, *args, **options)
            if coro is _MISSING:
                if "coro" not in options:  # an error
                    return original(task, **options)
                coro = options.pop("coro")
            loop = options.get("loop") or compat.asyncio_running_loop()
            # by its type: a mock may say that it is anything
            if issubclass(type(loop), AbstractEventLoop) and iscoroutine(coro):
                coro = reported(loop, coro, options)
            original(task, coro, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        return hide_creation(task)

    init.__signature__ = _signature(task_class)  # type: ignore[attr-defined]
    return spawning_init(original, init, spawns)


spawns: Final[dict[AbstractEventLoop, AsyncioSpawns]] = {}
"""What opens the accounts of the tasks of the loops that are followed by one listener alone."""


def _signature(task_class: type) -> inspect.Signature:
    """Return the signature of a class with that of its instance, which `__init__` has."""
    signature = inspect.signature(task_class)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    return signature.replace(parameters=[itself, *signature.parameters.values()])


def _get_coro(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def get_coro(task: Any) -> Any:
        try:
            coroutine = original(task)
        except BaseException as error:
            hide_frame(error)
            raise
        if type(coroutine) is SteppedCoroutine:
            caller = compat.getframe(1)
            if caller is None or caller.f_globals.get("__name__") not in _LOOK_INTO_MEMORY:
                while type(coroutine) is SteppedCoroutine:
                    coroutine = coroutine.inner
        return coroutine

    return get_coro


def _get_stack(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    @functools.wraps(original)
    def get_stack(task: Any, *, limit: int | None = None) -> list[Any]:
        try:
            frames = original(task, limit=limit)
            if any(is_ours(frame.f_code) for frame in frames):
                frames = [*without_ours(reversed(original(task)), _code_of)][:limit][::-1]
        except BaseException as error:
            hide_frame(error)
            raise
        return frames

    return get_stack


_code_of: Final = attrgetter("f_code")


_LOOK_INTO_MEMORY: Final = ("greenback._impl",)
"""The modules that look for what `get_coro` returns in the memory of a task."""

renew_in_child(spawns.clear)  # nothing is recorded there
