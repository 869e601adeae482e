"""A profile as a file: JSON that holds all of it, so that any lens can be looked at later.

What may live here: the text of one profile, strict both ways. What must not: lenses, sums, and
anything about drawing.

The first key is the version. Frames stand in a table; a stack is a row of the index of its parent
(-1 for none), the index of its frame, and the eight numbers of `Times`. A row of the two indexes
alone is a stack that has no numbers and only stands above others. Rows are sorted, parents first,
so that equal profiles are equal bytes. What blocked the loop need not be among the stacks: a row is
a list of indexes of frames, and the three numbers of `Blocks`. A `Spread` is its total, its worst,
and its buckets, each with how many sizes it has.

All of it is ASCII, so that any text survives, lone surrogates too. By convention the file's name
ends in `.profile.json`. Files from before there was any of `_LATER`, whose stacks have the first
six numbers, are read like those that say that there is none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.errors import StackFileError
from tracetools.core.histogram import Spread
from tracetools.core.profile import Profile
from tracetools.core.stacks import Blocks, Frame, Times
from tracetools.output.formats.files import explain, write_atomically

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from _typeshed import SupportsRead

    from tracetools.core.stacks import StackPath

VERSION: Final = 1

MAX_FRAMES: Final = 50_000_000
"""How many frames all stacks together may have when read: a small file can ask for far more memory
than there is. A recording with its own bounds has at most 2,560,000."""

MAX_BYTES: Final = 1 << 28
"""The longest file that is read: 100 times what a recording with its usual bounds has."""

_KEY: Final = "tracetools-profile"
_COUNTS: Final = ("duration", "task_time", "runs", "merged", "samples", "unseen")
_TEXTS: Final = ("programs", "backends")
_SWITCHES: Final = ("scheduled_measured", "truncated")
_SPREADS: Final = ("lateness", "queue")
_LATER: Final[dict[str, Any]] = {
    "samples": 0,
    "unseen": 0,
    "blocking_limit": None,
    "queue_trend": [],
    **{name: [0, 0, []] for name in _SPREADS},
    "blocking": [],
}
_MAX_BUCKET: Final = 1 << 16
"""Of a size of 618 digits. Sizes are shifted by what their bucket says, so one from a file must not
be just any number."""

_NO_PARENT: Final = -1
_NUMBERS: Final = len(Times._fields)
_NUMBERS_AT_FIRST: Final = 6
_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"tracetools-profile"\s*:')
_REMEDY: Final = "record it again, or give a file that tracetools wrote"


def is_profile(first_bytes: bytes) -> bool:
    """Tell a profile from folded text by the first bytes of a file; 64 of them are enough."""
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
    """Give the text of a profile, its last line ended: equal profiles give equal text.

    Raises:
        ValueError: A stack has no frames, or a number has more digits than Python writes (4,300).
    """
    paths = (*profile.stacks, *profile.blocking)
    if () in paths:
        raise ValueError("a stack has no frames: every stack begins with the root")
    frames = sorted({frame for path in paths for frame in path}, key=_order)
    index_of = {frame: index for index, frame in enumerate(frames)}
    plain = ("start", *_COUNTS, *_TEXTS, *_SWITCHES, "blocking_limit", "queue_trend")
    about = {
        _KEY: VERSION,
        **{name: getattr(profile, name) for name in plain},
        **{name: _spread_row(getattr(profile, name)) for name in _SPREADS},
    }
    lines = [f"{_dump(name)}:{_dump(value)}" for name, value in about.items()]
    lines.append(_listed("frames", frames))
    lines.append(_listed("stacks", _rows(profile.stacks, index_of)))
    lines.append(_listed("blocking", _blocking_rows(profile.blocking, index_of)))
    return "{" + ",\n".join(lines) + "}\n"


def _order(frame: Frame) -> tuple[str, bool, str, int]:
    """Sort a frame whose file is not known before all others of its name."""
    return frame.name, frame.file is not None, frame.file or "", frame.line


def _spread_row(spread: Spread) -> list[Any]:
    return [spread.total, spread.worst, sorted(spread.buckets.items())]


def _rows(stacks: Mapping[StackPath, Times], index_of: Mapping[Frame, int]) -> list[list[int]]:
    """Give the rows of all stacks, each after its parent."""
    numbers = {tuple(index_of[frame] for frame in path): stacks[path] for path in stacks}
    missing = {path[:length] for path in numbers for length in range(1, len(path))}
    rows: list[list[int]] = []
    row_of: dict[tuple[int, ...], int] = {(): _NO_PARENT}
    for path in sorted(missing | numbers.keys()):
        row_of[path] = len(rows)
        rows.append([row_of[path[:-1]], path[-1], *numbers.get(path, ())])
    return rows


def _blocking_rows(
    blocking: Mapping[StackPath, Blocks], index_of: Mapping[Frame, int]
) -> list[tuple[Any, ...]]:
    """Give the rows of what blocked the loop, sorted by the indexes of their frames."""
    return sorted(
        ([index_of[frame] for frame in path], *blocks) for path, blocks in blocking.items()
    )


def _listed(name: str, rows: Iterable[Any]) -> str:
    """Give a list, a line for each row."""
    return f"{_dump(name)}:[\n" + ",\n".join(map(_dump, rows)) + "\n]"


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


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
    """Read the text of a profile; whether the laws of time hold in it is not checked.

    Keys that are not known are left alone. `source` names the input in messages.

    Raises:
        StackFileError: The text is not that of a profile, or of a later version.
    """
    try:
        return _profile(_LATER | _loaded(text))
    except _MalformedError as error:
        raise StackFileError(f"{source}: not a profile: {error}; {_REMEDY}") from error


class _MalformedError(Exception):
    """What is wrong with a text, in a few words."""


def _loaded(text: str | bytes) -> dict[str, Any]:
    """Read JSON, an object that says that it is a profile."""
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8-sig")
        value = json.loads(decoded)
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
    for name in _COUNTS:
        about[name] = _taken(value, name, _is_count, "a whole number of zero or more")
    for name in _TEXTS:
        about[name] = tuple(_taken(value, name, _is_texts, "a list of texts"))
    for name in _SWITCHES:
        about[name] = _taken(value, name, _is_switch, "true or false")
    about["blocking_limit"] = _taken(value, "blocking_limit", _is_limit, "a number of zero or more")
    about["queue_trend"] = tuple(_taken(value, "queue_trend", _is_counts, "a list of numbers"))
    for name in _SPREADS:
        about[name] = _spread(value, name)
    frames = [_frame(row, index) for index, row in enumerate(_list(value, "frames"))]
    if len(set(frames)) < len(frames):
        raise _MalformedError("a frame is there twice")
    return Profile(
        stacks=_stacks(_list(value, "stacks"), frames),
        blocking=_blocking(_list(value, "blocking"), frames),
        **about,
    )


def _spread(value: Mapping[str, Any], name: str) -> Spread:
    match value[name]:
        case [int(total), int(worst), [*pairs]] if _is_counts([total, worst]) and all(
            map(_is_bucket, pairs)
        ):
            if len({bucket for bucket, _ in pairs}) < len(pairs):
                raise _MalformedError(f'its "{name}" has a bucket twice')
            return Spread(total, worst, dict(pairs))
    raise _MalformedError(f'its "{name}" is not [total, worst, [[bucket, count], ...]]')


def _frame(row: object, index: int) -> Frame:
    match row:
        case [str(name), str() | None as file, int(line)] if _is_count(line):
            return Frame(name, file, line)
    raise _MalformedError(f"frame {index} is not [name, file or null, line]")


def _stacks(rows: Iterable[Any], frames: list[Frame]) -> dict[StackPath, Times]:
    """Build the stacks, each from its parent's, which must stand before it."""
    paths: list[StackPath] = []
    seen: set[tuple[int, int]] = set()
    stacks: dict[StackPath, Times] = {}
    length = 0
    for index, row in enumerate(rows):
        parent, frame, times = _numbers(row, index)
        if not (_NO_PARENT <= parent < index and 0 <= frame < len(frames)):
            raise _MalformedError(f"stack {index} refers to a parent or frame that is not there")
        if (parent, frame) in seen:
            raise _MalformedError(f"stack {index} is there twice")
        seen.add((parent, frame))
        above = () if parent == _NO_PARENT else paths[parent]
        length += len(above) + 1
        if length > MAX_FRAMES:
            raise _MalformedError(f"its stacks have more than {MAX_FRAMES:,} frames")
        paths.append(above + (frames[frame],))
        if times is not None:
            stacks[paths[-1]] = times
    return stacks


