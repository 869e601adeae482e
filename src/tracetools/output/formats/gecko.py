"""The Gecko profile format, version 27, which Firefox Profiler and Perfetto open.

https://github.com/firefox-devtools/profiler/blob/main/docs-developer/gecko-profile-format.md

A profile has a thread for each lens with any time. The format has samples and no times of stacks.
So a stack gets as many samples as fit into its time, one after the other in the order of names;
times are true to within an interval, and stacks that are shorter than that may be missing. The
interval is the least of 1, 2 or 5 times a power of ten nanoseconds with at most 20,000 samples a
thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED, Profile
from tracetools.output.formats.content import (
    NANOSECONDS,
    PER_NANOSECOND,
    Content,
    MalformedError,
    Sums,
    number_of,
    of_lens,
    ordered,
    packed_label,
    weighed,
)
from tracetools.output.formats.json_text import items, member, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.formats.folded import Folded

__all__ = ["format_gecko", "is_gecko", "parse_gecko"]

_VERSION: Final = 27
_PRODUCT: Final = "tracetools"
_MOST_SAMPLES: Final = 20_000
_MILLISECOND: Final = 1_000_000

_CATEGORIES: Final = (("Running", "green"), ("Waiting", "grey"), ("Scheduled", "orange"))
_WAITING: Final[dict[str, int]] = {"idle": 1, "scheduled": 2}
_SCHEMAS: Final[dict[str, tuple[str, ...]]] = {
    "markers": ("name", "startTime", "endTime", "phase", "category", "data"),
    "samples": ("stack", "time", "eventDelay"),
    "stackTable": ("prefix", "frame"),
    "frameTable": (
        *("location", "relevantForJS", "innerWindowID", "implementation"),
        *("line", "column", "category", "subcategory"),
    ),
}
_MOST_STEPS: Final = 50_000_000
"""How many frames all stacks of a file may have together, those of prefixes counted each time."""


def is_gecko(value: Any) -> bool:
    """Return whether a JSON value seems to be a Gecko profile, of any version."""
    return isinstance(value, dict) and "meta" in value and "threads" in value


# -- writing -----------------------------------------------------------------------------------


def format_gecko(
    content: Profile | Folded, unit: str, *, lens: Lens = "busy", labels: Labels = "name"
) -> str:
    """Return the text of a file. The thread of `lens` is the first one.

    `unit` is that of folded stacks; what is no time is shown as if it were milliseconds.
    """
    if isinstance(content, Profile):
        order = sorted(LENSES, key=lambda each: each != lens)
        lenses = {each: of_lens(content, each, labels) for each in order}
        threads: dict[str, Mapping[StackPath, int]] = {k: v for k, v in lenses.items() if v}
        start, program = content.start, ", ".join(content.programs)
    else:
        scale = PER_NANOSECOND.get(unit, _MILLISECOND)
        threads = {"stacks": {path: scale * n for path, n in weighed(content).items()}}
        start, program = 0, ""
    interval = _interval(max((sum(stacks.values()) for stacks in threads.values()), default=0))
    value = {
        "meta": _meta(interval, start, program),
        "libs": [],
        "pages": [],
        "pausedRanges": [],
        "processes": [],
        "threads": [
            _Thread(name, index, interval).filled(stacks)
            for index, (name, stacks) in enumerate(threads.items())
        ],
    }
    return json.dumps(value, separators=(",", ":")) + "\n"


def _interval(total: int) -> int:
    """Return the nanoseconds between two samples."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if total <= digit * power * _MOST_SAMPLES:
                return digit * power
        power *= 10


def _meta(interval: int, start: int, program: str) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "interval": interval / _MILLISECOND,
        "startTime": start // _MILLISECOND,
        "shutdownTime": None,
        "processType": 0,
        "product": _PRODUCT,
        "importedFrom": program or _PRODUCT,
        "stackwalk": 0,
        "debug": 0,
        "gcpoison": 0,
        "asyncstack": 0,
        "symbolicated": True,
        "presymbolicated": True,
        "categories": [
            {"name": name, "color": color, "subcategories": ["Other"]}
            for name, color in _CATEGORIES
        ],
        "markerSchema": [],
        "sampleUnits": {"time": "ms", "eventDelay": "ms", "threadCPUDelta": "ns"},
    }


class _Thread:
    """Makes the tables of one thread."""

    def __init__(self, name: str, index: int, interval: int) -> None:
        self._name = name
        self._index = index
        self._interval = interval
        self._strings: dict[str, int] = {}
        self._frames: dict[Frame, int] = {}
        self._stacks: dict[tuple[int | None, int], int] = {}

    def filled(self, stacks: Mapping[StackPath, int]) -> dict[str, Any]:
        """Return the thread with samples of these stacks."""
        samples = [[stack, time, 0] for stack, time in self._samples(stacks)]
        frames = [self._frame_row(frame) for frame in self._frames]
        return {
            "name": self._name,
            "processType": "default",
            "processName": _PRODUCT,
            "pid": 1,
            "tid": self._index + 1,
            "registerTime": 0,
            "unregisterTime": None,
            "markers": _table("markers", []),
            "samples": _table("samples", samples),
            "stackTable": _table("stackTable", [list(row) for row in self._stacks]),
            "frameTable": _table("frameTable", frames),
            "stringTable": [*self._strings],
        }

    def _samples(self, stacks: Mapping[StackPath, int]) -> Iterator[tuple[int, float]]:
        """Yield the stack at the middle of each interval, and when that is, in milliseconds."""
        end = taken = 0
        for path, time in ordered(stacks):
            end += time
            until = (2 * end + self._interval) // (2 * self._interval)
            stack = self._stack(path) if taken < until else 0
            for index in range(taken, until):
                yield stack, index * self._interval / _MILLISECOND
            taken = max(taken, until)

    def _stack(self, path: StackPath) -> int:
        prefix: int | None = None
        for frame in path:
            index = self._frames.setdefault(frame, len(self._frames))
            prefix = self._stacks.setdefault((prefix, index), len(self._stacks))
        return prefix or 0

    def _frame_row(self, frame: Frame) -> list[Any]:
        label = frame.label
        location = self._strings.setdefault(label, len(self._strings))
        category = {IDLE: 1, SCHEDULED: 2}.get(frame, _WAITING.get(self._name, 0))
        return [location, False, 0, None, frame.line or None, None, category, 0]


