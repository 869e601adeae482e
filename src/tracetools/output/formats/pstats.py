"""Python's pstats, which cProfile writes and `pstats.Stats`, snakeviz and gprof2dot read.

It is a graph of calls and no tree: each function has its calls, its own time, and its cumulative
time by the functions that call it. So a path of more than two functions is not known, and a stack
that is read is one function below its callers: see `parse_pstats`.

Of a profile, one lens is written. A function's calls are how many tasks were spawned or spans
opened with it; of other frames, which are not counted, it is the number of stacks that end with it.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.profile import Profile
from tracetools.output.formats.content import (
    NANOSECONDS,
    PER_NANOSECOND,
    Content,
    MalformedError,
    Sums,
    label_of,
    no_time,
    number_of,
    of_lens,
    packed_label,
    weighed,
)
from tracetools.output.formats.marshal_data import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.formats.folded import Folded

__all__ = ["format_pstats", "is_pstats", "parse_pstats"]

_BUILT_IN: Final = "~"
"""The file of what has no Python code, as pstats has it."""

_SECOND: Final = PER_NANOSECOND["seconds"]

_Function = tuple[str, int, str]


def is_pstats(start: bytes) -> bool:
    """Return whether a file seems to be one of pstats, by its first bytes."""
    return start[:1] == b"\xfb" or start[:2] in (b"{(", b"{\xa8", b"{\xa9", b"{)")


# -- writing -----------------------------------------------------------------------------------


class _Numbers:
    """What pstats knows of a function, or of its calls by another one."""

    def __init__(self) -> None:
        self.primitive = self.calls = self.own = self.cumulative = 0
        self.callers: dict[_Function, _Numbers] = {}

    def row(self) -> tuple[int, int, float, float]:
        """Return calls without and with those within itself, and both times in seconds."""
        calls = max(1, self.calls)
        return max(1, self.primitive), calls, self.own / _SECOND, self.cumulative / _SECOND


def format_pstats(
    content: Profile | Folded, unit: str, *, lens: Lens = "busy", labels: Labels = "name"
) -> bytes:
    """Return the bytes of a file. What is no time is written as if it were seconds.

    Raises:
        ValueError: there is no time in this lens: pstats refuses an empty file.
    """
    entries: dict[StackPath, int] = {}
    if isinstance(content, Profile):
        stacks: Mapping[StackPath, int] = of_lens(content, lens, labels)
        entries = {path: times.entries for path, times in content.stacks.items()}
    else:
        scale = PER_NANOSECOND.get(unit, _SECOND)
        stacks = {path: scale * count for path, count in weighed(content).items()}
    if not stacks:
        raise ValueError(no_time(lens))
    functions: dict[_Function, _Numbers] = {}
    for path in sorted(stacks.keys() | {path for path, n in entries.items() if n}):
        _add(functions, path, stacks.get(path, 0), entries.get(path, 0))
    rows = {
        function: (*numbers.row(), {caller: n.row() for caller, n in numbers.callers.items()})
        for function, numbers in sorted(functions.items())
    }
    return marshal.dumps(rows, 2)  # later versions refer to what is there twice, by chance


def _add(functions: dict[_Function, _Numbers], path: StackPath, time: int, entries: int) -> None:
    """Count a stack. A function that is in it twice has its cumulative time once."""
    names = [_function(frame) for frame in path]
    calls = entries or bool(time)
    own = functions.setdefault(names[-1], _Numbers())
    own.own += time
    own.calls += calls
    own.primitive += 0 if names[-1] in names[:-1] else calls
    seen: set[tuple[_Function, _Function | None]] = set()
    for caller, name in zip((None, *names), names, strict=False):
        numbers = functions.setdefault(name, _Numbers())
        if (name, None) not in seen:
            seen.add((name, None))
            numbers.cumulative += time
        if caller is not None and (name, caller) not in seen:
            seen.add((name, caller))
            numbers.callers.setdefault(caller, _Numbers()).cumulative += time
    if len(names) > 1:
        called = own.callers[names[-2]]
        called.own += time
        called.calls += calls
        called.primitive += 0 if names[-1] in names[:-1] else calls


def _function(frame: Frame) -> _Function:
    file = (frame.file or _BUILT_IN).encode(errors="replace").decode()
    name = frame.name.encode(errors="replace").decode()
    return file, frame.line if frame.line < 1 << 31 else 0, name


# -- reading -----------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A function of a file, and the functions that call it with the own time of these calls."""

    own: Any
    callers: dict[bytes, Any]


def parse_pstats(data: bytes) -> Content:
    """Return the stacks of a file, in nanoseconds: a function below each function that calls it.

    The sum is exact, and so is each function's own time by its callers. What calls the callers is
    not in the file, so stacks have two frames at most.

    Raises:
        MalformedError: the bytes make no sense.
        NoStacksError: no function took any time.
    """
    value = load(data)
    if not isinstance(value, dict) or not value:
        raise MalformedError("it has no functions")
    sums = Sums()
    for index, (function, row) in enumerate(value.items()):
        where = f"function {index}"
        label, found = _label(function, where), _row(row, where)
        left = found.own
        for caller, own in found.callers.items():
            part = min(own, left)
            left -= part
            sums.add([caller, label], part, where)
        sums.add([label], left, where)
    return Content(sums.folded(), NANOSECONDS, "pstats: functions below their callers")


def _row(row: Any, where: str) -> _Row:
    if not isinstance(row, tuple) or len(row) != 5 or not isinstance(row[4], dict):  # noqa: PLR2004
        raise MalformedError(f"{where} has not five values")
    callers: dict[bytes, Any] = {}
    for caller, numbers in row[4].items():
        own: Any = 0
        if isinstance(numbers, tuple):  # older files have the number of calls alone
            if len(numbers) != 4:  # noqa: PLR2004
                raise MalformedError(f"{where} has a caller without four values")
            own = number_of(numbers[2], f"{where}, the time of a caller")
        label = _label(caller, where)
        callers[label] = callers.get(label, 0) + own * _SECOND
    return _Row(number_of(row[2], f"{where}, its time") * _SECOND, callers)


def _label(function: Any, where: str) -> bytes:
    match function:
        case (str(file), int(line), str(name)):
            shown = "" if file == _BUILT_IN else file
            return packed_label(label_of(name, shown, line if 0 < line < 1 << 31 else 0))
    raise MalformedError(f"{where} is not (file, line, name)")
