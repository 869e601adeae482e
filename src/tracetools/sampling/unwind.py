"""A look at what a thread does: the functions that run in it, taken from another thread.

What may live here: how that is done without doing anything to the thread. What must not: when one
looks (`watch`), and what has a frame of what is seen (`functions`).

Nothing is asked of the program: a look takes the frames of a thread and their code in one call that
runs in C alone, so that no frame, and nothing in it, is kept alive while another thread runs.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections import deque
from functools import partial
from itertools import accumulate, chain, compress, repeat, starmap, takewhile
from operator import attrgetter, is_not, methodcaller
from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.functions import Seen, is_step, owner_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

    from tracetools.recording.loops import RecordedLoop, RecordedThread

__all__ = ["line_at_fault", "see", "see_thread"]

_MOST_FRAMES: Final = 2000
_ONCE: Final = ((),)
_CALL: Final = methodcaller("__call__")
_CODE: Final = attrgetter("f_code")
_CODE_AND_LINE: Final = attrgetter("f_code", "f_lineno")
_INSTALLED: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_LIBRARY: Final = os.path.dirname(os.path.abspath(os.__file__)) + os.sep


def see_thread(account: RecordedThread) -> Seen | None:
    """Look at what a worker thread does; None if no span is open in it, or another one by now."""
    opened = account.innermost
    found: list[CodeType] = []
    try:
        _look_into(account.thread, found, with_lines=False)()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return None
    if opened is None or account.innermost is not opened:
        return None
    return Seen(0, account.base, opened[2], account.tree, found, [])


def _look_into(thread: int, found: list[Any], *, with_lines: bool) -> Callable[[], object]:
    """Return a function that adds the functions of a thread to a list, innermost first.

    All of it is made of C functions, so that it is not interrupted.
    """
    top = map(methodcaller("get", thread), starmap(sys._current_frames, _ONCE))  # noqa: SLF001
    frames = accumulate(chain(top, repeat("f_back", _MOST_FRAMES)), getattr)
    there_are = takewhile(partial(is_not, None), frames)
    look = partial(found.extend, map(_CODE_AND_LINE if with_lines else _CODE, there_are))
    return partial(_without_collector, look) if _COLLECTS_ANYWHERE else look


_COLLECTS_ANYWHERE: Final = sys.version_info < (3, 12)
"""Whether the collector may set in wherever something is made, and run finalisers there: these may
let other threads run in the midst of a look. Up to Python 3.11.7 they may also wait for ever, for a
lock that is held while frames are listed (CPython's issue 106883)."""


def _without_collector(look: Callable[[], None]) -> None:
    """Look while the collector is off, if it was on, again in C alone."""
    was_on: list[bool] = []
    ask = partial(was_on.extend, map(_CALL, (gc.isenabled,)))
    calls = chain((ask, gc.disable, look), compress((gc.enable,), was_on))
    try:
        deque(map(_CALL, calls), maxlen=0)
    finally:
        if was_on == [True] and not gc.isenabled():  # an error came between
            gc.enable()


def see(loop: RecordedLoop, *, is_outer: bool, with_lines: bool) -> Seen | None:
    """Look at the step that a loop makes; None if there is none, or it has ended meanwhile."""
    found: list[Any] = []
    look = _look_into(loop.thread, found, with_lines=with_lines)
    account = loop.current
    if account is None:
        return None
    began, own = loop.began, account.stack
    try:
        look()
    except Exception:  # noqa: BLE001  # no memory, or an audit hook that forbids it
        return None
    if loop.current is not account or loop.began is not began or account.stack is not own:
        return None
    codes = [link[0] for link in found] if with_lines else found
    lines = [link[1] for link in found] if with_lines else []
    end = 0
    for index, code in enumerate(codes):
        if is_step(code):
            end = index
            if not is_outer:
                break
    return Seen(began, account.base, own, loop.tree, codes[:end], lines[:end])


def line_at_fault(links: list[tuple[CodeType, int | None]]) -> tuple[str, int] | None:
    """Return the innermost line of the program's own, or else of any library but a backend."""
    library = None
    for code, line in links:
        file = code.co_filename
        if owner_of(file) == "program":
            if not (file.startswith((_LIBRARY, "<")) or _INSTALLED.search(file)):
                return file, line or 0
            library = library or (file, line or 0)
    return library
