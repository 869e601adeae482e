"""Every private name of trio, asyncio, uvloop and CPython that we lean on, in one place.

A name that is gone costs a part of what is recorded, never the program: `missing` says which part.
Nothing here imports a backend; it looks into what the program has imported.
"""

from __future__ import annotations

import _thread
import gc
import math
import os
import sys
import threading
import weakref
from _thread import get_ident
from collections import deque
from functools import cache, partial
from itertools import chain, compress, islice, pairwise, starmap, takewhile, tee
from operator import attrgetter, is_not, methodcaller
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

__all__ = [
    "ASYNCIO_QUEUES",
    "ASYNCIO_STEPS",
    "ASYNCIO_WAKEUP",
    "FORKS_FOR_EXEC",
    "IMMUTABLE",
    "TRIO_THREAD_FUNCTION",
    "Delivery",
    "ProcessStarter",
    "anyio_delivery",
    "anyio_has_deadline",
    "asyncio_call_next",
    "asyncio_calls_protocol",
    "asyncio_coroutine",
    "asyncio_creation",
    "asyncio_eager_constructor",
    "asyncio_future_class",
    "asyncio_handle",
    "asyncio_handle_slots",
    "asyncio_is_gathering",
    "asyncio_is_of_future",
    "asyncio_is_rearmed",
    "asyncio_is_step",
    "asyncio_lateness",
    "asyncio_loops_of_tasks",
    "asyncio_name",
    "asyncio_poller",
    "asyncio_protocol_method",
    "asyncio_replace_callbacks",
    "asyncio_running_loop",
    "asyncio_steps",
    "asyncio_task_class",
    "asyncio_task_classes",
    "asyncio_tasks",
    "asyncio_waits",
    "asyncio_wakeup_fd",
    "borrowers_of",
    "clock_of_native_thread",
    "code_of",
    "deadline_of",
    "forget_classes",
    "frames_of_thread",
    "getframe",
    "greenback_set_coroutine",
    "immutable_flag",
    "innermost_frame",
    "is_asyncio_group",
    "is_limiter",
    "is_lock",
    "is_of_asyncio",
    "is_of_tornado",
    "is_parked_for",
    "is_trio_condition",
    "knows_owner",
    "mark_coroutine_function",
    "missing",
    "name_of_thread",
    "native_thread",
    "owner_of_lock",
    "pending_call",
    "process_starter",
    "resource_class",
    "runpy_run_module",
    "runs_loop",
    "stored",
    "this_thread",
    "threads_running",
    "tokens_taken",
    "tornado_callback",
    "trio_checkpoint",
    "trio_detached",
    "trio_guest_code",
    "trio_has_deadline",
    "trio_instruments",
    "trio_is_guest",
    "trio_is_guest_tick",
    "trio_is_waiting",
    "trio_lateness",
    "trio_nursery_awaited",
    "trio_poller",
    "trio_rebind",
    "trio_run_module",
    "trio_runner",
    "trio_scheduling_code",
    "trio_step_code",
    "uvloop_class",
    "why_not",
]


class _Name(NamedTuple):
    """A private name, and what is lost without it."""

    module: str
    path: str
    lost: str


_NAMES: Final = (
    _Name(
        "trio._core._run",
        "setup_runner",
        "record() and tracetools run see no trio run; FlamegraphInstrument does",
    ),
    _Name(
        "trio._core._run",
        "GLOBAL_RUN_CONTEXT",
        "an instrument that is added to a running loop starts with the next step, and one that is"
        " removed records on",
    ),
    _Name(
        "trio._core._run",
        "Task._next_send_fn",
        "the first step of each task that was scheduled when an instrument was added is not seen",
    ),
    _Name(
        "trio._core._run",
        "Runner.is_guest",
        "the time of a run in guest mode is counted beside that of its host",
    ),
    _Name(
        "trio._core._run", "unrolled_run", "functions below trio's own frames are not told apart"
    ),
    _Name(
        "trio._core._traps",
        "CancelShieldedCheckpoint",
        "tasks that wake themselves are not counted",
    ),
    _Name(
        "trio._core._traps",
        "PermanentlyDetachCoroutineObject",
        "each exit of a trio task costs as much as without the native core",
    ),
    _Name(
        "trio._core._run",
        "Runner.reschedule",
        "scheduled time on trio costs as much as without the native core",
    ),
    _Name(
        "trio._core._run",
        "CancelStatus.effectively_cancelled",
        "a timer of trio that is late counts from when it wakes its task, not from its deadline",
    ),
    _Name("trio._threads", "start_thread_soon", "the work of trio's threads is not seen"),
    _Name(
        "anyio._backends._asyncio",
        "CancelScope._deliver_cancellation",
        "a task that anyio cancels again and again is not named",
    ),
    _Name("anyio._backends._asyncio", "Queue", "the work of anyio's threads is not seen"),
    _Name("asyncio.events", "Handle._run", "callbacks of asyncio are not told apart"),
    _Name("asyncio.events", "Handle._loop", "callbacks of asyncio are not told apart"),
    _Name("asyncio.events", "Handle._args", "callbacks of asyncio are not told apart"),
    _Name("asyncio.events", "Handle._callback", "tasks that were scheduled miss one step"),
    _Name("asyncio.events", "Handle._source_traceback", "debug mode shows frames of tracetools"),
    _Name("asyncio.tasks", "_GatheringFuture", "a gather that is awaited is named Future"),
    _Name("asyncio.events", "_get_running_loop", "spans outside of tasks are taken for a thread's"),
    _Name(
        "_posixsubprocess",
        "fork_exec",
        "processes that the program spawns by multiprocessing are not recorded",
    ),
    _Name(
        "tornado.ioloop", "IOLoop._run_callback", "callbacks of tornado have the name of its own"
    ),
    _Name("asyncio.tasks", "Task._fut_waiter", "a dump says of no asyncio task what it waits for"),
    _Name(
        "asyncio.tasks",
        "_all_tasks" if sys.version_info < (3, 12) else "_scheduled_tasks",
        "a dump has no asyncio tasks, or on Python 3.14 none of other classes than asyncio's",
    ),
    _Name(
        "anyio._backends._asyncio",
        "_task_states",
        "a dump takes a wait for a deadlock that a deadline of anyio on asyncio ends",
    ),
    _Name("trio._core._run", "Runner.entry_queue", "a dump has no trio tasks"),
    _Name("trio._core._run", "Runner.init_task", "a dump has no trio tasks"),
    _Name("trio._core._run", "Task._abort_func", "a dump takes waiting trio tasks for ready ones"),
    _Name(
        "trio._core._run",
        "Task._cancel_status",
        "a dump takes a wait for a deadlock that a deadline of trio ends",
    ),
    _Name(
        "trio._sync",
        "_LockImpl.__attrs_attrs__._owner",
        "a dump does not say who has trio's locks",
    ),
    _Name("sys", "_current_frames", "functions and blocking lines are not sampled"),
    _Name("sys", "_getframe", "spans have no line"),
)


