"""Finds the function that a task runs: from its coroutine to the frame that names it.

Backends and libraries wrap runners around the user's function. A runner is known by its name, so no
backend is imported.
"""

from __future__ import annotations

import gc
from inspect import getclosurevars
from types import CodeType, CoroutineType
from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.awaits import is_defined_in, unstepped
from tracetools.core.frame_locals import locals_of
from tracetools.core.interruptions import is_interruption
from tracetools.core.labels import code_frame, memoised_frames, stable_name
from tracetools.core.stacks import Frame
from tracetools.instruments.stepped import SteppedCoroutine
from tracetools.recording.notebooks import is_of_kernel
from tracetools.recording.spans import function_frame, observed_frame, observed_function_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["RUNNERS", "is_of_runtime", "plain_frame", "task_function"]

_code_frame: Final = memoised_frames()


def _coroutine(found: Any) -> Any:
    """Return `found` if it is a coroutine.

    Raises:
        KeyError: it is none.
    """
    if not hasattr(found, "cr_code"):
        raise KeyError
    return found


def _file_of_cell(names: Mapping[str, Any]) -> str:
    """Return the file of the cell that IPython runs, or is about to run."""
    if "cell_name" in names:
        return str(names["cell_name"])
    shell, cell = names["self"], names["raw_cell"]
    transformed = names.get("transformed_cell") or cell
    return str(shell.compile.get_code_name(cell, transformed, shell.execution_count))


_RUNNERS: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    "run.<locals>.wrapper": lambda names: _coroutine(names["main"]),  # uvloop's
    # trio, around awaitables that are not native coroutines
    "Runner.spawn_impl.<locals>.python_wrapper": lambda names: names["orig_coro"],
    "coroutine_or_error.<locals>.python_wrapper": lambda names: names["orig_coro"],
    "AsyncGenerators._finalize_one": lambda names: names["agen"],
    # trio, for calls from foreign threads
    "Run.run_system": lambda names: names["self"].afn,
    "from_thread_run.<locals>.callback.<locals>.await_in_trio_thread_task": (  # before 0.23
        lambda names: getclosurevars(names["unprotected_afn"].__wrapped__).nonlocals["afn"]
    ),
    "greenback_shim": lambda names: names["orig_coro"],
    # anyio's task groups, from 4.14 on; before, they run the user's coroutine itself
    "TaskHandle._run_coro": lambda names: names["self"]._coro,  # noqa: SLF001
    "TaskGroup.start.<locals>.run_coro_with_task_status": lambda names: names["func"],
    # anyio's calls from threads
    "AsyncIOBackend.run_async_from_thread.<locals>.task_wrapper": lambda names: names["func"],
    "BlockingPortal._call_func": lambda names: names["func"],
    # IPython, and its kernel
    "InteractiveShell.run_cell_async": lambda names: Frame("<module>", _file_of_cell(names), 1),
    "_trio_runner.<locals>.loc": lambda names: names["coro"],
    "TrioRunner.__call__.<locals>.loc": lambda names: names["coro"],
}
"""How to get from the local names of a runner that has not started to what it will run."""

RUNNERS: Final = _RUNNERS.keys()
"""The qualified names of the runners."""

_FINISHERS: Final = {"async_generator_athrow": "aclose", "async_generator_asend": "asend"}
"""What loops make tasks of to finish an async generator, and the method that made it."""


_OF_RUNTIME: Final = {
    "BaseEventLoop.shutdown_asyncgens": ("asyncio.base_events",),
    "BaseEventLoop.shutdown_default_executor": ("asyncio.base_events",),
    "LifespanOn.main": ("uvicorn.lifespan.on",),
    "Lifespan.handle_lifespan": ("hypercorn.asyncio.lifespan", "hypercorn.trio.lifespan"),
    "LifespanProtocol.startup": ("granian.asgi",),
    "LifespanProtocol.handle": ("granian.asgi",),
    "LifespanProtocol.shutdown": ("granian.asgi",),
    "TCPServer._idle_timeout": ("hypercorn.asyncio.tcp_server", "hypercorn.trio.worker_context"),
}
"""Tasks that are the loop's or the server's own, with the modules of their functions, or of what is
around them and has their names."""

_OF_UVLOOP: Final = {"Loop.shutdown_asyncgens", "Loop.shutdown_default_executor"}


