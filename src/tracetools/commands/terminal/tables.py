"""Profiles as plain text for a terminal. All of it is ASCII, except the names that users gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.commands.terminal.screen import printable
from tracetools.output.lints import LAST_FRAMES, line_at_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.lints import Lint

__all__ = [
    "lint_line",
    "shorten",
    "what_is_left_out",
    "what_ran",
    "what_to_open",
]

_ARROW: Final = " > "
_CUT: Final = "..."
_LEAST_WIDTH: Final = 24


def what_ran(profile: Profile) -> str:
    """Return what was recorded and for how long, in one sentence.

    A merged profile is taken for that of several processes.
    """
    loops = "1 loop" if profile.runs == 1 else f"{profile.runs:,} loops"
    backends = f" ({', '.join(profile.backends)})" if profile.backends else ""
    processes = f" of {profile.merged:,} processes" if profile.merged > 1 else ""
    beside = f" In worker threads, beside: {_amount(profile.thread_time)}."
    threads = beside if profile.thread_time else ""
    return f"recorded {loops}{backends}{processes}, {_amount(profile.duration)} in all.{threads}"


def what_is_left_out(unread: int, running: int, lost: Mapping[str, int]) -> list[str]:
    """Return a sentence for each reason why something of other processes is not in a profile.

    Args:
        unread: how many profiles of processes cannot be read.
        running: how many processes that have run a loop are still there.
        lost: how many processes were not recorded, by the reason.
    """
    said = []
    if unread:
        said.append(f"what {_processes(unread)} recorded cannot be read and is left out")
    if running:
        goes = "goes" if running == 1 else "go"
        said.append(
            f"{_processes(running)} still {goes} on: what comes from now on is not recorded"
        )
    for why, count in sorted(lost.items()):
        said.append(f"{_processes(count)} {'was' if count == 1 else 'were'} not recorded: {why}")
    return [f"tracetools: {sentence}" for sentence in said]


def _processes(count: int) -> str:
    return "1 process" if count == 1 else f"{count:,} processes"


def what_to_open(files: Sequence[Path], here: Path) -> str:
    """Return where files are, relative to a folder, and what to do with them next."""
    shown = [path.relative_to(here) if path.is_relative_to(here) else path for path in files]
    profile, page, graph = (
        next((path for path in shown if path.name.endswith(ending)), None)
        for ending in (".profile.json", ".html", ".svg")
    )
    lines = []
    if shown:
        lines.append(f"Written: {', '.join(map(str, shown))}")
    picture = page or graph
    if picture is not None:
        lines.append(f"Open {picture} in a browser; click a frame to zoom in.")
    if profile is not None:
        again = "" if page else f"; as a page: tracetools render {profile} --html"
        lines.append(f"To print this again, or more of it: tracetools report {profile}{again}")
    return "\n".join(lines)


def shorten(path: StackPath, width: int) -> str:
    """Return a stack in one line of at most `width` columns, cut at its start.

    The last frame has its location, without the folder. The others have their names alone.
    """
    above = [printable(frame.name) for frame in path[:-1]]
    last = printable(_name_and_location(path[-1]))
    for start in range(len(path)):
        cut = [_CUT] if start else []
        line = _ARROW.join([*cut, *above[start:], last])
        if len(line) <= width:
            return line
    return last if len(last) <= width else _CUT + last[len(_CUT) - width :]


def lint_line(lint: Lint, width: int) -> str:
    """Return a lint in one line: its kind, what was found, and the stack if there is one."""
    line = printable(f"  {lint.kind}: {lint.finding}")
    if lint.path is None:
        return line
    return f"{line}: {shorten(_to_line(lint.path), max(_LEAST_WIDTH, width - len(line) - 2))}"


def _to_line(path: StackPath) -> StackPath:
    """Return a path with the function of its last line, if it ends in one, as its end.

    A line that is not known is left off.
    """
    if line_at_fault(path) is None or len(path) == 1:
        return path[:-1] if len(path) > 1 and path[-1].name in LAST_FRAMES else path
    *functions, line = path
    ends = [
        index
        for index, frame in enumerate(functions)
        if frame.file == line.file and frame.line <= line.line
    ]
    end = ends[-1] if ends else -1
    return (*functions[:end], line._replace(name=functions[end].name))


def _amount(time: int) -> str:
    return f"{time / 1e9:.2f} s" if time >= 10**9 else f"{time / 1e6:.1f} ms"


def _name_and_location(frame: Frame) -> str:
    if not frame.file:
        return frame.label
    return f"{frame.name} ({frame.file.replace(chr(92), '/').rpartition('/')[2]}:{frame.line})"
