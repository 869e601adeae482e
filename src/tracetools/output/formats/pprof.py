"""pprof's profile.proto, gzipped: what Go, Pyroscope, Parca and others read and write.

https://github.com/google/pprof/blob/main/proto/profile.proto

A `Profile` is written and read without loss. Its sample types are `entries`, `self_wakes`,
`left_open`, `steps` (counts), `thread`, `idle`, `scheduled` and `busy` (nanoseconds). The last one
is what tools open with. As in the lens, `busy` includes `thread`, the time of worker threads.

Each stack has a sample for each state in which it has numbers, with these labels:

- `state`: busy, idle or scheduled;
- `task`: the outermost task of the stack;
- `span`: the innermost task or span of the stack;
- `backend`: trio or asyncio, if only one was recorded.

What samples cannot hold is a field that pprof does not know (`OURS`), and so skips: a
profile's JSON, in which the stacks are the frames whose
name, file or line the tables cannot hold, each with the number of its location as busy time.
Functions have no `system_name`: with it, Go's pprof takes `<...>` out of names.
`default_sample_type` is not set, for flameshow stumbles over it.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.core.profile import Profile
from tracetools.core.stacks import Frame, Times
from tracetools.output.formats.content import (
    NANOSECONDS,
    PER_NANOSECOND,
    SAMPLES,
    Content,
    MalformedError,
    Sums,
    ordered,
    weighed,
)
from tracetools.output.formats.pprof_tables import OURS, read_tables
from tracetools.output.formats.profile_json import MAX_FRAMES, format_profile, parse_profile
from tracetools.output.formats.wire import message, number, packed, string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.core.stacks import StackPath
    from tracetools.output.formats.folded import Folded
    from tracetools.output.formats.pprof_tables import Tables

__all__ = ["format_pprof", "format_times", "parse_pprof"]

TYPES: Final = (
    ("entries", "count"),
    ("self_wakes", "count"),
    ("left_open", "count"),
    ("steps", "count"),
    ("thread", NANOSECONDS),
    ("idle", NANOSECONDS),
    ("scheduled", NANOSECONDS),
    ("busy", NANOSECONDS),
)
"""The sample types of a profile of ours, in their order."""

_LARGEST: Final = (1 << 63) - 1


# -- writing -----------------------------------------------------------------------------------


def format_pprof(content: Profile | Folded, unit: str, *, compressed: bool = True) -> bytes:
    """Return the bytes of a file; equal contents give equal bytes. `unit` is that of stacks.

    Raises:
        ValueError: a number has more than 63 bits, which the format cannot hold.
    """
    writer = _Writer()
    if isinstance(content, Profile):
        body = _profile(writer, content)
    else:
        types = [_type_of(unit)]
        stacks = ordered(weighed(content))
        body = [writer.sample(path, [count]) for path, count in stacks]
        body.append(writer.tables(types))
    data = b"".join(body)
    return gzip.compress(data, compresslevel=6, mtime=0) if compressed else data


def format_times(  # noqa: PLR0913  # what is said of a file
    times: Mapping[StackPath, int],
    name: str,
    *,
    owners: set[StackPath],
    start: int,
    duration: int,
    program: str = "",
) -> bytes:
    """Return the gzipped bytes of a file with one sample type, in nanoseconds, as engines take it.

    Args:
        times: nanoseconds by stack.
        name: of the sample type, and of its period.
        owners: the stacks of tasks and spans, for the labels ``task`` and ``span``.
        start: when it begins, in nanoseconds since the Unix epoch.
        duration: how long it is.
        program: what ran.

    Raises:
        ValueError: a number has more than 63 bits, which the format cannot hold.
    """
    writer = _Writer()
    parts = [writer.sample(path, [time], _owners(path, owners)) for path, time in ordered(times)]
    period = message(11, number(1, writer.text(name)), number(2, writer.text(NANOSECONDS)))
    parts += [writer.tables([(name, NANOSECONDS)], program), period, number(12, 1)]
    parts += [number(9, start) if 0 <= start <= _LARGEST else b"", number(10, duration)]
    return gzip.compress(b"".join(parts), compresslevel=6, mtime=0)


def _type_of(unit: str) -> tuple[str, str]:
    if unit.endswith("seconds"):
        return "time", unit
    return (SAMPLES, "count") if unit in ("", SAMPLES) else (unit, unit)


def _profile(writer: _Writer, profile: Profile) -> list[bytes]:
    """Return the parts of a file of a profile."""
    if () in profile.stacks:
        raise ValueError("a stack has no frames: every stack begins with the root")
    owners = {path for path, times in profile.stacks.items() if times.entries}
    backend = profile.backends[0] if len(profile.backends) == 1 else ""
    parts = []
    for path, times in ordered(profile.stacks):
        about = {**_owners(path, owners), "backend": backend}
        for state, values in _states(times):
            parts.append(writer.sample(path, values, {**about, "state": state}))
    rest = replace(profile, stacks=writer.exceptions())
    parts.append(writer.tables(TYPES, ", ".join(profile.programs)))
    parts.append(string(OURS, format_profile(rest).encode("ascii")))
    parts.append(number(9, profile.start) if 0 <= profile.start <= _LARGEST else b"")
    parts.append(number(10, min(profile.duration, _LARGEST)))
    return parts


def _owners(path: StackPath, owners: set[StackPath]) -> dict[str, str]:
    """Return the labels that name the outermost and the innermost task or span of a stack."""
    entered = [
        path[length - 1].name for length in range(2, len(path) + 1) if path[:length] in owners
    ]
    return {"task": entered[0], "span": entered[-1]} if entered else {}


def _states(times: Times) -> Iterator[tuple[str, list[int]]]:
    """Yield the values of a stack by state; at least those of one state, if all are zeros."""
    counts = [times.entries, times.self_wakes, times.left_open, times.steps]
    busy = times.busy + times.thread
    if busy or any(counts) or not (times.idle or times.scheduled):
        yield "busy", [*counts, times.thread, 0, 0, busy]
    if times.idle:
        yield "idle", [0, 0, 0, 0, 0, times.idle, 0, 0]
    if times.scheduled:
        yield "scheduled", [0, 0, 0, 0, 0, 0, times.scheduled, 0]


class _Writer:
    """Makes samples, and the tables that they refer to."""

    def __init__(self) -> None:
        self._strings: dict[bytes, int] = {b"": 0}
        self._locations: dict[Frame, int] = {}

    def sample(
        self, path: StackPath, values: list[int], labels: Mapping[str, str] | None = None
    ) -> bytes:
        """Return a sample. Its locations are those of frames, the innermost first."""
        largest = max(values)
        if largest > _LARGEST:
            raise ValueError(f"a number has more than 63 bits ({largest}), which pprof cannot hold")
        known = self._locations
        ids = [known.setdefault(frame, len(known) + 1) for frame in reversed(path)]
        return message(
            2,
            packed(1, ids),
            packed(2, values),
            *(
                message(3, number(1, self.text(key)), number(2, self.text(value)))
                for key, value in sorted((labels or {}).items())
                if value
            ),
        )

    def text(self, text: str) -> int:
        """Return the index of a text in the table."""
        raw = text.encode(errors="replace")
        return self._strings.setdefault(raw, len(self._strings))

    def tables(self, types: Iterable[tuple[str, str]], program: str = "") -> bytes:
        """Return the tables, and all else that a file has once."""
        parts = [
            message(1, number(1, self.text(name)), number(2, self.text(unit)))
            for name, unit in types
        ]
        parts.append(
            message(
                3,
                number(1, 1),
                number(5, self.text(program or "python")),
                number(7, 1),
                number(8, 1),
                number(9, 1),
            )
        )
        for frame, index in self._locations.items():
            parts.append(self._location(frame, index))
        parts.extend(string(6, raw) for raw in self._strings)
        return b"".join(parts)

    def _location(self, frame: Frame, index: int) -> bytes:
        line = number(2, min(frame.line, _LARGEST))
        return message(
            4, number(1, index), number(2, 1), message(4, number(1, index), line)
        ) + message(
            5,
            number(1, index),
            number(2, self.text(frame.name)),
            number(4, self.text(frame.file or "")),
        )

    def exceptions(self) -> dict[StackPath, Times]:
        """Return the frames that the tables do not hold as they are, with their locations."""
        return {
            (frame,): Times(busy=index)
            for frame, index in self._locations.items()
            if not _is_plain(frame)
        }


def _is_plain(frame: Frame) -> bool:
    if frame.file is None or frame.line > _LARGEST:
        return False
    text = frame.name + frame.file
    return text.isascii() or text.encode(errors="replace").decode() == text


# -- reading -----------------------------------------------------------------------------------


def parse_pprof(data: bytes, lens: str | None = None) -> Content:
    """Return the profile of a file of ours, or the stacks of another one.

    The values are those of the sample type with the name `lens`; else of the file's default type,
    or of its last one. `data` is not compressed.

    Raises:
        MalformedError: the bytes make no sense, or there is no such type.
        NoStacksError: there is no stack with a value.
    """
    tables = read_tables(data)
    if tables.ours is not None and tuple(tables.types) == TYPES:
        return Content(_read_profile(tables, tables.ours), NANOSECONDS, "pprof of tracetools")
    names = [name for name, _ in tables.types]
    wanted = lens or tables.default or names[-1]
    if wanted not in names:
        if lens is not None:
            raise MalformedError(f"no sample type is {lens!r}; there are {', '.join(names)}")
        wanted = names[-1]
    chosen = names.index(wanted)
    unit = tables.types[chosen][1]
    scale = PER_NANOSECOND.get(unit, 1)
    shown = NANOSECONDS if unit in PER_NANOSECOND else SAMPLES if unit == "count" else unit
    stacks = _stacks(tables, chosen, scale)
    return Content(stacks, shown, f"pprof: {wanted}", tuple(names))


def _stacks(tables: Tables, chosen: int, scale: int) -> Folded:
    """Return the stacks of a file of others, with the values of one type."""
    labels: dict[int, list[bytes]] = {}
    sums = Sums()
    for sample in tables.samples():
        value = sample.values[chosen]
        if value < 0:
            raise MalformedError(f"byte {sample.position}: a value is negative: {value}")
        for index in sample.locations:
            if index not in labels:
                labels[index] = tables.labels(index, sample.position)
        if value:
            path = chain.from_iterable(labels[index] for index in reversed(sample.locations))
            sums.add(path, value * scale, f"byte {sample.position}")
    return sums.folded()


def _read_profile(tables: Tables, ours: bytes) -> Profile:
    """Return a profile that we wrote."""
    try:
        rest = parse_profile(ours, f"field {OURS}")
    except StackFileError as error:
        raise MalformedError(str(error)) from error
    frames = {times.busy: path[0] for path, times in rest.stacks.items()}
    stacks: dict[StackPath, Times] = {}
    length = 0
    for sample in tables.samples():
        where = f"byte {sample.position}"
        length += len(sample.locations)
        if length > MAX_FRAMES:
            raise MalformedError(f"{where}: its stacks have more than {MAX_FRAMES:,} frames")
        for index in sample.locations:
            if index not in frames:
                frames[index] = _frame(tables, index, sample.position)
        path = tuple([frames[index] for index in reversed(sample.locations)])
        times = _times(sample.values, where)
        before = stacks.get(path)
        stacks[path] = times if before is None else before.plus(times)
    return replace(rest, stacks=stacks)


def _frame(tables: Tables, index: int, at: int) -> Frame:
    location = tables.location(index, at)
    if len(location.lines) != 1:
        raise MalformedError(f"byte {at}: location {index} has not one line")
    [(function, line)] = location.lines
    name, file, _ = tables.function(function, at)
    return Frame(name, file, line)


def _times(values: list[int], where: str) -> Times:
    entries, self_wakes, left_open, steps, thread, idle, scheduled, busy = values
    times = Times(
        busy=busy - thread,
        scheduled=scheduled,
        idle=idle,
        thread=thread,
        steps=steps,
        entries=entries,
        self_wakes=self_wakes,
        left_open=left_open,
    )
    if min(times) < 0:
        raise MalformedError(f"{where}: a value is negative")
    return times
