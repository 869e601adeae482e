"""A batch as rows of the tables, and profiles made of rows again."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import StackFileError
from tracetools.core.profile import SUMS
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.fleet.engine import EngineRefusesError
from tracetools.fleet.schema import BATCHES, PARTS
from tracetools.output.formats.profile_json import format_profile, parse_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.core.histogram import Histogram
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath
    from tracetools.fleet.batch import Batch

__all__ = [
    "LARGEST",
    "NANOSECONDS_OF_HOUR",
    "UNKNOWN",
    "batch_row",
    "frames_of",
    "packed_path",
    "paths_of",
    "rest_of",
    "stack_number",
    "stack_row",
]

NANOSECONDS_OF_HOUR: Final = 3_600 * 10**9
_HOURS_OF_DAY: Final = 24

_LONGEST_TEXT: Final = 200
_MOST_ATTRIBUTES: Final = 32
_MOST_REST: Final = 4_000_000
"""How many characters the rest of a profile may have; else it goes without edges and resources."""

LARGEST: Final = 2**64
"""No number of a row is as large."""

UNKNOWN: Final[StackPath] = (ROOT, Frame("(stack not found)", ""))
"""Where the numbers of a stack go whose frames the engine does not have."""


def clean(text: str) -> str:
    """Return a text that every engine takes: not too long, no lone surrogate and no NUL."""
    shown = text[:_LONGEST_TEXT].encode("utf-8", "backslashreplace").decode()
    return shown.replace("\0", "?")


def packed_path(path: StackPath) -> str:
    """Return the frames of a stack as JSON, in ASCII."""
    return json.dumps([list(frame) for frame in path], separators=(",", ":"))


def stack_number(packed: str) -> int:
    """Return the number of a stack: a hash of its frames of 64 bits.

    Two of ten million stacks have the same one with a chance of 3 in a million.
    """
    return int.from_bytes(blake2b(packed.encode(), digest_size=8).digest(), "big")


def frames_of(packed: str) -> StackPath:
    """Return the frames of a stack; those of `UNKNOWN` for what is no such JSON."""
    try:
        frames = [Frame(*row) for row in json.loads(packed)]
    except (ValueError, TypeError, RecursionError):
        return UNKNOWN
    return tuple(frames) if frames and all(map(_is_frame, frames)) else UNKNOWN


def _is_frame(frame: Frame) -> bool:
    is_file = frame.file is None or isinstance(frame.file, str)
    return isinstance(frame.name, str) and is_file and type(frame.line) is int


def paths_of(profile: Profile) -> set[StackPath]:
    """Return the stacks that have numbers in the arrays of a row."""
    return {
        *(path for path, times in profile.stacks.items() if any(times)),
        *profile.latencies,
        *profile.blocking,
    }


def stack_row(batch: Batch, packed: str, number: int) -> dict[str, Any]:
    """Return the row of one stack, as of the day of a batch."""
    return {
        "service": clean(batch.source.service),
        "instance": clean(batch.source.instance),
        "frames": packed,
        "stack": number,
        "day": _hour(batch) // _HOURS_OF_DAY,
    }


def batch_row(batch: Batch, numbers: Mapping[StackPath, int]) -> dict[str, Any]:
    """Return the row of a batch.

    Args:
        batch: what was recorded.
        numbers: those of its stacks, of all in `paths_of`.

    Raises:
        EngineRefusesError: a number in it is negative or takes more than 64 bits.
    """
    source, profile = batch.source, batch.profile
    attributes = sorted(source.attributes.items())[:_MOST_ATTRIBUTES]
    slowest = (each.breakdown.duration // (each.breakdown.count or 1) for each in _slow(profile))
    row = {
        "service": clean(source.service),
        "version": clean(source.version),
        "host": clean(source.host),
        "instance": clean(source.instance),
        "id": batch.id,
        "attributes": json.dumps({clean(name): clean(value) for name, value in attributes}),
        "rest": _rest(profile),
        "hour": _hour(batch),
        "began": batch.start,
        "ended": batch.end,
        "pid": source.pid,
        "slowest": max(slowest, default=0),
        **{name: getattr(profile, name) for name in SUMS},
        **_columns("times", ((numbers[p], *t) for p, t in profile.stacks.items() if any(t))),
        **_columns("buckets", _buckets(profile.latencies, numbers)),
        **_columns("lasted", ((numbers[p], h.total, h.max) for p, h in profile.latencies.items())),
        **_columns("blocking", ((numbers[p], *_sums(b)) for p, b in profile.blocking.items())),
    }
    for column in BATCHES.columns:
        if column.kind != "text":
            value = row[column.name]
            _check(column.name, [value] if column.kind == "number" else value)
    return row


def _hour(batch: Batch) -> int:
    return batch.start // NANOSECONDS_OF_HOUR


def _slow(profile: Profile) -> Iterable[Any]:
    return profile.slow.values()


def _sums(blocks: Blocks) -> tuple[int, ...]:
    """Return the numbers in the order of the columns: those that add up, and then the largest."""
    named = blocks._asdict()
    largest = named.pop("max")
    return (*named.values(), largest)


def _buckets(
    latencies: Mapping[StackPath, Histogram], numbers: Mapping[StackPath, int]
) -> Iterable[tuple[int, ...]]:
    for path, histogram in latencies.items():
        for bucket, count in histogram.buckets.items():
            yield numbers[path], bucket, count


def _columns(part: str, rows: Iterable[tuple[int, ...]]) -> dict[str, list[int]]:
    """Return arrays, sorted by what tells rows apart: those of the next minute are alike."""
    names = PARTS[part].columns
    columns = [*zip(*sorted(rows), strict=True)] or [()] * len(names)
    return {name: [*column] for name, column in zip(names, columns, strict=True)}


def _check(name: str, numbers: list[int]) -> None:
    if numbers and not 0 <= min(numbers) <= max(numbers) < LARGEST:
        raise EngineRefusesError(
            f"{name} has a number that is negative or takes more than 64 bits: the profile makes"
            " no sense"
        )


def _rest(profile: Profile) -> str:
    without: dict[str, Any] = dict.fromkeys(SUMS, 0)
    rest = replace(profile, stacks={}, latencies={}, blocking={}, **without)
    text = format_profile(rest)
    if len(text) <= _MOST_REST:
        return text
    text = format_profile(replace(rest, edges={}, resources={}, origins={}))
    return text if len(text) <= _MOST_REST else format_profile(replace(rest, edges={}, slow={}))


def rest_of(text: str) -> Profile | None:
    """Return what `batch_row` wrote as `rest`; None if it makes no sense."""
    try:
        return parse_profile(text, "a batch")
    except StackFileError:
        return None


def times_of(numbers: Iterable[int]) -> Times:
    """Return the numbers of a stack."""
    return Times(*numbers)


def blocks_of(numbers: Iterable[int]) -> Blocks:
    """Return blocking steps, from the order of `_sums`."""
    *sums, largest = numbers
    names = [name for name in Blocks._fields if name != "max"]
    return Blocks(**dict(zip(names, sums, strict=True)), max=largest)