def missing() -> Iterator[str]:
    """Give a sentence for each private name that is gone, of what the program has imported."""
    for module, path, lost in _NAMES:
        found: Any = sys.modules.get(module)
        if found is None:
            continue
        for name in path.split("."):
            found = getattr(found, name, _GONE)
        if found is _GONE:
            yield f"{module}.{path} is gone: {lost}"
    if _thread_states() is None and _may_have_interpreters():
        yield "ctypes cannot be used: nothing is sampled, for other interpreters may be there"


_GONE: Final = object()


def why_not() -> str | None:
    """Return why this interpreter cannot be recorded; ``None`` if it can."""
    is_gil_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    if is_gil_enabled():
        return None
    return (
        "a free-threaded Python without its GIL cannot be recorded: reading the frames of another"
        " thread is not safe there; start it with PYTHON_GIL=1, or use the usual build"
    )


def _no_frame(_: int) -> None:
    """Stand in for `sys._getframe` where it is gone."""


getframe: Final[Callable[[int], FrameType | None]] = getattr(sys, "_getframe", _no_frame)
"""Return a frame of this thread, the caller's for 0; None where that is gone."""

_current_frames: Final[Callable[[], dict[int, FrameType]]] = getattr(sys, "_current_frames", dict)


# -- the frames of another thread ----------------------------------------------------------------
# `sys._current_frames` lists those of all interpreters. From Python 3.12 on, another interpreter
# may run without our GIL and have a memory allocator of its own: the frame objects that are made
# for its threads end the process. So a thread is looked for among those of this interpreter.


class _ThreadStates(NamedTuple):
    """Functions of Python's C API. None of them releases the GIL."""

    current: Callable[[], int]
    first: Callable[[], int | None]
    following: Callable[[int], int | None]
    number: Callable[[int], int]
    frame: Callable[[int], FrameType]


@cache
def _thread_states() -> _ThreadStates | None:
    """Return what finds the threads of this interpreter; None where ctypes cannot."""
    try:
        from ctypes import (  # noqa: PLC0415  # takes a while
            PYFUNCTYPE,
            c_uint64,
            c_void_p,
            py_object,
            pythonapi,
        )

        one, of_one = PYFUNCTYPE(c_void_p), PYFUNCTYPE(c_void_p, c_void_p)
        return _ThreadStates(
            one(("PyThreadState_Get", pythonapi)),
            partial(
                of_one(("PyInterpreterState_ThreadHead", pythonapi)),
                one(("PyInterpreterState_Get", pythonapi))(),
            ),
            of_one(("PyThreadState_Next", pythonapi)),
            PYFUNCTYPE(c_uint64, c_void_p)(("PyThreadState_GetID", pythonapi)),
            PYFUNCTYPE(py_object, c_void_p)(("PyThreadState_GetFrame", pythonapi)),
        )
    except Exception:  # noqa: BLE001  # no ctypes, or no such functions
        return None


_numbers: Final[dict[int, int]] = {}
"""The number of each noted thread's state, by its identity. A number is never used again."""


def this_thread() -> int:
    """Return the identity of this thread, and note how `innermost_frame` finds it."""
    here, states = get_ident(), _thread_states()
    if states is not None:
        _numbers[here] = states.number(states.current())
    return here


def _all_frames() -> Iterator[dict[int, FrameType]]:
    """Yield the innermost frame of each thread, once.

    Up to Python 3.11, objects that are made may begin a collection of garbage. Within
    `sys._current_frames` it would wait for ever: what belongs to threads takes a lock, to be
    cleared, that the call holds (gh-106883). So there is none meanwhile. All of it consists of C
    functions, so that no other thread sees that.
    """
    if not _COLLECTS_ANYWHERE:
        return starmap(_current_frames, ((),))
    was: list[bool] = []
    found: list[dict[int, FrameType]] = []
    before = (
        partial(was.extend, starmap(gc.isenabled, ((),))),
        gc.disable,
        partial(found.extend, starmap(_current_frames, ((),))),
    )
    calls = chain(before, compress((gc.enable,), was), (found.pop,))
    return filter(None, map(methodcaller("__call__"), calls))


_COLLECTS_ANYWHERE: Final = sys.version_info < (3, 12)


def innermost_frame(thread: int) -> Iterator[Any]:
    """Yield the innermost frame of a thread that was noted; None if it has ended.

    What it returns consists of C functions, so that no other thread runs meanwhile.
    """
    states, wanted = _thread_states(), _numbers.get(thread)
    if states is None:
        if _may_have_interpreters():
            return iter((None,))
        return map(methodcaller("get", thread), _all_frames())
    if wanted is None:
        return iter((None,))
    known: list[int] = []
    # Each state that is found is appended, and asked for the next one.
    more: Iterator[Any] = chain(starmap(states.first, ((),)), map(states.following, known))
    walk = partial(known.extend, takewhile(partial(is_not, None), more))
    found = compress(known, map(wanted.__eq__, map(states.number, known)))
    calls = (walk, partial(next, map(states.frame, found), None))
    return islice(map(methodcaller("__call__"), calls), 1, None)


