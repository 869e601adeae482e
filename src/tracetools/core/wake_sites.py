"""At which lines of the program tasks are woken.

A site is a place in code, known by a number, which is small and never another one's. It is the
innermost one that is neither a backend's nor ours: a program sets an event, and the event, in code
of the backend, wakes the task. This is the reference of `native/wake_sites.c`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from tracetools.core.native import accelerated
from tracetools.core.stacks import Frame

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["find_wake_site", "frame_of_site", "know_runtime", "set_runtime_folders", "wake_site"]

_MOST_SITES: Final = 8192
_MOST_DEPTH: Final = 24

_sites: Final[list[tuple[CodeType, int]]] = []
_numbers: Final[dict[tuple[int, int], int]] = {}
_folders: tuple[str, ...] = ()
_loop_names: tuple[str, ...] = ()


@accelerated
def find_wake_site() -> int:
    """Return the number of the line of the program that runs just now; 0 if none is known."""
    frame = sys._getframe(1)  # noqa: SLF001  # there is no other way
    for _ in range(_MOST_DEPTH):
        code = frame.f_code
        if not code.co_filename.startswith((*_folders, "<frozen")):
            return _number_of(code, frame.f_lasti, frame.f_lineno)
        if code.co_name in _loop_names or frame.f_back is None:
            return 0
        frame = frame.f_back
    return 0


def _number_of(code: CodeType, instruction: int, line: int | None) -> int:
    key = id(code), instruction  # the site keeps it alive
    found = _numbers.get(key, 0)
    if not found and len(_sites) < _MOST_SITES:
        _sites.append((code, line or code.co_firstlineno))
        found = _numbers[key] = len(_sites)
    return found


@accelerated
def wake_site(number: int) -> tuple[CodeType, int] | None:
    """Return the code and the line of a number; ``None`` if there is none."""
    return _sites[number - 1] if 0 < number <= len(_sites) else None


@accelerated
def set_runtime_folders(folders: tuple[str, ...], loop_names: tuple[str, ...]) -> None:
    """Say whose code is not the program's, and which functions of it run loops.

    Args:
        folders: how the names of its files begin.
        loop_names: the names of functions outside of which there is no task.
    """
    global _folders, _loop_names
    _folders, _loop_names = folders, loop_names


_LOOP_NAMES: Final = (
    "_run",
    "_run_once",
    "guest_tick",
    "run_forever",
    "run_until_complete",
    "unrolled_run",
)

_OWN: Final = ("attribution", "compat", "core", "guest", "instruments", "libraries", "recording")
_PACKAGES: Final = ("asyncio", "trio", "anyio", "sniffio", "uvloop", "outcome")
_OF_PYTHON: Final = ("asyncio", "concurrent", "contextlib", "functools", "queue", "threading")


def know_runtime() -> None:
    """Find out where the backends are that are imported by now."""
    own = os.path.dirname(os.path.dirname(__file__))
    found = [os.path.join(own, name) for name in _OWN]
    found += [os.path.join(os.path.dirname(os.__file__), name) for name in _OF_PYTHON]
    for name in _PACKAGES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str):
            found.append(os.path.dirname(file))
    set_runtime_folders(
        tuple(dict.fromkeys(each + ending for each in found for ending in (os.sep, ".py"))),
        _LOOP_NAMES,
    )


def frame_of_site(number: int) -> Frame | None:
    """Return the frame of a number, with the line at which it was; ``None`` if there is none."""
    site = wake_site(number)
    if site is None:
        return None
    code, line = site
    return Frame(getattr(code, "co_qualname", code.co_name), code.co_filename, line)