def is_of_runtime(coroutine: Any) -> bool:
    """Whether what a task runs is the loop's, a server's or a notebook kernel's own."""
    coroutine = unstepped(coroutine)
    kind = type(coroutine)
    if kind is CoroutineType:
        modules = _OF_RUNTIME.get(coroutine.__qualname__, ())
        code = coroutine.cr_code
        known = any(is_defined_in(code, module) for module in modules)
        return known or is_of_kernel(code.co_filename)
    return _NAME(kind) == _OF_CYTHON and getattr(coroutine, "__qualname__", None) in _OF_UVLOOP


_OF_CYTHON: Final = "iterable_coroutine"
_NAME: Final = type.__dict__["__name__"].__get__


def task_function(coroutine: Any) -> tuple[Frame, Frame | None]:
    """Return the frame of a new task's function; and again if the function is observed, else None.

    Never raises: an unknown coroutine has the name of its type, and no location.
    """
    while type(coroutine) is SteppedCoroutine:  # of another recording
        coroutine = coroutine.inner
    try:
        if type(coroutine) is CoroutineType:
            known = _plain.get(id(coroutine.cr_code))
            if known is not None and known[0] == coroutine.__qualname__:
                return known[1], None
        return _found(coroutine)
    except Exception as error:  # a foreign object, with attributes of its own making
        if is_interruption(error):
            raise
        return Frame(type(coroutine).__qualname__), None


_MOST_KNOWN: Final = 4096
_plain: Final[dict[int, tuple[str, Frame, CodeType]]] = {}
"""The frames of functions without runner or wrapper, by the identity of their code.

The code is kept, so that no other gets its identity.
"""


def plain_frame(coroutine: Any) -> Frame | None:
    """Return the frame of all tasks whose coroutine has this one's function and name.

    ``None`` if they may have different ones, or it was never asked for.
    """
    known = _plain.get(id(coroutine.cr_code)) if type(coroutine) is CoroutineType else None
    return known[1] if known is not None and known[0] == coroutine.__qualname__ else None


def _found(coroutine: Any) -> tuple[Frame, Frame | None]:
    inner = _inside(coroutine)
    found = _function(inner)
    if type(coroutine) is CoroutineType and found[1] is None:
        name = coroutine.__qualname__
        is_named = inner is coroutine and name.rpartition(".")[2] == coroutine.cr_code.co_name
        # a server has one function of a name, whatever is around it
        if is_named or (name in _OF_RUNTIME and is_of_runtime(coroutine)):
            _remember(coroutine, found[0])
    return found


def _remember(coroutine: Any, frame: Frame) -> None:
    """Remember the frame of a function, all of whose coroutines have the same one."""
    if len(_plain) >= _MOST_KNOWN:
        _plain.clear()
    code = coroutine.cr_code
    _plain[id(code)] = coroutine.__qualname__, frame, code


def _inside(coroutine: Any) -> Any:
    """Return what the runners around it run in the end."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        find = _RUNNERS.get(getattr(coroutine, "__qualname__", ""))
        if find is None:
            return _wrapped(coroutine) or coroutine
        try:
            coroutine = find(locals_of(frame))
        except (KeyError, AttributeError):  # another version of the library
            break
    return coroutine


def _wrapped(coroutine: Any) -> Any:
    """Return the function whose name a wrapper has by `functools.wraps`.

    It is a local variable of the wrapper. anyio's runner of the main function is such a wrapper.
    """
    name = coroutine.__qualname__
    if name.rpartition(".")[2] == coroutine.cr_code.co_name or observed_frame(coroutine):
        return None
    known = locals_of(coroutine.cr_frame).values()
    return next(
        (one for one in known if callable(one) and getattr(one, "__qualname__", None) == name), None
    )


def _function(target: Any) -> tuple[Frame, Frame | None]:
    if type(target) is Frame:
        return target, None
    code = getattr(target, "cr_code", None) or getattr(target, "gi_code", None)
    if code is not None:
        observed = observed_frame(target)
        return observed or _code_frame(target.__qualname__, code), observed
    if callable(target):
        observed = observed_function_frame(target)
        return observed or function_frame(target), observed
    kind = type(target).__qualname__
    if kind in _FINISHERS:
        target = next(one for one in gc.get_referents(target) if hasattr(one, "ag_code"))
    if hasattr(target, "ag_code"):
        finisher = _FINISHERS.get(kind, "aclose")
        return code_frame(f"{target.__qualname__}.{finisher}", target.ag_code), None
    return Frame(stable_name(getattr(target, "__qualname__", kind))), None