def native_thread() -> int:
    """Return the number that the operating system has for this thread; 0 if it is not known."""
    get: Callable[[], int] = getattr(_thread, "get_native_id", int)
    return get()


def frames_of_thread(thread: int) -> Iterator[Any]:
    """Yield the innermost frame of a thread, noted or not; None if that is not safe to ask for."""
    if _may_have_interpreters():
        return innermost_frame(thread)
    return map(methodcaller("get", thread), _all_frames())


def frames_of_threads() -> list[FrameType]:
    """Return the innermost frame of each thread; none if that is not safe to ask for."""
    return [] if _may_have_interpreters() else list(next(_all_frames()).values())


def clock_of_native_thread(native: int) -> int:
    """Return the number of the clock of a thread's CPU time on Linux, by the thread's number."""
    return (~native << 3) | _CPUCLOCK_OF_THREAD


_CPUCLOCK_OF_THREAD: Final = 6
"""``CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED`` of Linux's ``posix-timers.h``."""


def _may_have_interpreters() -> bool:
    """Whether the program may have made an interpreter that has a GIL of its own."""
    return sys.version_info >= (3, 12) and not sys.modules.keys().isdisjoint(_MAKERS)


_MAKERS: Final = ("_interpreters", "_xxsubinterpreters", "_testcapi", "_testinternalcapi")
"""The modules that make interpreters."""


def unlist_thread(thread: int) -> None:
    """Have `threading` not know a thread any more, by its identity."""
    getattr(threading, "_active", {}).pop(thread, None)


def thread_name() -> str:
    """Return the name of this thread, if `threading` knows it: it would make one up."""
    thread = getattr(threading, "_active", {}).get(get_ident())
    return "Thread" if thread is None else str(thread.name)


def list_thread(identity: int, thread: threading.Thread) -> None:
    """Have `threading` know a thread again."""
    active = getattr(threading, "_active", None)
    if active is not None:
        active[identity] = thread


LOGGING_IS_INTERNAL: Final = "_is_internal_frame"
"""The function of logging that says which frames are not the program's; it came with 3.11."""

WALK_STACK_HOPS: Final = (
    0 if sys.version_info >= (3, 14) else 4 if sys.version_info >= (3, 11) else 2
)
"""How far `traceback.walk_stack` goes, from where it is iterated over, to find where it was called.

It looks for that when it is called, from Python 3.14 on.
"""

WARN_OF_UNAWAITED: Final = "_warn_unawaited_coroutine"
"""The function of warnings that Python calls for coroutines that were never awaited."""


def pending_call(function: Callable[[], object]) -> Callable[[], object] | None:
    """Return what has a function called soon: by the main thread, between two instructions.

    It consists of C functions, so what called it comes to its end first. None where ctypes cannot.

    Python calls a function of C that returns 0. `PyObject_IsTrue` is one.
    """
    try:
        from ctypes import c_void_p, cast, pythonapi  # noqa: PLC0415  # takes a while

        call = cast(pythonapi.PyObject_IsTrue, c_void_p)
        asked = _Asked(function)
        _all_asked.append(asked)
        return partial(pythonapi.Py_AddPendingCall, call, c_void_p(id(asked)))
    except Exception:  # noqa: BLE001  # no ctypes, or no such function
        return None


class _Asked:
    """An object that calls a function when it is asked whether it is true; it is not."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def __bool__(self) -> bool:
        self._function()
        return False


_all_asked: Final[list[_Asked]] = []


FORKS_FOR_EXEC: Final = {("subprocess", "_execute_child"), ("os", "_spawnvef")}
"""The functions that fork to run another program at once, by their modules."""


def runpy_run_module() -> Callable[..., object]:
    """Return the function that `python -m` runs a module with. runpy is imported for it."""
    import runpy  # noqa: PLC0415  # not before: a script should not see it

    run: Callable[..., object] = runpy._run_module_as_main  # type: ignore[attr-defined]  # noqa: SLF001
    return run


class ProcessStarter(NamedTuple):
    """The function by which multiprocessing starts a process.

    Attributes:
        module: its module.
        name: its name.
        command: which argument is the command line.
        environment: which argument is the environment; None there for that of this process.
        pack: makes that argument of a mapping.
    """

    module: str
    name: str
    command: int
    environment: int
    pack: Callable[[Mapping[str, str]], Any]


def process_starter() -> ProcessStarter:
    """Return the function by which multiprocessing starts a process on this system."""
    if sys.platform == "win32":
        return ProcessStarter("_winapi", "CreateProcess", 1, 6, dict)
    return ProcessStarter("_posixsubprocess", "fork_exec", 0, 5, _packed)


def _packed(environment: Mapping[str, str]) -> list[bytes]:
    return [os.fsencode(f"{name}={value}") for name, value in environment.items()]


def greenback_set_coroutine(task: Any, coroutine: Any) -> bool:
    """Give an asyncio task another coroutine as greenback does; return whether that was done."""
    put = getattr(sys.modules.get("greenback._impl"), "set_aio_task_coro", None)
    if put is None:
        return False
    put(task, coroutine)
    return True


def trio_instruments() -> Any:
    """Return what trio knows the instruments of this thread's run by; None outside of a run."""
    context = getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None)
    runner = getattr(context, "runner", None)
    instruments = getattr(runner, "instruments", None)
    try:
        return None if instruments is None else instruments["_all"]
    except (KeyError, TypeError):
        return None


def trio_is_guest_tick(name: str) -> bool:
    """Whether a callback lets a trio run in guest mode go on, by its qualified name."""
    return name in _GUEST_TICKS


_GUEST_TICKS: Final = {
    "GuestState.guest_tick",
    "GuestState.guest_tick.<locals>.deliver.<locals>.in_main_thread",
}


