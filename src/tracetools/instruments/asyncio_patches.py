"""Reports to listeners when asyncio loops run, and each task that is created on them.

While there are listeners, methods of the loop classes are replaced by ones that call the listeners
first. Classes, not loops: a loop may be made anywhere, and its first task may be created before it
runs. Methods, not a task factory: the program may set one at any time, and tasks would have other
names.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
from asyncio import AbstractEventLoop, Handle
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast
from weakref import WeakSet

from tracetools import compat
from tracetools.attribution.awaits import function_name, note_future
from tracetools.compat import asyncio_eager_constructor as eager_constructor
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.instruments import asyncio_callbacks
from tracetools.instruments import stepped as steps
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.recorder import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Protocol

    class Listener(Protocol):
        """What is called for loops and tasks. It raises no error of its own."""

        @property
        def wants_wakeups(self) -> bool:
            """Whether `scheduled` is called, which costs time."""

        def starts(self, loop: AbstractEventLoop, /) -> None:
            """A loop is about to run."""

        def stops(self, loop: AbstractEventLoop, /) -> None:
            """A loop has stopped; it may run again."""

        def closed(self, loop: AbstractEventLoop, /) -> None:
            """A loop was closed."""

        def created(self, loop: AbstractEventLoop, coroutine: Any, options: Any, /) -> Any:
            """A task is about to be created; return the coroutine that it runs."""

        def refused(self, loop: AbstractEventLoop, task: Any, error: Exception, /) -> None:
            """The program's factory did not take the coroutine, so the task runs its own."""

        def scheduled(self, callback: Any, /) -> Any:
            """A callback is about to be scheduled; return the one that is called."""


__all__ = ["listen", "recompose", "reports_wakeups", "unlisten", "update_methods"]

_OUR_FILES: Final = {__file__, asyncio_callbacks.__file__, steps.__file__}

_listeners: tuple[Listener, ...] = ()
_lock = threading.RLock()

# ------------------------------------------------------------------------------ the replacements


