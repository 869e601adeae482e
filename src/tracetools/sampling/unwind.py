"""Unwinds a thread from another one: the functions that run in it.

The program notices nothing: the frames of a thread and their code are taken in one call that runs
in C alone. So no frame, and nothing in it, is kept alive while another thread runs.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections import deque
from functools import partial
from itertools import accumulate, chain, compress, repeat, takewhile, tee
from operator import attrgetter, is_, is_not, methodcaller
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.functions import Sample, is_step, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from tracetools.recording.loops import RecordedLoop, RecordedThread

__all__ = [
    "count_of_step",
    "is_of_program",
    "line_at_fault",
    "links_of",
    "locals_in_thread",
    "unwind_between_steps",
    "unwind_step",
    "unwind_thread",
    "without_import",
]

_MOST_FRAMES: Final = 2000
_CALL: Final = methodcaller("__call__")
_CODE: Final = attrgetter("f_code")
_CODE_AND_LINE: Final = attrgetter("f_code", "f_lineno")
_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def unwind_thread(account: RecordedThread) -> Sample | None:
    """Sample a worker thread; None if no span is open in it, or another one by now."""
    opened = account.innermost
    found: list[CodeType] = []
    try:
        _unwinder(account.thread, found, with_lines=False)()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return None
    if opened is None or account.innermost is not opened:
        return None
    return Sample(0, account.base, opened.stack, account.tree, found, [])


def _unwinder(
    thread: int,
    found: list[Any],
    *,
    with_lines: bool,
    is_noted: bool = True,
) -> Callable[[], object]:
    """Return a function that appends the functions of a thread to a list, innermost first.

    It consists of C functions, so that nothing interrupts it.
    """
    top = compat.innermost_frame(thread) if is_noted else compat.frames_of_thread(thread)
    frames = accumulate(chain(top, repeat("f_back", _MOST_FRAMES)), getattr)
    there_are = takewhile(partial(is_not, None), frames)
    unwind = partial(found.extend, map(_CODE_AND_LINE if with_lines else _CODE, there_are))
    return partial(_without_collector, unwind) if _COLLECTS_ANYWHERE else unwind


_COLLECTS_ANYWHERE: Final = sys.version_info < (3, 12)
"""Whether the collector may run at any allocation, and finalisers with it. These may let other
threads run in the middle of a sample. Up to Python 3.11.7 they may also wait for ever, for a lock
that is held while frames are listed (CPython's issue 106883)."""


def _without_collector(unwind: Callable[[], object]) -> None:
    """Unwind with the collector off, again in C alone."""
    was_on: list[bool] = []
    ask = partial(was_on.extend, map(_CALL, (gc.isenabled,)))
    calls = chain((ask, gc.disable, unwind), compress((gc.enable,), was_on))
    try:
        deque(map(_CALL, calls), maxlen=0)
    finally:
        if was_on == [True] and not gc.isenabled():  # an error came between
            gc.enable()


def links_of(thread: int) -> list[tuple[CodeType, int | None]]:
    """Return the functions that any thread runs with their lines, innermost first."""
    found: list[tuple[CodeType, int | None]] = []
    try:
        _unwinder(thread, found, with_lines=True, is_noted=False)()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return []
    return found


def locals_in_thread(
    thread: int, name: str = "", *, code: CodeType | None = None, kind: type | None = None
) -> list[Any]:
    """Return the values of local variables of the functions that a thread runs, innermost first.

    No frame and no other variable is kept alive.

    Args:
        thread: its identity.
        name: of the variable.
        code: of the function that has it.
        kind: instead of both, for all variables of all functions that have exactly this class; on
            Python 3.13 and later. Before, what `locals()` gave the program would be emptied.
    """
    found: list[Any] = []
    scopes: list[Any] = []
    frames = accumulate(
        chain(compat.frames_of_thread(thread), repeat("f_back", _MOST_FRAMES)), getattr
    )
    each, again = tee(takewhile(partial(is_not, None), frames))
    wanted: Iterator[Any]
    values: Iterator[Any]
    if kind is None:
        wanted = map(partial(is_, code), map(_CODE, again))
        values = map(methodcaller("get", name), scopes)
    else:
        wanted = map(_HAS_FAST_LOCALS.__and__, map(attrgetter("f_code.co_flags"), again))
        all_values, their = tee(chain.from_iterable(map(methodcaller("values"), scopes)))
        values = compress(all_values, map(partial(is_, kind), map(type, their)))
    calls: tuple[Callable[[], object], ...] = (
        partial(scopes.extend, map(attrgetter("f_locals"), compress(each, wanted))),
        partial(found.extend, values),
        # before Python 3.13, a frame keeps the dictionary that it gives
        partial(deque, map(methodcaller("clear"), scopes if _FRAMES_KEEP else ()), maxlen=0),
        scopes.clear,
    )
    try:
        _without_collector(partial(deque, map(_CALL, calls), maxlen=0))
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return []
    return found


_HAS_FAST_LOCALS: Final = 0x01  # inspect.CO_OPTIMIZED, which is dear to import
_FRAMES_KEEP: Final = sys.version_info < (3, 13)


def unwind_step(loop: RecordedLoop, *, is_outer: bool, with_lines: bool) -> Sample | None:
    """Sample the step of a loop; None if there is none, or it ended meanwhile.

    Args:
        loop: the loop.
        is_outer: whether another loop runs within the step, in the same thread.
        with_lines: whether the sample has lines.
    """
    found: list[Any] = []
    unwind = _unwinder(loop.thread, found, with_lines=with_lines)
    account = loop.current
    if account is None:
        return None
    began, own = loop.began, account.stack
    try:
        unwind()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return None
    if loop.current is not account or loop.began is not began or account.stack is not own:
        return None
    codes = [link[0] for link in found] if with_lines else found
    lines = [link[1] for link in found] if with_lines else []
    end = count_of_step(codes, is_outer=is_outer)
    return Sample(began, account.base, own, loop.tree, codes[:end], lines[:end])


def count_of_step(codes: list[CodeType], *, is_outer: bool = False) -> int:
    """Return how many of these functions, innermost first, run in a step.

    They end with what steps the task. Where that is C code, as on uvloop, they end with what runs
    the loop. Those of a greenlet have neither: they end where it was started.

    Args:
        codes: the functions.
        is_outer: whether another loop runs within the step, in the same thread.
    """
    ends = [index for index, code in enumerate(codes) if is_step(code)]
    ends = ends or [index for index, code in enumerate(codes) if compat.runs_loop(code)]
    if ends:
        return ends[-1 if is_outer else 0]
    is_of_greenlet = 0 < len(codes) <= _MOST_FRAMES and codes[-1].co_name not in _FIRST_IN_THREADS
    return len(codes) if is_of_greenlet else 0


_FIRST_IN_THREADS: Final = {"<module>", "_run_module_as_main", "_bootstrap"}


def unwind_between_steps(loop: RecordedLoop) -> tuple[int, list[Any]] | None:
    """Sample what a loop that steps no task has called, with lines, innermost first.

    Returns:
        The loop's `began` and the functions; None if a step goes on, or they cannot be told from
        those that have started the loop.
    """
    found: list[Any] = []
    unwind = _unwinder(loop.thread, found, with_lines=True)
    began = loop.began
    if loop.current is not None or not loop.running:
        return None
    try:
        unwind()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return None
    if loop.current is not None or loop.began is not began or not loop.running:
        return None
    starts = (i for i, (code, _) in enumerate(found) if is_step(code) or compat.runs_loop(code))
    end = next(starts, None)
    return None if end is None else (began, found[:end])


def without_import(links: list[tuple[CodeType, int | None]]) -> list[tuple[CodeType, int | None]]:
    """Return the functions without those within an import, innermost first."""
    imports = (
        index for index, (code, _) in enumerate(links) if code.co_filename.startswith(_IMPORTS)
    )
    return links[max(imports, default=-1) + 1 :]


_IMPORTS: Final = "<frozen importlib"


def is_of_program(file: str | None) -> bool:
    """Whether a file is the program's: not Python's own library, and not installed."""
    return file is not None and not (file.startswith((_LIBRARY, "<")) or _INSTALLED.search(file))


def line_at_fault(links: list[tuple[CodeType, int | None]]) -> tuple[str, int] | None:
    """Return the innermost line of the program; or of a library, if there is none."""
    library = None
    for code, line in links:
        file = code.co_filename
        if owner_of(file) == "program":
            if is_of_program(file):
                return file, line or 0
            library = library or (file, line or 0)
    return library