def trio_poller() -> Any:
    """Return what the trio run of this thread waits for events with; None if that is unknown."""
    context = getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None)
    poller = getattr(getattr(context, "runner", None), "io_manager", None)
    return poller if hasattr(type(poller), "get_events") else None


def trio_is_guest() -> bool:
    """Whether this thread's run is in guest mode."""
    context = getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None)
    return getattr(getattr(context, "runner", None), "is_guest", False) is True


def trio_lateness(task: Any) -> int:
    """Return for how many nanoseconds a deadline has passed that has cancelled a trio task.

    Less than 0 if none has.
    """
    status = getattr(task, "_cancel_status", None)
    if not getattr(status, "effectively_cancelled", False):
        return -1
    context = getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None)
    now: float = context.runner.clock.current_time()  # type: ignore[union-attr]  # it runs here
    passed = -1.0
    while status is not None and passed < 0:
        scope = getattr(status, "_scope", None)
        passed = now - getattr(scope, "_deadline", math.inf)
        status = None if getattr(scope, "_shield", True) else getattr(status, "_parent", None)
    return round(passed * 1e9) if 0 <= passed < _LONG_AGO else -1


_LONG_AGO: Final = 1e8
"""Seconds: a deadline before that, such as minus infinity, is how a program cancels at once."""


def trio_rebind(task: Any) -> None:
    """Have the next step of a trio task that is scheduled already go to its new coroutine."""
    scheduled = getattr(getattr(task, "_next_send_fn", None), "__name__", "")
    if scheduled in {"send", "throw"}:
        task._next_send_fn = getattr(task.coro, scheduled)  # noqa: SLF001


def trio_step_code() -> Any:
    """Return the code of trio's function that steps tasks; None if it is gone."""
    run = getattr(trio_run_module(), "unrolled_run", None)
    return getattr(run, "__code__", None)


TRIO_THREAD_FUNCTION: Final = "sync_fn"
"""The name by which trio's thread function knows the program's."""


def trio_checkpoint() -> object:
    """Return what a trio task yields at a checkpoint; something else if the name is gone."""
    traps = sys.modules.get("trio._core._traps")
    return getattr(traps, "CancelShieldedCheckpoint", _GONE)


def trio_detached() -> type | None:
    """Return the type of what a coroutine yields to leave its trio task; None if it is gone."""
    found = getattr(sys.modules.get("trio._core._traps"), "PermanentlyDetachCoroutineObject", None)
    return found if isinstance(found, type) else None


def trio_scheduling_code() -> CodeType | None:
    """Return the code of trio's function that makes a task runnable.

    It reads the coroutine's `send` then, as nothing else in trio does. None if it does not.
    """
    runner = getattr(trio_run_module(), "Runner", None)
    code = getattr(getattr(runner, "reschedule", None), "__code__", None)
    return code if code is not None and {"coro", "send"} <= {*code.co_names} else None


_found: Final[dict[str, Any]] = {}


def trio_run_module() -> Any:
    """Return trio's module that makes runners and runs them, as it was imported first."""
    module = sys.modules.get("trio._core._run")
    return _found.get("trio") or (_found.setdefault("trio", module) if module else None)


def asyncio_creation(made: Any) -> Any:
    """Return the frames that debug mode keeps of where a task or handle was made."""
    return getattr(made, "_source_traceback", None)


def asyncio_task_classes() -> Iterator[type]:
    """Yield asyncio's own classes of tasks: the one in C, and the one in Python."""
    for module, name in (("_asyncio", "Task"), ("asyncio.tasks", "_PyTask")):
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type):
            yield found


def asyncio_coroutine(task: Any) -> Any:
    """Return what a task of asyncio's runs; for a task of another kind, what it says.

    A task that was never initialised has none, and asking it by `get_coro` ends Python 3.12.1.
    """
    try:
        return object.__getattribute__(task, "_coro")
    except AttributeError:
        return getattr(task, "get_coro", _nothing)()


def mark_coroutine_function(function: Any) -> Any:
    """Return a function that returns coroutines, known as a coroutine function from now on.

    Before Python 3.12 only asyncio and those who ask it can be told.
    """
    import inspect  # noqa: PLC0415  # dear to import, and needed only here

    mark = getattr(inspect, "markcoroutinefunction", None)
    if mark is not None:
        return mark(function)
    marker = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)
    if marker is not None:
        function._is_coroutine = marker  # noqa: SLF001  # what asyncio looks at
    return function


def _nothing() -> None:
    """Stand in for a method that a task class of the program does not have."""


IMMUTABLE: Final = 1
"""`Py_TPFLAGS_IMMUTABLETYPE`, in the byte that `immutable_flag` returns."""


def immutable_flag(kind: type) -> Any:
    """Return the byte of a class, of ctypes, that says whether it is immutable.

    What else is in that byte never changes, so it may be written while other threads run.

    Raises:
        TypeError: the flags of the class are not where they are known to be.
        Exception: there is no ctypes, or an audit hook of the program forbids it.
    """
    import ctypes  # noqa: PLC0415  # takes a while

    word = ctypes.sizeof(ctypes.c_void_p)
    start = id(kind) + object.__basicsize__
    size = ctypes.c_ssize_t.from_address(start + 2 * word)
    flags = ctypes.c_ulong.from_address(start + 19 * word)
    second = 1 if sys.byteorder == "little" else ctypes.sizeof(flags) - 2
    if (size.value, flags.value) != (kind.__basicsize__, kind.__flags__):
        raise TypeError(f"the flags of {kind!r} are not where they are known to be")
    return ctypes.c_uint8.from_address(start + 19 * word + second)


def asyncio_eager_constructor(factory: Any) -> Callable[..., Any] | None:
    """Return what an eager task factory makes its tasks with; None for any other factory.

    They are known by their code. anyio does the same.
    """
    eager = getattr(sys.modules.get("asyncio"), "eager_task_factory", None)
    if eager is None or getattr(factory, "__code__", None) is not eager.__code__:
        return None
    constructor: Callable[..., Any] = factory.__closure__[0].cell_contents
    return constructor


