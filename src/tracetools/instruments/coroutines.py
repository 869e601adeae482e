"""Which function a task runs: from its coroutine to the frame that names it.

Backends and libraries put runners of their own around what the user gave them; those are walked
through here. No backend is imported: runners are known by their names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.labels import memoised_frames, stable_name
from tracetools.spans import function_frame, observed_frame
from tracetools.stacks import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["task_function"]

_code_frame: Final = memoised_frames()

_RUNNERS: Final[dict[str, Callable[[Mapping[str, Any]], Any]]] = {
    # trio, around awaitables that are not native coroutines
    "Runner.spawn_impl.<locals>.python_wrapper": lambda names: names["orig_coro"],
    "coroutine_or_error.<locals>.python_wrapper": lambda names: names["orig_coro"],
    # anyio's task groups
    "TaskHandle._run_coro": lambda names: names["self"]._coro,  # noqa: SLF001
    "TaskGroup.start.<locals>.run_coro_with_task_status": lambda names: names["func"],
}
"""How to get from the local names of a runner that has not started to what it is going to run."""


def task_function(coroutine: Any) -> tuple[Frame, Frame | None]:
    """Return the frame of a new task's function; and once more, if that function is observed.

    Never raises: what cannot be told has the name of its type, and no location.
    """
    try:
        return _function(_inside(coroutine))
    except Exception:  # noqa: BLE001  # a foreign object, with attributes of its own making
        return Frame(type(coroutine).__qualname__), None


def _inside(coroutine: Any) -> Any:
    """Walk through the runners around what the user gave."""
    while (find := _RUNNERS.get(getattr(coroutine, "__qualname__", ""))) is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is None:
            break
        try:
            coroutine = find(frame.f_locals)
        except (KeyError, AttributeError):  # another version of the library
            break
    return coroutine


def _function(target: Any) -> tuple[Frame, Frame | None]:
    code = getattr(target, "cr_code", None) or getattr(target, "gi_code", None)
    if code is None:
        if callable(target):
            return function_frame(target), None
        return Frame(stable_name(getattr(target, "__qualname__", type(target).__qualname__))), None
    observed = observed_frame(target)
    return observed or _code_frame(target.__qualname__, code), observed
