"""Reports to listeners when asyncio loops run, and each task that is created on them.

While there are listeners, methods of the loop classes are replaced by ones that call the listeners
first. Classes, not loops: a loop may be made anywhere, and its first task may be created before it
runs. Methods, not a task factory: the program may set one at any time, and tasks would have other
names.

A task that no loop was asked for is reported by its class (`task_classes`).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from asyncio import AbstractEventLoop, Handle
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakKeyDictionary, WeakSet

from tracetools import compat
from tracetools.attribution.awaits import function_name, note_future
from tracetools.attribution.functions import register_step
from tracetools.compat import asyncio_eager_constructor as eager_constructor
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.guest.messages import common
from tracetools.instruments import (
    asyncio_callbacks,
    loop_state,
    task_classes,
    task_switches,
    wakeups,
)
from tracetools.instruments import stepped as steps
from tracetools.instruments.library_calls import Watch
from tracetools.instruments.patching import Patches, lock
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.instruments.asyncio_spawns import AsyncioSpawns
    from tracetools.instruments.listener import Listener

__all__ = ["listen", "recompose", "reports_wakeups", "spawn_by", "unlisten", "update_methods"]

_OUR_FILES: Final = {
    module.__file__ for module in (steps, asyncio_callbacks, task_classes, task_switches, wakeups)
} | {__file__}

_listeners: tuple[Listener, ...] = ()

# ------------------------------------------------------------------------------ the replacements


def _refuses_to_nest(method: Any) -> bool:
    """Whether a method is asyncio's or uvloop's own: these refuse to run a loop within itself."""
    module = getattr(method, "__module__", None)
    if module is None:  # it is written in C
        module = getattr(getattr(method, "__objclass__", None), "__module__", None)
    return str(module).partition(".")[0] in {"asyncio", "uvloop"}


def _run(original: Callable[..., Any]) -> Callable[..., Any]:
    may_nest = not _refuses_to_nest(original)

    @functools.wraps(original)
    def run(loop: AbstractEventLoop, *args: Any, **options: Any) -> Any:
        nests = loop_state.is_running(loop)
        listeners = _listeners if may_nest or not nests else ()
        try:
            for listener in listeners:
                (listener.nests if nests else listener.starts)(loop)
            return original(loop, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            with Insist() as insist:
                for listener in listeners:
                    insist.do(listener.unnests if nests else listener.stops, loop)

    return run


register_step(_run(len).__code__)  # for what steps tasks by itself, in a callback


def _run_until_complete(original: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the method of a library that does not call `run_forever`, such as nest_asyncio."""
    return original if _refuses_to_nest(original) else _run(original)