def asyncio_is_step(callback: Any) -> bool:
    """Whether a callback of asyncio's steps a task, its `__self__`.

    A callback of another type is asked nothing, for it may be an object of the program.
    """
    kind = type(callback)
    if kind is BuiltinMethodType:
        return bool(callback.__name__ == ASYNCIO_WAKEUP)
    if kind is MethodType:
        function = callback.__func__
        if type(function) is not FunctionType or function.__code__.co_name not in ASYNCIO_STEPS:
            return False  # any object can be bound
        return any(_OF_FUTURES in _VARS(known) for known in _MRO(type(callback.__self__)))
    return bool(_TYPE_NAME(kind) == _FIRST_STEP)


# What types have, whatever their own types say.
_TYPE_NAME: Final = type.__dict__["__name__"].__get__
_BASE: Final = type.__dict__["__base__"].__get__
_MRO: Final = type.__dict__["__mro__"].__get__
_VARS: Final = type.__dict__["__dict__"].__get__


def asyncio_is_of_future(callback: Any) -> bool:
    """Whether a callback is a method of asyncio's futures, in C, such as `set_result`."""
    kind = type(callback)
    is_in_c = kind is BuiltinMethodType or _BASE(kind) is BuiltinMethodType
    return is_in_c and type(callback.__self__) is asyncio_future_class()


def uvloop_class() -> type | None:
    """Return the class of uvloop's loops; None while uvloop is not imported."""
    found = _in_module("uvloop", "Loop")
    return found if isinstance(found, type) else None


def asyncio_poller(loop: Any) -> Any:
    """Return what an asyncio loop waits for events with; None for one in C."""
    poller = getattr(loop, "_selector", None)
    return poller if hasattr(type(poller), "select") else None


def asyncio_lateness(timer: Any) -> int:
    """Return how long ago a timer of asyncio was due, in nanoseconds."""
    late: float = timer._loop.time() - timer.when()  # noqa: SLF001
    return max(round(late * 1e9), 0)  # it may be called a little early


def asyncio_protocol_method(method: Any) -> Any:
    """Return the method of the program's protocol that a method of a transport calls, if one."""
    function = method.__func__
    if type(function) is not FunctionType or not is_of_asyncio(function.__code__):
        return None
    names = _PROTOCOL_METHODS.get(function.__code__.co_name)
    if names is None:
        return None
    protocol = _stored(method.__self__, "_protocol")
    if type(protocol) is _in_module("asyncio.sslproto", "SSLProtocol"):
        protocol = _stored(protocol, "_app_protocol")
    kinds = () if protocol is None else _MRO(type(protocol))
    found = (_VARS(kind)[name] for name in names for kind in kinds if name in _VARS(kind))
    called = next(found, None)
    return called if type(called) is FunctionType else None


def asyncio_calls_protocol(code: CodeType) -> bool:
    """Whether a function of asyncio's may be a method that calls one of the program's protocol."""
    return code.co_name in _PROTOCOL_METHODS


def _stored(owner: Any, name: str) -> Any:
    """Return what an object has stored in an attribute; nothing is computed. None if nothing."""
    try:
        return object.__getattribute__(owner, "__dict__").get(name)
    except (AttributeError, TypeError):
        return None


_PROTOCOL_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "_read_ready": ("data_received", "buffer_updated", "datagram_received"),
    "_call_connection_lost": ("connection_lost",),
}
"""The methods of transports that loops call, and those of protocols that they call in turn."""


def tornado_callback(method: Any, args: tuple[Any, ...]) -> Any:
    """Return what a method of tornado's loops, which asyncio's call, calls in turn; or None.

    That is what was given to `IOLoop.add_callback`, or the handler of a file or socket.
    """
    function = method.__func__
    if not args or type(function) is not FunctionType or not is_of_tornado(function.__code__):
        return None
    code = function.__code__
    if code.co_name == "_run_callback":
        return args[0]
    return (vars(method.__self__).get("handlers", {}).get(args[0]) or (None, None))[1]


def is_of_tornado(code: CodeType) -> bool:
    """Whether a function is a method of tornado's loops that asyncio's call."""
    if code.co_name not in _TORNADO:
        return False
    module = sys.modules.get(_TORNADO[code.co_name])
    return getattr(module, "__file__", None) == code.co_filename


_TORNADO: Final = {
    "_run_callback": "tornado.ioloop",
    "_handle_events": "tornado.platform.asyncio",
}
"""The methods of tornado's loops that asyncio's call, and their modules."""