def _run_forever(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run_forever(loop: AbstractEventLoop, *args: Any, **options: Any) -> Any:
        # else it is an error, or a library that lets loops run within themselves
        from_rest = not loop.is_running()
        try:
            for listener in _listeners if from_rest else ():
                listener.starts(loop)
            return original(loop, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            with Insist() as insist:
                for listener in _listeners if from_rest else ():
                    insist.do(listener.stops, loop)

    return run_forever


def _close(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def close(loop: AbstractEventLoop) -> Any:
        try:
            return original(loop)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            with Insist() as insist:
                for listener in _listeners if loop.is_closed() else ():
                    insist.do(listener.closed, loop)

    return close


def _create_task(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_task(loop: AbstractEventLoop, coro: Any, **options: Any) -> Any:
        try:
            if not asyncio.iscoroutine(coro) or loop.is_closed():  # an error
                return original(loop, coro, **options)
            if loop.get_task_factory() is None:
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
    @functools.wraps(original)
    def call_soon(loop: AbstractEventLoop, callback: Any, *args: Any, **options: Any) -> Any:
        interrupt = None
        try:
            for listener in _listeners:
                callback = listener.scheduled(callback)
        except BaseException as error:  # noqa: BLE001  # Ctrl-C: the task must not miss its step
            interrupt = error
        try:
            handle = original(loop, callback, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        if interrupt is not None:
            raise interrupt
        if loop.get_debug():
            _hide_creation(handle)
        return handle

    return call_soon


def _set_task_factory(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def set_task_factory(loop: AbstractEventLoop, factory: Any) -> Any:
        try:
            ours = recomposed(factory)
            if ours is not factory:
                _recomposed.add(loop)
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
        if loop.get_debug():
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


def _made_by_factory(
    original: Callable[..., Any], loop: AbstractEventLoop, coro: Any, options: Any
) -> Any:
    """Create a task by the program's own factory, which may not accept our coroutine.

    A factory that fails without having made a task is called once more with the real coroutine,
    unless it has accepted one of ours before. If it fails again, the first error is raised.
    """
    factory = loop.get_task_factory()
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
    if eager_constructor(loop.get_task_factory()) is not None:
        return True
    return any(
        getattr(task, "get_coro", _nothing)() is coroutine for task in asyncio.all_tasks(loop)
    )


def _nothing() -> None:
    """Stand in for a method that a task class of the program does not have."""


def recomposed(factory: Any) -> Any:
    """Return an eager task factory with a constructor that reports tasks; any other as it is.

    Libraries take the constructor out of the factory, and create tasks with that.
    """
    constructor = eager_constructor(factory)
    if constructor is None or original_factory(factory) is not None:
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


def recompose(loop: AbstractEventLoop) -> None:
    """Let a loop with an eager task factory use one that reports its tasks."""
    factory = loop.get_task_factory()
    if eager_constructor(factory) is not None:
        loop.set_task_factory(factory)  # ours, while there are listeners


def _restore_factories() -> None:
    """Give all loops their own factories back."""
    for loop in tuple(_recomposed):
        factory = original_factory(loop.get_task_factory())
        if factory is not None:
            loop.set_task_factory(factory)
    _recomposed.clear()


def original_factory(factory: Any) -> Any:
    """Return the factory that the program has set; ``None`` if `factory` is not one of ours."""
    return getattr(factory, "__wrapped__", None) if eager_constructor(factory) else None


# ---------------------------------------------------------------------------------- the patching

_Replacement: TypeAlias = "Callable[[Callable[..., Any]], Callable[..., Any]]"

_REPLACEMENTS: Final[dict[str, _Replacement]] = {
    "run_forever": _run_forever,
    "close": _close,
    "create_task": _create_task,
    "set_task_factory": _set_task_factory,
    "run_in_executor": _run_in_executor,
}
_HANDLE: Final = "_run"
"""The method of asyncio's handles that calls a callback."""

_WAKEUPS: Final[dict[str, _Replacement]] = {"call_soon": _call_soon}


class _Patch(NamedTuple):
    """A method of ours in a class; `original` is None if the class had inherited it.

    Or a function of ours in a module.
    """

    owner: type | ModuleType
    name: str
    original: Any
    ours: Any

    def undo(self) -> None:
        """Put the old method back, unless other code has replaced it since."""
        if vars(self.owner).get(self.name) is not self.ours:
            return  # ours passes everything on as long as nobody listens
        if self.original is None:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.original)


_patches: Final[list[_Patch]] = []


def listen(listener: Listener) -> None:
    """Tell `listener` of all loops from now on."""
    global _listeners  # noqa: PLW0603  # replaced as a whole, for those who iterate over it
    with _lock:
        _listeners = (*_listeners, listener)
        update_methods()


def unlisten(listener: Listener) -> None:
    """Tell `listener` no more; after the last one, all is as it was before."""
    global _listeners  # noqa: PLW0603
    with _lock:
        _listeners = tuple(other for other in _listeners if other is not listener)
        update_methods()


def update_methods() -> None:
    """Have those methods replaced that the listeners need just now, and no others."""
    with _lock:
        wanted = _wanted()
        for patch in [patch for patch in _patches[::-1] if patch.name not in wanted]:
            patch.undo()
            _patches.remove(patch)
        if not wanted:
            _accepting.clear()
            _restore_factories()
            return
        original = vars(Handle).get(_HANDLE)  # if it is gone, a recording says so
        if original is not None and not _is_ours(original):
            _replace(Handle, _HANDLE, original, asyncio_callbacks.measured(original))
        if not _is_ours(vars(AbstractEventLoop).get(_SUBCLASSING)):
            _replace(AbstractEventLoop, _SUBCLASSING, None, classmethod(_replace_in_new_class))
        for loop_class in _loop_classes():
            _replace_methods(loop_class, wanted)
        _replace_shield()


def reports_wakeups(loop: AbstractEventLoop) -> bool:
    """Whether each callback that is scheduled on this loop is reported."""
    return _is_ours(getattr(type(loop), "call_soon", None))


_SUBCLASSING: Final = "__init_subclass__"


def _wanted() -> dict[str, _Replacement | None]:
    if not _listeners:
        return {}
    wakeups = any(listener.wants_wakeups for listener in _listeners)
    methods = {**_REPLACEMENTS, **(_WAKEUPS if wakeups else {})}
    return {**methods, _SUBCLASSING: None, _HANDLE: None, _SHIELD: None}


_SHIELD: Final = "shield"


def _replace_shield() -> None:
    """Replace `asyncio.shield`, the only function whose futures cannot be told otherwise."""
    original: Any = asyncio.shield
    if not _is_ours(original):
        ours = _shield(original)
        for module in (asyncio, asyncio.tasks):
            if vars(module).get(_SHIELD) is original:
                _replace(module, _SHIELD, original, ours)


def _replace_in_new_class(loop_class: type, /, **options: Any) -> None:
    """Take the place of what Python calls when a class of loops is made, which we replace too."""
    super(AbstractEventLoop, loop_class).__init_subclass__(**options)  # type: ignore[misc]
    with _lock:
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
        method = vars(owner).get(name)
        if replacement is None or owner in (AbstractEventLoop, object) or _is_ours(method):
            continue
        ours = replacement(cast("Callable[..., Any]", method))
        try:
            _replace(owner, name, method, ours)
        except TypeError:  # it is written in C, as uvloop's; the class that derives from it is not
            try:
                _replace(loop_class, name, None, ours)
            except TypeError:
                logger.warning("the loops of %r cannot be recorded: it is immutable", loop_class)
                return


def _replace(owner: type | ModuleType, name: str, original: Any, ours: Any) -> None:
    patch = _Patch(owner, name, original, ours)
    _patches.append(patch)  # first, in case that Ctrl-C comes
    try:
        setattr(owner, name, ours)
    except TypeError:
        _patches.remove(patch)
        raise


def _is_ours(method: Any) -> bool:
    return any(patch.ours is method for patch in _patches)


def _renew_lock() -> None:
    """In a forked process: the lock may be held by a thread that does not exist here."""
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