def _close(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def close(loop: AbstractEventLoop) -> Any:
        returned = False
        try:
            result = original(loop)
            returned = True
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            is_closed = loop_state.is_closed(loop, otherwise=returned)
            with Insist() as insist:
                for listener in _listeners if is_closed else ():
                    insist.do(listener.closed, loop)
        return result

    return close


def _create_task(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_task(loop: AbstractEventLoop, coro: Any, **options: Any) -> Any:
        try:
            if not asyncio.iscoroutine(coro) or loop_state.is_closed(loop):  # an error
                return original(loop, coro, **options)
            if loop_state.task_factory(loop) is None:
                task = original(loop, _reported(loop, coro, options), **options)
            else:
                task = _made_by_factory(original, loop, coro, options)
        except BaseException as error:
            hide_frame(error)
            raise
        _hide_creation(task)
        return task

    return create_task


def _call_soon(original: Callable[..., Any]) -> Callable[..., Any]:
    uses = wakeups.Uses(
        _reported_callback,
        _hide_creation,
        wakeups.late_tasks,
        wakeups.first_steps,
        compat.ASYNCIO_WAKEUP,
        compat.ASYNCIO_STEPS,
    )
    return wakeups.reported_call_soon(original, uses)


def _reported_callback(callback: Any) -> Any:
    for listener in _listeners:
        callback = listener.scheduled(callback)
    return callback


def _set_task_factory(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def set_task_factory(loop: AbstractEventLoop, factory: Any) -> Any:
        try:
            ours = recomposed(factory)
            if ours is not factory:
                _recomposed.add(loop)
            if factory is not None:
                _report_by_loop(loop)
            return original(loop, ours)
        except BaseException as error:
            hide_frame(error)
            raise

    return set_task_factory


def _run_in_executor(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run_in_executor(loop: AbstractEventLoop, executor: Any, func: Any, *args: Any) -> Any:
        try:
            future = original(loop, executor, func, *args)
        except BaseException as error:
            hide_frame(error)
            raise
        _note(future, lambda: f"run_in_executor ({function_name(func)})")
        _hide_creation(future)
        return future

    return run_in_executor


def _shield(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def shield(*args: Any, **options: Any) -> Any:
        try:
            future = original(*args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        if not any(future is arg for arg in args):
            _note(future, lambda: "shield")
            _hide_creation(future)
        return future

    return shield


def _note(future: Any, name: Callable[[], str]) -> None:
    """Note what a future is for, if anyone records."""
    if _listeners:
        with suppress(Exception):  # a loop of the program may return what it likes
            note_future(future, name())


def _hide_creation(made: Any) -> None:
    """Take our frames out of the traceback that debug mode keeps of each task and handle."""
    frames = compat.asyncio_creation(made)
    if frames:
        frames[:] = [frame for frame in frames if frame.filename not in _OUR_FILES]


# ------------------------------------------------------------------------------------- factories

_accepting: Final[dict[int, tuple[Any, bool]]] = {}
"""The program's task factories by identity, and whether they accept our coroutines."""


_recomposed: Final[WeakSet[AbstractEventLoop]] = WeakSet()
"""Loops that may have a factory of ours."""


def _reported(loop: AbstractEventLoop, coroutine: Any, options: Any) -> Any:
    for listener in _listeners:
        coroutine = listener.created(loop, coroutine, options)
    return coroutine


def _switched(loop: AbstractEventLoop, before: Any, after: Any) -> None:
    for listener in _listeners:
        listener.switched(loop, before, after)


def _made_by_factory(
    original: Callable[..., Any], loop: AbstractEventLoop, coro: Any, options: Any
) -> Any:
    """Create a task by the program's own factory, which may not accept our coroutine.

    A factory that fails without having made a task is called once more with the real coroutine,
    unless it has accepted one of ours before. If it fails again, the first error is raised.
    """
    factory = loop_state.task_factory(loop)
    _, accepts = _accepting.get(id(factory), (factory, None))
    reported = coro if accepts is False else _reported(loop, coro, options)
    try:
        task = original(loop, reported, **options)
        if accepts is None:
            _accepting[id(factory)] = factory, True
    except BaseException as error:
        hide_frame(error)
        if accepts is not None or not isinstance(error, _REFUSALS):
            raise
        if _is_in_use(loop, reported) or not _is_new(coro):
            raise
        try:
            task = original(loop, coro, **options)
        except Exception as refusal:
            if is_interruption(refusal):
                raise
            task = None
        if task is None:
            raise
        _accepting[id(factory)] = factory, False
        for listener in _listeners:
            listener.refused(loop, task, error)
    return task


_REFUSALS: Final = (AssertionError, AttributeError, TypeError)


def _is_new(coroutine: Any) -> bool:
    """Whether a coroutine has neither been started nor closed."""
    frame = getattr(coroutine, "cr_frame", None)
    return frame is not None and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED


def _is_in_use(loop: AbstractEventLoop, coroutine: Any) -> bool:
    """Whether some task has a coroutine of ours, or may have had it."""
    if eager_constructor(loop_state.task_factory(loop)) is not None:
        return True
    return any(compat.asyncio_coroutine(task) is coroutine for task in asyncio.all_tasks(loop))


def recomposed(factory: Any) -> Any:
    """Return an eager task factory with a constructor that reports tasks; any other as it is.

    Libraries take the constructor out of the factory, and create tasks with that. Where the classes
    of tasks report them, any factory stays as it is.
    """
    constructor = eager_constructor(factory)
    if constructor is None or original_factory(factory) is not None:
        return factory
    if task_classes.are_replaced(_patches):
        return factory

    def construct(coro: Any, *, loop: AbstractEventLoop, **options: Any) -> Any:
        try:
            reported = _reported(loop, coro, options) if asyncio.iscoroutine(coro) else coro
            return constructor(reported, loop=loop, **options)
        except BaseException as error:
            hide_frame(error)
            raise

    ours = asyncio.create_eager_task_factory(construct)  # type: ignore[attr-defined]
    ours.__wrapped__ = factory
    return ours


_with_factory: Final[WeakSet[AbstractEventLoop]] = WeakSet()
"""Loops that have had a factory, which may make tasks that are not asyncio's."""


def _report_by_loop(loop: AbstractEventLoop) -> None:
    """Report tasks where a loop is asked for them: its factory may make any, and wrap coroutines.

    Elsewhere their class reports them.
    """
    if loop not in _with_factory:
        _with_factory.add(loop)
        update_methods()


def recompose(loop: AbstractEventLoop) -> None:
    """Let a loop with an eager task factory use one that reports its tasks."""
    factory = loop_state.task_factory(loop)
    if factory is not None:
        _report_by_loop(loop)
    if eager_constructor(factory) is not None:
        loop_state.set_task_factory(loop, factory)  # ours, while there are listeners


def _restore_factories() -> None:
    """Give all loops their own factories back."""
    for loop in tuple(_recomposed):
        factory = original_factory(loop_state.task_factory(loop))
        if factory is not None:
            loop_state.set_task_factory(loop, factory)
    _recomposed.clear()
    _with_factory.clear()


def original_factory(factory: Any) -> Any:
    """Return the factory that the program has set; ``None`` if `factory` is not one of ours."""
    return getattr(factory, "__wrapped__", None) if eager_constructor(factory) else None


# ---------------------------------------------------------------------------------- the patching

_Replacement: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"

_REPLACEMENTS: Final[dict[str, _Replacement]] = {
    "run_forever": _run,
    "run_until_complete": _run_until_complete,
    "close": _close,
    "set_task_factory": _set_task_factory,
    "run_in_executor": _run_in_executor,
}
_BY_LOOP: Final[dict[str, _Replacement]] = {"create_task": _create_task}
_HANDLE: Final = "_run"
"""The method of asyncio's handles that calls a callback."""

_WAKEUPS: Final[dict[str, _Replacement]] = {"call_soon": _call_soon}


_patches: Final = Patches()


def listen(listener: Listener) -> None:
    """Tell `listener` of all loops from now on."""
    global _listeners  # noqa: PLW0603  # replaced as a whole, for those who iterate over it
    with lock():
        if not _listeners:
            _nesting.start(_loop_replaced)
        _listeners = (*_listeners, listener)
        task_classes.spawns.clear()
        update_methods()


def spawn_by(loop: AbstractEventLoop, spawns: AsyncioSpawns | None) -> None:
    """Let `spawns` open accounts of the tasks of a loop, if there is but one listener."""
    if spawns is not None and len(_listeners) == 1:
        task_classes.spawns[loop] = spawns
    else:
        task_classes.spawns.pop(loop, None)


def unlisten(listener: Listener) -> None:
    """Tell `listener` no more; after the last one, all is as it was before."""
    global _listeners  # noqa: PLW0603
    with lock():
        _listeners = tuple(other for other in _listeners if other is not listener)
        task_classes.spawns.clear()
        update_methods()
        if not _listeners:
            _nesting.end(_loop_replaced)


def update_methods() -> None:
    """Have those methods replaced that the listeners need just now, and no others."""
    with lock():
        if not _listeners:
            _patches.undo()
            _accepting.clear()
            _restore_factories()
            return
        task_classes.replace_methods(_patches, _reported, _hide_creation)
        task_switches.replace_functions(_patches, _switched)
        wanted = _wanted()
        _patches.undo(but={*wanted, *_OF_MODULES})
        if _HANDLE in vars(Handle):  # if it is gone, a recording says so
            _patches.replace(Handle, _HANDLE, asyncio_callbacks.measured)
        _patches.replace(AbstractEventLoop, _SUBCLASSING, _subclassing)
        for loop_class in _loop_classes():
            _replace_methods(loop_class, wanted)
        for module in (asyncio, asyncio.tasks):
            _patches.replace(module, _SHIELD, _shield)


def _loop_replaced(_loop: Any = None) -> None:
    """Replace the methods of a loop that a library lets run within itself, by its own methods."""
    update_methods()


_nesting: Final = Watch(("nest_asyncio", "nest_asyncio2"), "_patch_loop")
_OF_MODULES: Final = (*task_classes.NAMES, *task_switches.NAMES)


def check_methods(loop: AbstractEventLoop) -> None:
    """Replace the methods of a loop's class once more if other code has replaced them since."""
    kind = type(loop)
    if _known_runs.get(kind) is not kind.run_forever:
        update_methods()
        _known_runs[kind] = kind.run_forever


_known_runs: Final[WeakKeyDictionary[type, Any]] = WeakKeyDictionary()
"""What each class of loops runs by, since its methods were replaced."""


def reports_wakeups(loop: AbstractEventLoop) -> bool:
    """Whether each callback that is scheduled on this loop is reported."""
    return _patches.has(getattr(type(loop), "call_soon", None))


_SUBCLASSING: Final = "__init_subclass__"


def _wanted() -> dict[str, _Replacement | None]:
    if not _listeners:
        return {}
    by_class = task_classes.are_replaced(_patches)
    wants_wakeups = any(listener.wants_wakeups for listener in _listeners)
    return {
        **_REPLACEMENTS,
        **({} if by_class and not _with_factory else _BY_LOOP),
        **({} if by_class and not wants_wakeups else _WAKEUPS),  # then tasks are found as they wake
        _SUBCLASSING: None,
        _HANDLE: None,
        _SHIELD: None,
    }


_SHIELD: Final = "shield"
"""The only function whose futures cannot be told otherwise."""


def _subclassing(_: Any) -> Any:
    return classmethod(_replace_in_new_class)


def _replace_in_new_class(loop_class: type, /, **options: Any) -> None:
    """Take the place of what Python calls when a class of loops is made, which we replace too."""
    super(AbstractEventLoop, loop_class).__init_subclass__(**options)  # type: ignore[misc]
    with lock():
        _replace_methods(loop_class, _wanted())


def _loop_classes(base: type = AbstractEventLoop) -> Iterator[type]:
    """Walk over all classes of loops that there are, each after its bases."""
    derived: type
    for derived in base.__subclasses__():
        yield derived
        yield from _loop_classes(derived)


def _replace_methods(loop_class: type, wanted: dict[str, _Replacement | None]) -> None:
    """Replace the methods that a class has of its own or inherits."""
    for name, replacement in wanted.items():
        owner = next((known for known in loop_class.__mro__ if name in vars(known)), object)
        if replacement is None or owner in (AbstractEventLoop, object):
            continue
        try:
            _patches.replace(owner, name, replacement)
        except TypeError:  # it is written in C, as uvloop's; the class that derives from it is not
            try:
                _patches.replace(loop_class, name, replacement)
            except TypeError:
                common.warning("the loops of %r cannot be recorded: it is immutable", loop_class)
                return