def _table(name: str, rows: list[Any]) -> dict[str, Any]:
    return {"schema": {key: i for i, key in enumerate(_SCHEMAS[name])}, "data": rows}


# -- reading -----------------------------------------------------------------------------------


def parse_gecko(value: Any, lens: str | None = None) -> Content:
    """Return the stacks of the JSON value of a file, in nanoseconds: an interval a sample.

    They are those of the threads with the name `lens`; else, of a file of ours those of the first
    thread, and of any other one those of all threads of all processes.

    Raises:
        MalformedError: the value makes no sense, or no thread has that name.
        NoStacksError: there is no sample.
    """
    meta = member(value, "meta", "")
    if "preprocessedProfileVersion" in meta:
        raise MalformedError("a processed profile of Firefox Profiler; give one of Firefox itself")
    threads = [*_threads(value)]
    names = tuple(text(thread, "name") for _, thread in threads)
    chosen = [each for each, name in zip(threads, names, strict=True) if name == lens]
    if lens is not None and not chosen and set(names) != {"stacks"}:
        raise MalformedError(f"no thread is named {lens!r}; there are {', '.join(names)}")
    if not chosen:
        chosen = threads[:1] if text(meta, "product") == _PRODUCT else threads
    interval = number_of(meta.get("interval"), "meta.interval") * _MILLISECOND
    sums = Sums()
    for where, thread in chosen:
        _Rows(thread, where).add_to(sums, interval)
    shown = ", ".join(text(thread, "name") for _, thread in chosen[:3])
    more = "" if len(chosen) <= 3 else f" and {len(chosen) - 3} more"  # noqa: PLR2004
    return Content(sums.folded(), NANOSECONDS, f"Gecko: {shown}{more}", names)


def _threads(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all threads, those of other processes too, with their places."""
    waiting = [("", value)]
    while waiting:
        where, process = waiting.pop()
        for index, thread in enumerate(items(process, "threads", where)):
            yield f"{where}threads[{index}]", thread
        if "processes" in process:
            for index, each in enumerate(items(process, "processes", where)):
                waiting.append((f"{where}processes[{index}].", each))


class _Rows:
    """The tables of one thread, as they are read."""

    def __init__(self, thread: Any, where: str) -> None:
        self._where = where
        self._strings = items(thread, "stringTable", where)
        self._samples = self._columns(thread, "samples", "stack")
        self._stacks = self._columns(thread, "stackTable", "prefix", "frame")
        self._frames = self._columns(thread, "frameTable", "location")
        self._steps = 0
        self._labels: dict[int, bytes] = {}

    def _columns(self, thread: Any, name: str, *columns: str) -> list[list[Any]]:
        """Return some columns of a table, row by row; None for what is missing."""
        at = f"{self._where}.{name}"
        table = member(thread, name, self._where)
        schema = member(table, "schema", at)
        indexes = [self._column(schema, column, at) for column in columns]
        rows = items(table, "data", at)
        for index, row in enumerate(rows):
            if not isinstance(row, list):
                raise MalformedError(f"{at}.data[{index}] is no list")
        return [[row[i] if i < len(row) else None for i in indexes] for row in rows]

    @staticmethod
    def _column(schema: dict[str, Any], name: str, where: str) -> int:
        index = schema.get(name)
        if isinstance(index, bool) or not isinstance(index, int) or index < 0:
            raise MalformedError(f"{where}.schema lacks {name}")
        return index

    def add_to(self, sums: Sums, interval: Any) -> None:
        """Count the samples, each as an interval. Those without a stack are left out."""
        counts: dict[int, int] = {}
        for index, (stack,) in enumerate(self._samples):
            if stack is not None:
                at = f"{self._where}.samples.data[{index}]"
                known = self._index(stack, len(self._stacks), at)
                counts[known] = counts.get(known, 0) + 1
        for stack, count in counts.items():
            at = f"{self._where}.stackTable.data[{stack}]"
            sums.add(self._path(stack), interval * count, at)

    def _path(self, stack: int) -> list[bytes]:
        """Return the labels of a stack from its root. Each prefix must stand before it."""
        path: list[bytes] = []
        while True:
            at = f"{self._where}.stackTable.data[{stack}]"
            prefix, frame = self._stacks[stack]
            path.append(self._label(self._index(frame, len(self._frames), at)))
            self._steps += 1
            if self._steps > _MOST_STEPS:
                raise MalformedError(f"{at}: its stacks have more than {_MOST_STEPS:,} frames")
            if prefix is None:
                return path[::-1]
            stack = self._index(prefix, stack, f"{at}.prefix")

    def _label(self, frame: int) -> bytes:
        known = self._labels.get(frame)
        if known is None:
            at = f"{self._where}.frameTable.data[{frame}]"
            name = self._strings[self._index(self._frames[frame][0], len(self._strings), at)]
            if not isinstance(name, str):
                raise MalformedError(f"{at} has a name that is no text")
            known = self._labels[frame] = packed_label(name)
        return known

    @staticmethod
    def _index(value: Any, length: int, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < length:
            raise MalformedError(f"{where} refers to what is not there")
        return value