def asyncio_handle(handle: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """Return the loop of a handle, what it calls, and the arguments."""
    return handle._loop, handle._callback, handle._args  # noqa: SLF001


def asyncio_handle_slots() -> tuple[Any, Any]:
    """Return where asyncio's handles keep what they call, and their loop; None for what is gone."""
    handle = _in_module("asyncio.events", "Handle")
    return getattr(handle, "_callback", None), getattr(handle, "_loop", None)


ASYNCIO_QUEUES: Final = ("_ready", "_scheduled")
"""What asyncio's loops keep handles in: those that are ready, and timers."""


def asyncio_is_rearmed(handle: Any, callback: Any) -> bool:
    """Whether the callback of a handle has just had itself called once more, at once.

    Either as what is ready last; or, where nothing is ready, as the next timer.
    """
    try:
        loop = handle._loop  # noqa: SLF001
        ready = loop._ready  # noqa: SLF001
        following = ready[-1] if ready else loop._scheduled[0]  # noqa: SLF001
        again = following._callback  # noqa: SLF001
    except (AttributeError, LookupError, TypeError):
        return False
    is_same = again is callback or (
        type(callback) is MethodType
        and type(again) is MethodType
        and again.__func__ is callback.__func__
        and again.__self__ is callback.__self__
    )
    return is_same and (bool(ready) or _is_repeated(handle, following))


def _is_repeated(timer: Any, following: Any) -> bool:
    """Whether a timer follows one of the same arguments sooner than a loop can wait."""
    try:
        pause = following._when - timer._when  # noqa: SLF001
        given, again = timer._args, following._args  # noqa: SLF001
        return pause < _SHORTEST_WAIT and list(map(id, given)) == list(map(id, again))
    except (AttributeError, TypeError):  # the first call was no timer
        return False


_SHORTEST_WAIT: Final = 0.001
"""Seconds: epoll waits for whole milliseconds."""


class Delivery(NamedTuple):
    """A callback of anyio that cancels tasks, again and again until they end.

    Attributes:
        host: the task that opened the scope; None if that is not known.
        tasks: the tasks in the scope that have not ended, without the host unless it is alone.
    """

    host: Any
    tasks: list[Any]


def anyio_delivery(method: MethodType) -> Delivery | None:
    """Return what a method cancels, if it is the one by which anyio's scopes on asyncio do so."""
    function = method.__func__
    if type(function) is not FunctionType or function.__code__.co_name != _DELIVERS:
        return None
    if function.__module__ != _ANYIO_ON_ASYNCIO:
        return None
    host = getattr(method.__self__, "_host_task", None)
    scopes, tasks = [method.__self__], list[Any]()
    while scopes:
        scope = scopes.pop()
        tasks += [task for task in getattr(scope, "_tasks", ()) if not task.done()]
        scopes += getattr(scope, "_child_scopes", ())
    return Delivery(host, [task for task in tasks if task is not host] or tasks)


_DELIVERS: Final = "_deliver_cancellation"
_ANYIO_ON_ASYNCIO: Final = "anyio._backends._asyncio"


def is_of_asyncio(code: CodeType | None) -> bool:
    """Whether a function is one of asyncio's own."""
    return code is not None and code.co_filename.startswith(_asyncio_folder())


def runs_loop(code: CodeType) -> bool:
    """Whether a function of asyncio's runs a loop."""
    return code.co_name in _RUN_LOOPS and is_of_asyncio(code)


_RUN_LOOPS: Final = {"run", "run_forever", "run_until_complete"}


def _asyncio_folder() -> str:
    found = _found.get("asyncio")
    if found is None:
        module = sys.modules.get("asyncio")
        if module is None:
            return "?"  # no file
        file = module.__file__ or ""
        found = _found["asyncio"] = file.removesuffix("__init__.py")
    return str(found)


_FIRST_STEP: Final = "TaskStepMethWrapper"
"""The type of the callback that steps a task which no future has woken, in asyncio's C."""

ASYNCIO_WAKEUP: Final = "task_wakeup"
"""The name of the method that steps a task which a future has woken, in asyncio's C."""

ASYNCIO_STEPS: Final = frozenset({"__step", "__wakeup"})
"""The names of the methods that step a task, in asyncio's Python."""

_OF_FUTURES: Final = "_asyncio_future_blocking"
"""What classes of futures and tasks have, whoever has made them; asyncio knows them by it."""


def asyncio_replace_callbacks(loop: Any, replace: Callable[[Any], Any]) -> None:
    """Replace what a loop is going to call next; nothing for loops in C."""
    for handle in tuple(getattr(loop, "_ready", ())):  # other threads may add to it
        handle._callback = replace(handle._callback)  # noqa: SLF001


def asyncio_call_next(loop: Any, callback: Callable[[], object]) -> None:
    """Have a loop call something as soon as the step is over that it is in.

    A loop in C calls what is scheduled already first.
    """
    handle = loop.call_soon(callback)
    ready = getattr(loop, "_ready", None)
    if ready and ready[-1] is handle:
        ready.rotate()


# -- the tasks of a loop, for a dump ---------------------------------------------------------------
# Values are read as objects have stored them: nothing of the program runs.


def stored(owner: Any, name: str) -> Any:
    """Return what an object has stored by a name, or its class as a plain value; else None.

    A property of the program is not asked.
    """
    kind = type(owner)
    key = id(kind), name
    known = _plain_names.get(key)
    if known is None:
        if len(_plain_names) >= _MOST_NAMES:
            _plain_names.clear()
        known = _plain_names[key] = kind, _is_plain(kind, name)
    if not known[1]:
        return None
    try:
        return object.__getattribute__(owner, name)
    except AttributeError:  # an empty slot
        return None


def _is_plain(kind: type, name: str) -> bool:
    """Whether no code of the program runs if an object of a class is asked for a name."""
    found = next((_VARS(each)[name] for each in _MRO(kind) if name in _VARS(each)), None)
    return type(found) in _OF_C or not any("__get__" in _VARS(each) for each in _MRO(type(found)))


_plain_names: Final[dict[tuple[int, str], tuple[type, bool]]] = {}
"""By the identity of a class, which is kept meanwhile, and a name."""

_MOST_NAMES: Final = 1024


def forget_classes() -> None:
    """Forget the classes of the program, which would be kept alive."""
    _plain_names.clear()
    _resource_classes.clear()


_OF_C: Final = {MemberDescriptorType, GetSetDescriptorType}
"""The types of what reads slots, and attributes that are kept by C code."""


def threads_running() -> list[int]:
    """Return the identities of the threads of this interpreter, as far as it is safe to ask."""
    if not _may_have_interpreters():
        return next(map(list, _all_frames()))  # no frame outlives the call
    states = _thread_states()
    if states is not None:
        _note_threads(states)
    return [*_numbers]


def _note_threads(states: _ThreadStates) -> None:
    """Note the threads of this interpreter: the identity and the number of each one's state."""
    known: list[int] = []
    identities: list[int] = []
    numbers: list[int] = []
    try:
        offset, word = _place_of_identity(states.current())
        # As in `innermost_frame`, so that no thread ends meanwhile.
        more: Iterator[Any] = chain(starmap(states.first, ((),)), map(states.following, known))
        read = map(attrgetter("value"), map(word.from_address, map(offset.__add__, known)))
        calls = (
            partial(known.extend, takewhile(partial(is_not, None), more)),
            partial(identities.extend, read),
            partial(numbers.extend, map(states.number, known)),
        )
        deque(map(methodcaller("__call__"), calls), maxlen=0)
    except Exception:  # noqa: BLE001  # no ctypes, or an audit hook that forbids it
        return
    _numbers.update(zip(identities, numbers, strict=False))


def _place_of_identity(start: int) -> tuple[int, Any]:
    """Return where the state of a thread has its identity, and the type of that, of ctypes.

    It is found in the state of this thread, which is at `start`: the number that the system has for
    the thread stands behind it.

    Raises:
        ValueError: it is not there.
    """
    import ctypes  # noqa: PLC0415  # takes a while

    word = ctypes.c_ulong
    size = ctypes.sizeof(word)
    found = [word.from_address(start + size * index).value for index in range(_WORDS)]
    pairs = list(pairwise(found))
    return pairs.index((get_ident(), native_thread())) * size, word


_WORDS: Final = 48
"""How far it is looked for, in words: a state is several times as long."""


def name_of_thread(thread: int) -> str:
    """Return the name of a thread, if `threading` knows it; else nothing."""
    found = stored(getattr(threading, "_active", {}).get(thread), "_name")
    return found if type(found) is str else ""


def code_of(module: str, path: str) -> CodeType | None:
    """Return the code of a function of a module that is imported; None if there is none."""
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    code = getattr(found, "__code__", None)
    return code if isinstance(code, CodeType) else None


def trio_guest_code() -> CodeType | None:
    """Return the code by which a thread of trio waits for events for a run in guest mode."""
    tick = code_of("trio._core._run", "GuestState.guest_tick")
    inner = () if tick is None else tick.co_consts
    codes = (each for each in inner if isinstance(each, CodeType))
    return next((code for code in codes if code.co_name == "get_events"), None)


def trio_runner() -> Any:
    """Return the runner of the trio run in this thread; None if there is none."""
    return getattr(getattr(trio_run_module(), "GLOBAL_RUN_CONTEXT", None), "runner", None)


def trio_is_waiting(task: Any) -> bool:
    """Whether a trio task waits for something, and is not scheduled."""
    return getattr(task, "_abort_func", None) is not None


def trio_has_deadline(task: Any) -> bool:
    """Whether a deadline will cancel what a trio task waits for."""
    status = getattr(task, "_cancel_status", None)
    while status is not None:
        scope = getattr(status, "_scope", None)
        if getattr(scope, "_deadline", _ENDLESS) < _ENDLESS:
            return True
        status = None if getattr(scope, "_shield", True) else getattr(status, "_parent", None)
    return False


_ENDLESS: Final = float("inf")


def trio_nursery_awaited(task: Any) -> Any:
    """Return the nursery at whose end a trio task waits for its children; None if at none."""
    nurseries = getattr(task, "child_nurseries", ())
    waiting = (each for each in nurseries if getattr(each, "_parent_waiting_in_aexit", False))
    return next(waiting, None)


def asyncio_tasks(loop: Any, kept: list[Any] | None = None) -> list[weakref.ref[Any]]:
    """Return weak references to tasks, among them all those of a loop. Some may be over.

    `kept` gets what keeps them alive meanwhile.
    """
    module = sys.modules.get("asyncio.tasks")
    found: list[weakref.ref[Any]] = []
    for name in ("_all_tasks", "_scheduled_tasks"):
        known = _stored(getattr(module, name, None), "data")
        if type(known) is set:
            found += known
    of_c: Any = getattr(sys.modules.get("_asyncio"), "all_tasks", None)
    is_by_loop = of_c is not None and loop is not None  # from 3.14 on
    strong = of_c(loop) if is_by_loop else [*getattr(module, "_eager_tasks", ())]
    if kept is not None:
        kept.append(strong)
    return found + [*map(weakref.ref, strong)]


def asyncio_loops_of_tasks() -> list[Any]:
    """Return the loops that have tasks, as far as asyncio tells without the loop: before 3.14.

    No task is kept alive, and none of another class than asyncio's is asked.
    """
    found: list[Any] = []
    classes = frozenset(asyncio_task_classes())
    tasks, again = tee(map(methodcaller("__call__"), asyncio_tasks(None)))
    of_asyncio = compress(tasks, map(classes.__contains__, map(type, again)))
    found.extend(map(attrgetter("_loop"), of_asyncio))  # in C alone
    return [*{id(loop): loop for loop in found}.values()]


def asyncio_name(task: Any) -> str:
    """Return the name of a task of asyncio."""
    kind = next((kind for kind in asyncio_task_classes() if kind in _MRO(type(task))), None)
    get = getattr(kind, "get_name", None)
    name = stored(task, "_name") if get is None else get(task)
    return name if type(name) is str else ""


def asyncio_waits(future: Any) -> bool:
    """Whether a future or task of asyncio is not done."""
    return bool(stored(future, "_state") == _PENDING)


_PENDING: Final = "PENDING"


def anyio_has_deadline(task: Any) -> bool:
    """Whether a deadline of anyio will cancel what an asyncio task waits for."""
    states = _stored(_in_module("anyio._backends._asyncio", "_task_states"), "data")
    if type(states) is not dict or not _has_plain_hash(type(task)):
        return False
    scope = stored(states.get(weakref.ref(task)), "cancel_scope")
    while scope is not None:
        if (stored(scope, "_deadline") or 0.0) < _ENDLESS:
            return True
        scope = None if stored(scope, "_shield") else stored(scope, "_parent_scope")
    return False


def _has_plain_hash(kind: type) -> bool:
    """Whether objects of a class are hashed and compared by identity, so by no code."""
    return not any(
        {"__hash__", "__eq__"} & _VARS(each).keys() for each in _MRO(kind) if each is not object
    )


def resource_class(kind: type) -> type | None:
    """Return which class of trio's, anyio's or asyncio's a lock, semaphore or limiter is of."""
    known = _resource_classes.get(id(kind))
    if known is None:
        if len(_resource_classes) >= _MOST_NAMES:
            _resource_classes.clear()
        classes = [_in_module(module, name) for module, names in _RESOURCES for name in names]
        found = (each for each in _MRO(kind) if any(each is one for one in classes))
        known = _resource_classes[id(kind)] = kind, next(found, None)
    return known[1]


_resource_classes: Final[dict[int, tuple[type, type | None]]] = {}


_RESOURCES: Final = (
    ("asyncio.locks", ("Lock", "Semaphore", "BoundedSemaphore")),
    ("trio", ("Lock", "StrictFIFOLock", "Semaphore", "CapacityLimiter")),
    ("anyio._backends._asyncio", ("Lock", "Semaphore", "CapacityLimiter")),
    ("anyio._core._synchronization", ("Lock", "Semaphore")),  # before anyio 4.5
)


def owner_of_lock(lock: Any) -> int:
    """Return the identity of the task that has a lock of trio's or anyio's; 0 if nobody has."""
    owner = stored(lock, "_owner")
    owner = stored(lock, "_owner_task") if owner is None else owner
    if type(owner) is _in_module("anyio._core._testing", "TaskInfo"):  # before anyio 4.5
        found = stored(owner, "id")
        return found if type(found) is int else 0
    return 0 if owner is None else id(owner)


def knows_owner(lock: Any) -> bool:
    """Whether a lock knows who has it."""
    return any({"_owner", "_owner_task"} & _names(kind) for kind in _MRO(type(lock)))


def _names(kind: type) -> set[str]:
    """Return the names that a class has, or gives to its objects."""
    return {*_VARS(kind), *getattr(_VARS(kind).get("__init__"), "__code__", _NO_CODE).co_names}


_NO_CODE: Final = (lambda: None).__code__


def is_lock(thing: Any) -> bool:
    """Whether something is a lock of trio's, anyio's or asyncio's."""
    found = resource_class(type(thing))
    return found is not None and _TYPE_NAME(found).endswith("Lock")


def is_asyncio_group(kind: type) -> bool:
    """Whether a class is that of task groups of asyncio's, or of anyio's on asyncio."""
    known = [_in_module(module, "TaskGroup") for module in _GROUPS]
    return any(each is one for each in _MRO(kind) for one in known)


_GROUPS: Final = ("asyncio.taskgroups", "anyio._backends._asyncio")


def is_trio_condition(kind: type) -> bool:
    """Whether a class is that of trio's conditions."""
    return kind is _in_module("trio", "Condition")


def is_parked_for(lock: Any, task: Any) -> bool:
    """Whether a trio task waits for a lock of trio's."""
    parked = stored(stored(lock, "_lot"), "_parked")
    return any(each is task for each in parked or ())


def borrowers_of(limiter: Any) -> list[Any] | None:
    """Return who has the tokens of a limiter of trio's or anyio's; None for anything else."""
    found = stored(limiter, "_borrowers")
    return [*found] if type(found) is set else None


def tokens_taken(semaphore: Any) -> int | None:
    """Return how many tokens of a semaphore are taken; None if it does not know how many it has."""
    most = stored(semaphore, "_max_value")
    most = stored(semaphore, "_bound_value") if most is None else most
    left = stored(semaphore, "_value")
    return most - left if type(most) is int and type(left) is int else None


def deadline_of(manager: Any) -> bool:
    """Whether a context manager is a timeout of asyncio's, or of async-timeout, that has an end."""
    for module, name, moment in _TIMEOUTS:
        if type(manager) is _in_module(module, name):
            return stored(manager, moment) is not None
    return False


_TIMEOUTS: Final = (
    ("asyncio.timeouts", "Timeout", "_when"),
    ("async_timeout", "Timeout", "_deadline"),
)


def _in_module(module: str, name: str) -> Any:
    """Return what a module that is imported has by a name; None if there is none."""
    return getattr(sys.modules.get(module), name, None)


def asyncio_future_class() -> Any:
    """Return the class of asyncio's futures; None while asyncio is not imported."""
    return _in_module("asyncio.futures", "Future")


def asyncio_task_class() -> Any:
    """Return the class of asyncio's tasks; None while asyncio is not imported."""
    return _in_module("asyncio.tasks", "Task")


def asyncio_steps() -> Any:
    """Return C code that returns the task that steps in a loop, or the tasks that step by loop.

    ``None`` if there is neither, for the program has replaced them.
    """
    current = _in_module("asyncio.tasks", "current_task")
    if type(current) is BuiltinMethodType:
        return current
    tasks = _in_module("asyncio.tasks", "_current_tasks")
    return tasks if tasks is _in_module("_asyncio", "_current_tasks") else None


def asyncio_is_gathering(kind: type) -> bool:
    """Whether a class is that of the futures of `asyncio.gather`."""
    return kind is _in_module("asyncio.tasks", "_GatheringFuture")


def is_limiter(kind: type) -> bool:
    """Whether a class is trio's or anyio's of capacity limiters, and not one derived from it."""
    return kind is _in_module("trio", _LIMITER) or kind is _in_module(
        "anyio._backends._asyncio", _LIMITER
    )


_LIMITER: Final = "CapacityLimiter"


def asyncio_running_loop() -> Any:
    """Return the asyncio loop that runs in this thread; None if there is none."""
    # not there while asyncio is being imported
    get = getattr(sys.modules.get("asyncio"), "_get_running_loop", None)
    return None if get is None else get()


def asyncio_wakeup_fd(loop: Any) -> int | None:
    """Return the descriptor that wakes a loop when a byte is written to it; None if unknown."""
    pipe = getattr(loop, "_csock", None)
    return None if pipe is None else int(pipe.fileno())