def _numbers(row: Any, index: int) -> tuple[int, int, Times | None]:
    match row:
        case [int(parent), int(frame), *times] if (
            _is_whole(parent)
            and all(map(_is_count, (frame, *times)))
            and len(times) in (0, _NUMBERS_AT_FIRST, _NUMBERS)
        ):
            return parent, frame, Times(*times) if times else None
    raise _MalformedError(f"stack {index} is not [parent, frame, {', '.join(Times._fields)}]")


def _blocking(rows: Iterable[Any], frames: list[Frame]) -> dict[StackPath, Blocks]:
    blocking: dict[StackPath, Blocks] = {}
    length = 0
    for index, row in enumerate(rows):
        indexes, blocks = _blocks(row, index)
        if max(indexes) >= len(frames):
            raise _MalformedError(f"block {index} refers to a frame that is not there")
        length += len(indexes)
        if length > MAX_FRAMES:
            raise _MalformedError(f"its blocks have more than {MAX_FRAMES:,} frames")
        path = tuple([frames[each] for each in indexes])
        if path in blocking:
            raise _MalformedError(f"block {index} is there twice")
        blocking[path] = blocks
    return blocking


def _blocks(row: Any, index: int) -> tuple[list[int], Blocks]:
    match row:
        case [[_, *_] as indexes, count, total, worst] if _is_counts(indexes) and _is_counts(
            [count, total, worst]
        ):
            return indexes, Blocks(count, total, worst)
    raise _MalformedError(f"block {index} is not [[frame, ...], {', '.join(Blocks._fields)}]")


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


def _is_limit(value: object) -> bool:
    return value is None or _is_count(value)


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


def _is_bucket(pair: object) -> bool:
    match pair:
        case [int(bucket), int(count)]:
            return _is_counts(pair) and bucket <= _MAX_BUCKET and count > 0
    return False


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)
