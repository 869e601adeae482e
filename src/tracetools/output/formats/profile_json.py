"""A whole profile as a JSON file, which any lens can be taken from later.

The first key is the version. `frames` is a table. A row of `stacks` has the index of the parent
stack (-1 for none), the index of the frame, and the eight numbers of `Times`; a row without numbers
is a stack that only stands above others. The rows of other mappings begin with a list of indexes of
frames: in `blocking` and `stalls` the numbers of `Blocks` follow, all or the first three, in
`limiters` the two numbers of `Tokens`, in `latencies` a histogram, in `slow` the numbers of a
`Breakdown` with pairs of a label and a time for its waits, and then those of `CriticalTimes` with
paths and frames by their indexes, and the traces, if there are any. One of `origins` has a file and
whose it is. One of `resources` is an object with the attributes of `Resource` and `ResourceUse`, in
which paths stand as in `blocking`. For one of `edges`, see `edges_json`. A `Histogram` has its
total, its max, and pairs of a bucket and how many values are in it. Rows are sorted, parents first,
so that equal profiles give equal bytes.

The text is ASCII, so that any name survives, lone surrogates included. Two surrogates that JSON
would take for one character are kept apart: a name with such is a list of parts. The name of the
file should end in `.profile.json`. Keys of `_OPTIONAL` may be missing; stacks then have six
numbers.
"""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import chain
from operator import lt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.errors import StackFileError
from tracetools.core.histogram import Histogram
from tracetools.core.origins import ORIGINS
from tracetools.core.profile import SUMS, Profile
from tracetools.core.slow_spans import SlowSpans, TraceOfSpan
from tracetools.core.stack_rows import NO_PARENT, StackRows
from tracetools.core.stacks import Blocks, Frame, Times, Tokens
from tracetools.guest.pace import paced, sorted_at_pace
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.edges_json import edge_paths, edge_rows, parse_edges
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.json_text import check_size
from tracetools.output.formats.resources_json import (
    parse_resources,
    resource_paths,
    resource_rows,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import SupportsRead

    from tracetools.core.edges import Edge, Waited
    from tracetools.core.origins import Origin
    from tracetools.core.resources import Resource, ResourceUse
    from tracetools.core.stacks import StackPath

VERSION: Final = 1

MAX_FRAMES: Final = 50_000_000
"""How many frames all stacks of a file may have together. Without this bound a small file can ask
for more memory than there is. A recording with the default bounds has at most 2,560,000."""

MAX_BYTES: Final = 1 << 28
"""The longest file that is read: 100 times that of a recording with the default bounds."""

_Value = TypeVar("_Value")

_KEY: Final = "tracetools-profile"
_TEXTS: Final = ("programs", "pythons", "backends")
_SWITCHES: Final = ("scheduled_measured", "truncated")
_HISTOGRAMS: Final = ("scheduling_delay", "queue")
_OPTIONAL: Final[dict[str, Any]] = {
    "samples": 0,
    "samples_by_thread": 0,
    "untracked": 0,
    "forks": 0,
    "not_kept": 0,
    "pythons": [],
    "origins": [],
    "blocking_threshold": None,
    "queue_trend": [],
    **{name: [0, 0, []] for name in _HISTOGRAMS},
    "blocking": [],
    "limiters": [],
    "stalls": [],
    "latencies": [],
    "slow": [],
    "resources": [],
    "edges": [],
}
_BREAKDOWN: Final = (
    "busy",
    "scheduled",
    "unnamed",
    "unknown",
    "children",
    "threads",
    "duration",
    "count",
)
"""The numbers of a `Breakdown`."""

_MAX_BUCKET: Final = 1 << 16
"""That of a value of 618 digits. A value is shifted by its bucket, so a file must not name any."""

_NUMBERS_WITHOUT_WAKES: Final = 6
_LENGTHS: Final = [2 + numbers for numbers in (0, _NUMBERS_WITHOUT_WAKES, len(Times._fields))]
"""How long the rows of stacks may be: a parent and a frame, and perhaps numbers."""

_NUMBERS_WITHOUT_KINDS: Final = 3
_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"tracetools-profile"\s*:')
_REMEDY: Final = "record it again, or give a file that tracetools wrote"


def is_profile(first_bytes: bytes) -> bool:
    """Return whether a file is a profile, by its first bytes; 64 of them are enough."""
    return _START.match(first_bytes) is not None


# -- writing -----------------------------------------------------------------------------------


def write_profile(path: str | os.PathLike[str], profile: Profile) -> None:
    """Write a profile to a file, replacing it at once.

    Raises:
        StackFileError: The file cannot be written; what was there before is untouched.
    """
    try:
        write_atomically(Path(path), format_profile(profile).encode("ascii"))
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write profile {path}: {explain(error)}") from error


def format_profile(profile: Profile) -> str:
    """Return the text of a profile, its last line ended. Equal profiles give equal text.

    Raises:
        ValueError: A stack has no frames, or a number has more digits than Python writes (4,300).
    """
    below = (profile.blocking, profile.limiters, profile.stalls, profile.latencies, profile.slow)
    critical = [spans.critical for spans in profile.slow.values()]
    shares = (each.shares for each in critical)
    saved = ([(frame,) for frame in each.savings] for each in critical)
    paths = [*profile.stacks, *chain.from_iterable((*below, *shares, *saved))]
    paths += resource_paths(profile.resources)
    paths += edge_paths(profile.edges)
    if () in paths:
        raise ValueError("a stack has no frames: every stack begins with the root")
    known: set[Frame] = set()
    for path in paced(paths):
        known.update(path)
    frames = sorted(known, key=_order)
    index_of = {frame: index for index, frame in enumerate(frames)}
    plain = ("start", *SUMS, *_TEXTS, *_SWITCHES, "blocking_threshold", "queue_trend")
    about = {
        _KEY: VERSION,
        **{name: getattr(profile, name) for name in plain},
        **{name: [_text_row(text) for text in getattr(profile, name)] for name in _TEXTS},
        **{name: _histogram_row(getattr(profile, name)) for name in _HISTOGRAMS},
    }
    lines = [f"{_dump(name)}:{_dump(value)}" for name, value in about.items()]
    lines.append(_listed("origins", _origin_rows(profile.origins)))
    lines.append(_listed("frames", map(_frame_row, frames)))
    lines.append(_listed("stacks", _rows(profile.stacks, index_of)))
    lines.append(_listed("blocking", _path_rows(profile.blocking, index_of)))
    lines.append(_listed("limiters", _path_rows(profile.limiters, index_of)))
    lines.append(_listed("stalls", _path_rows(profile.stalls, index_of)))
    latencies = {path: _histogram_row(each) for path, each in paced(profile.latencies.items())}
    lines.append(_listed("latencies", _path_rows(latencies, index_of)))
    slow = {path: _slow_row(spans, index_of) for path, spans in profile.slow.items()}
    lines.append(_listed("slow", _path_rows(slow, index_of)))
    resources = resource_rows(profile.resources, index_of, _path_rows, _histogram_row)
    lines.append(_listed("resources", resources))
    lines.append(_listed("edges", edge_rows(profile.edges, index_of)))
    return "{" + ",\n".join(lines) + "}\n"


def _order(frame: Frame) -> tuple[str, bool, str, int]:
    """Return the key to sort a frame by. Of one name, those of an unknown file come first."""
    return frame.name, frame.file is not None, frame.file or "", frame.line


def _frame_row(frame: Frame) -> list[Any]:
    return [_text_row(frame.name), frame.file and _text_row(frame.file), frame.line]


def _origin_rows(origins: Mapping[str, Origin]) -> list[list[Any]]:
    return [[_text_row(file), origin] for file, origin in sorted(origins.items())]


def _text_row(text: str) -> str | list[str]:
    """Return a text, or its parts if JSON would make one character of two of its surrogates."""
    return text if _PAIR.search(text) is None else _PAIR.split(text)


_PAIR: Final = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")


def _histogram_row(histogram: Histogram) -> list[Any]:
    return [histogram.total, histogram.max, sorted(histogram.buckets.items())]


def _slow_row(spans: SlowSpans, index_of: Mapping[Frame, int]) -> list[Any]:
    told, critical, traces = spans
    waits = sorted(([_text_row(label), time] for label, time in told.waits.items()), key=_dump)
    numbers = [getattr(told, name) for name in _BREAKDOWN]
    shares = _path_rows({path: (time,) for path, time in critical.shares.items()}, index_of)
    savings = sorted([index_of[frame], time] for frame, time in critical.savings.items())
    known = [list(map(list, traces))] if traces else []
    return [numbers, waits, critical.count, critical.duration, shares, savings, *known]


def _rows(stacks: Mapping[StackPath, Times], index_of: Mapping[Frame, int]) -> list[list[int]]:
    """Return the rows of all stacks, each after its parent."""
    numbers = {tuple([index_of[frame] for frame in path]): stacks[path] for path in paced(stacks)}
    missing = {path[:length] for path in paced(numbers) for length in range(1, len(path))}
    rows: list[list[int]] = []
    row_of: dict[tuple[int, ...], int] = {(): NO_PARENT}
    for path in paced(sorted_at_pace(missing | numbers.keys())):
        row_of[path] = len(rows)
        rows.append([row_of[path[:-1]], path[-1], *numbers.get(path, ())])
    return rows


def _path_rows(
    numbers: Mapping[StackPath, Iterable[Any]], index_of: Mapping[Frame, int]
) -> list[tuple[Any, ...]]:
    """Return rows of whole paths with numbers, sorted by the indexes of their frames."""
    rows = (([index_of[frame] for frame in path], *each) for path, each in numbers.items())
    return sorted_at_pace(paced(rows))


def _listed(name: str, rows: Iterable[Any]) -> str:
    """Return a list as text, a line for each row."""
    return f"{_dump(name)}:[\n" + ",\n".join(map(_dump, paced(rows))) + "\n]"


_dump: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Return a value as text. `json.dumps` would make an encoder each time."""


# -- reading -----------------------------------------------------------------------------------


def read_profile(path: str | os.PathLike[str]) -> Profile:
    """Read the file of a profile.

    Raises:
        StackFileError: The file is missing, cannot be read, or is not what `write_profile` writes.
    """
    try:
        with Path(path).open("rb") as file:
            return load_profile(file, str(path))
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read profile {path}: {explain(error)}") from error


def load_profile(file: SupportsRead[bytes], source: str) -> Profile:
    """Read a profile from an open file, of at most `MAX_BYTES`; see `parse_profile`."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise StackFileError(f"{source}: not a profile: more than {MAX_BYTES >> 20} MiB; {_REMEDY}")
    return parse_profile(data, source)


def parse_profile(text: str | bytes, source: str = "<text>") -> Profile:
    """Read the text of a profile. The laws of time are not checked.

    Unknown keys are ignored. `source` names the input in messages.

    Raises:
        StackFileError: The text is no profile, or one of a later version.
    """
    try:
        return _profile(_OPTIONAL | _loaded(text))
    except _MalformedError as error:
        raise StackFileError(f"{source}: not a profile: {error}; {_REMEDY}") from error


class _MalformedError(Exception):
    """A text is no profile; the message says why in a few words."""


def _loaded(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object of a profile, whose version is known."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        check_size(decoded)
        value = json.loads(decoded)
    except MalformedError as error:
        raise _MalformedError(str(error)) from error
    except RecursionError as error:
        raise _MalformedError("its JSON is nested too deeply") from error
    except ValueError as error:
        raise _MalformedError(f"no JSON ({error})") from error
    if not isinstance(value, dict) or _KEY not in value:
        raise _MalformedError(f'its JSON has no "{_KEY}"')
    version = value[_KEY]
    if not _is_count(version) or version < 1:
        raise _MalformedError(f'its "{_KEY}" is no version')
    if version > VERSION:
        raise _MalformedError("a later version of tracetools wrote it: upgrade tracetools")
    return value


def _profile(value: Mapping[str, Any]) -> Profile:
    about: dict[str, Any] = {"start": _taken(value, "start", _is_whole, "a whole number")}
    for name in SUMS:
        about[name] = _taken(value, name, _is_count, "a whole number of zero or more")
    for name in _TEXTS:
        texts = _taken(value, name, _is_texts, "a list of texts")
        about[name] = tuple(map(_joined, texts))
    for name in _SWITCHES:
        about[name] = _taken(value, name, _is_switch, "true or false")
    about["blocking_threshold"] = _taken(
        value, "blocking_threshold", _is_threshold, "a number of zero or more"
    )
    about["queue_trend"] = tuple(_taken(value, "queue_trend", _is_counts, "a list of numbers"))
    for name in _HISTOGRAMS:
        about[name] = _histogram(value[name], f'its "{name}"')
    frames = [_frame(row, index) for index, row in enumerate(_list(value, "frames"))]
    if len(set(frames)) < len(frames):
        raise _MalformedError("a frame is there twice")
    return Profile(
        stacks=_stacks(_list(value, "stacks"), frames),
        blocking=_by_path(_list(value, "blocking"), frames, "block", _blocks),
        limiters=_by_path(_list(value, "limiters"), frames, "limiter", _tokens),
        stalls=_by_path(_list(value, "stalls"), frames, "stall", _blocks),
        origins=_origins(_list(value, "origins")),
        latencies=_by_path(_list(value, "latencies"), frames, "latency", _histogram),
        slow=_by_path(_list(value, "slow"), frames, "slow span", partial(_slow, frames)),
        resources=_resources(_list(value, "resources"), frames),
        edges=_edges(_list(value, "edges"), frames),
        **about,
    )


def _edges(rows: list[Any], frames: list[Frame]) -> dict[Edge, Waited]:
    try:
        return parse_edges(rows, frames, MAX_FRAMES)
    except ValueError as error:
        raise _MalformedError(str(error)) from error


def _resources(rows: list[Any], frames: list[Frame]) -> dict[Resource, ResourceUse]:
    def by_path(rows: list[Any], frames: list[Frame], what: str, kind: Any) -> Any:
        return _by_path(rows, frames, what, partial(_numbers_of, kind))

    def histogram(row: Mapping[str, Any], name: str) -> Histogram:
        return _histogram(row[name], f'its "{name}"')

    try:
        return parse_resources(rows, frames, by_path, histogram)
    except ValueError as error:
        raise _MalformedError(str(error)) from error


def _histogram(value: Any, what: str) -> Histogram:
    match value:
        case [int(total), int(largest), [*pairs]] if _is_counts([total, largest]) and all(
            map(_is_bucket, pairs)
        ):
            if len({bucket for bucket, _ in pairs}) < len(pairs):
                raise _MalformedError(f"{what} has a bucket twice")
            return Histogram(total, largest, dict(pairs))
    raise _MalformedError(f"{what} is not [total, max, [[bucket, count], ...]]")


def _slow(frames: list[Frame], value: Any, what: str) -> SlowSpans:
    match value:
        case [[*numbers], [*waits], int(count), int(duration), [*shares], [*savings], *more] if (
            _is_counts([*numbers, count, duration])
            and len(numbers) == len(_BREAKDOWN)
            and len(more) <= 1
            and all(isinstance(each, list) and all(map(_is_trace, each)) for each in more)
            and all(map(_is_wait, waits))
            and all(_is_saving(saving, len(frames)) for saving in savings)
        ):
            named = {_joined(label): time for label, time in waits}
            if len(named) < len(waits):
                raise _MalformedError(f"{what} has a wait twice")
            parts = dict(zip(_BREAKDOWN, numbers, strict=True))
            told = Breakdown(waits=named, **parts)
            times = _by_path(shares, frames, f"{what}, share", _time)
            saved = {frames[index]: time for index, time in savings}
            if len(saved) < len(savings):
                raise _MalformedError(f"{what} has a saving twice")
            traces = tuple(TraceOfSpan(*trace) for trace in chain.from_iterable(more))
            return SlowSpans(told, CriticalTimes(count, duration, times, saved), traces)
    raise _MalformedError(f"{what} is not [breakdown, waits, count, duration, shares, savings]")


def _is_trace(row: object) -> bool:
    match row:
        case [latency, str(trace_id)]:
            return _is_count(latency) and _TRACE_ID.fullmatch(trace_id) is not None
    return False


_TRACE_ID: Final = re.compile("[0-9a-f]{32}")


def _is_wait(row: object) -> bool:
    match row:
        case [label, time]:
            return _is_text(label) and _is_count(time)
    return False


def _is_saving(row: object, frames: int) -> bool:
    match row:
        case [int(index), time]:
            return _is_counts([index, time]) and index < frames
    return False


def _time(numbers: list[Any], what: str) -> int:
    match numbers:
        case [int(time)] if _is_count(time):
            return time
    raise _MalformedError(f"{what} is not [[frame, ...], time]")


def _origins(rows: list[Any]) -> dict[str, Origin]:
    found: dict[str, Origin] = {}
    for index, row in enumerate(rows):
        match row:
            case [file, str(origin)] if _is_text(file) and origin in ORIGINS:
                found[_joined(file)] = origin
            case _:
                raise _MalformedError(f"origin {index} is not [file, {' or '.join(ORIGINS)}]")
    if len(found) < len(rows):
        raise _MalformedError("an origin is there twice")
    return found


def _frame(row: Any, index: int) -> Frame:
    match row:
        case [name, file, int(line)] if (
            _is_text(name) and (file is None or _is_text(file)) and _is_count(line)
        ):
            return Frame(_joined(name), None if file is None else _joined(file), line)
    raise _MalformedError(f"frame {index} is not [name, file or null, line]")


def _stacks(rows: list[Any], frames: list[Frame]) -> Mapping[StackPath, Times]:
    """Return the stacks. Each is built on its parent, whose row must come first."""
    found = _in_rows(rows, frames)
    return _one_by_one(rows, frames) if found is None else found


def _in_rows(rows: list[Any], frames: list[Frame]) -> StackRows | None:
    """Return the stacks if all have numbers and make sense, else None; without a step for each."""
    if not rows or {*map(type, rows)} != {list} or not {*map(len, rows)} <= {*_LENGTHS[1:]}:
        return None
    if {*map(type, chain.from_iterable(rows))} != {int}:
        return None
    most = _LENGTHS[-1]
    if {*map(len, rows)} != {most}:
        rows = [row + [0] * (most - len(row)) for row in rows]
    parents, last, *columns = zip(*rows, strict=True)
    if min(parents) < NO_PARENT or not all(map(lt, parents, range(len(rows)))):
        return None
    if min(last) < 0 or max(last) >= len(frames) or min(map(min, columns)) < 0:
        return None
    try:
        found = StackRows(frames, last, parents, columns)
    except ValueError:
        return None
    return found if sum(found.depths) <= MAX_FRAMES else None


def _one_by_one(rows: Iterable[Any], frames: list[Frame]) -> dict[StackPath, Times]:
    """Return the stacks, or say what is wrong with the first row that makes no sense."""
    paths: list[StackPath] = []
    seen: set[int] = set()
    stacks: dict[StackPath, Times] = {}
    length = 0
    for index, row in enumerate(rows):
        parent, frame, times = _numbers(row, index)
        if not (NO_PARENT <= parent < index and 0 <= frame < len(frames)):
            raise _MalformedError(f"stack {index} refers to a parent or frame that is not there")
        key = parent * len(frames) + frame
        if key in seen:
            raise _MalformedError(f"stack {index} is there twice")
        seen.add(key)
        above = () if parent == NO_PARENT else paths[parent]
        length += len(above) + 1
        if length > MAX_FRAMES:
            raise _MalformedError(f"its stacks have more than {MAX_FRAMES:,} frames")
        paths.append(above + (frames[frame],))
        if times is not None:
            stacks[paths[-1]] = times
    return stacks


def _numbers(row: Any, index: int) -> tuple[int, int, Times | None]:
    # A match would take four times as long, and there may be millions of rows.
    if type(row) is list and len(row) in _LENGTHS and {*map(type, row)} == {int}:
        parent, frame, *times = row
        if frame >= 0 and (not times or min(times) >= 0):
            return parent, frame, Times(*times) if times else None
    raise _MalformedError(f"stack {index} is not [parent, frame, {', '.join(Times._fields)}]")


def _by_path(
    rows: Iterable[Any],
    frames: list[Frame],
    what: str,
    read: Callable[[list[Any], str], _Value],
) -> dict[StackPath, _Value]:
    """Return values by path. Each is read from what a row has after its path."""
    found: dict[StackPath, _Value] = {}
    length = 0
    for index, row in enumerate(rows):
        match row:
            case [[_, *_] as indexes, *rest] if _is_counts(indexes):
                pass
            case _:
                raise _MalformedError(f"{what} {index} has no list of frames")
        if max(indexes) >= len(frames):
            raise _MalformedError(f"{what} {index} refers to a frame that is not there")
        length += len(indexes)
        if length > MAX_FRAMES:
            raise _MalformedError(f"its {what}s have more than {MAX_FRAMES:,} frames")
        path = tuple([frames[each] for each in indexes])
        if path in found:
            raise _MalformedError(f"{what} {index} is there twice")
        found[path] = read(rest, f"{what} {index}")
    return found


def _numbers_of(kind: Any, numbers: list[Any], what: str) -> Any:
    """Return counts as the type that they are of."""
    least = _NUMBERS_WITHOUT_KINDS if kind is Blocks else len(kind._fields)
    if _is_counts(numbers) and len(numbers) in (least, len(kind._fields)):
        return kind(*numbers)
    raise _MalformedError(f"{what} is not [[frame, ...], {', '.join(kind._fields)}]")


_blocks: Final[Callable[[list[Any], str], Blocks]] = partial(_numbers_of, Blocks)
_tokens: Final[Callable[[list[Any], str], Tokens]] = partial(_numbers_of, Tokens)


def _taken(
    value: Mapping[str, Any], name: str, is_right: Callable[[object], bool], what: str
) -> Any:
    if name not in value or not is_right(value[name]):
        raise _MalformedError(f'its "{name}" is not {what}')
    return value[name]


def _list(value: Mapping[str, Any], name: str) -> list[object]:
    found: list[object] = _taken(value, name, lambda rows: isinstance(rows, list), "a list")
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_threshold(value: object) -> bool:
    return value is None or _is_count(value)


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


def _is_bucket(pair: object) -> bool:
    match pair:
        case [int(bucket), int(count)]:
            return _is_counts(pair) and bucket <= _MAX_BUCKET and count > 0
    return False


def _is_text(value: object) -> bool:
    """Whether a value is what `_text_row` returns."""
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)
