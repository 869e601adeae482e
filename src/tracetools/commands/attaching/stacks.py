"""The functions that the threads of another process are in, read from its memory.

That is for a process that runs no Python and so cannot tell: Python 3.14 and later read it, of a
process of the same version.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from tracetools.commands.terminal.screen import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Thread", "as_text", "read_threads"]


class Thread(NamedTuple):
    """A thread.

    Attributes:
        number: what the system has for it; that of the main thread is the number of the process.
        functions: the functions that it is in, outermost first: name, file and line.
    """

    number: int
    functions: list[tuple[str, str, int]]


def read_threads(pid: int) -> list[Thread]:
    """Return the threads of a process, the main one first; none if they cannot be read."""
    try:
        from _remote_debugging import RemoteUnwinder  # type: ignore[import-not-found]

        found = RemoteUnwinder(pid, all_threads=True).get_stack_trace()
    except Exception:  # noqa: BLE001  # it may raise anything: the process goes on meanwhile
        return []
    threads = chain.from_iterable(getattr(each, "threads", (each,)) for each in found)
    made = [Thread(each.thread_id, _functions(each.frame_info)) for each in threads]
    return sorted(made, key=lambda thread: thread.number != pid)


def _functions(frames: Iterable[Any]) -> list[tuple[str, str, int]]:
    return [(frame.funcname, frame.filename, _line(frame)) for frame in frames][::-1]


def _line(frame: Any) -> int:
    """Return the line of a frame; from Python 3.15 on it is a part of its location."""
    location = getattr(frame, "location", None)
    return int(getattr(frame, "lineno", None) or getattr(location, "lineno", None) or 0)


def as_text(pid: int, threads: Iterable[Thread]) -> str:
    """Return threads as text: innermost function first, as what blocks is there."""
    lines: list[str] = []
    for thread in threads:
        lines.append("main thread" if thread.number == pid else f"thread {thread.number}")
        lines += [
            f"  {printable(name)} ({printable(file)}:{line})"
            for name, file, line in reversed(thread.functions)
        ]
    return "\n".join(lines)
