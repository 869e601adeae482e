"""The tables of a pprof file, as they are read: hostile until checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.formats.content import MalformedError, label_of, packed_label
from tracetools.output.formats.wire import fields, integers, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Location", "Sample", "Tables", "read_tables"]

MAX_ROWS: Final = 4_000_000
"""How many rows a table may have. Without this bound, a small file can ask for more memory than
there is."""

MAX_DEPTH: Final = 1_000_000
"""How many locations a sample may have."""

_Message = dict[int, list["int | memoryview"]]


class Location(NamedTuple):
    """One row of the table of locations: functions and lines, from the outermost."""

    lines: tuple[tuple[int, int], ...]
    address: int
    mapping: int


class Sample(NamedTuple):
    """One sample: its locations from the innermost, and its values."""

    locations: list[int]
    values: list[int]
    position: int


@dataclass
class Tables:
    """All of a file but its samples, which are read again and again.

    Attributes:
        types: the name and the unit of each value.
        default: the name of the type that is shown first; empty for the last one.
        ours: what we write beside the tables, in a field of our own; None in other files.
    """

    data: memoryview
    strings: list[bytes] = field(default_factory=list)
    types: list[tuple[str, str]] = field(default_factory=list)
    default: str = ""
    ours: bytes | None = None
    functions: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    locations: dict[int, Location] = field(default_factory=dict)
    mappings: dict[int, int] = field(default_factory=dict)

    def samples(self) -> Iterator[Sample]:
        """Yield all samples. Values are of 64 bits with a sign, one for each type."""
        for number, value, at in fields(self.data):
            if number == _SAMPLE:
                yield self._sample(_inner(value, at), at)

    def _sample(self, value: memoryview, at: int) -> Sample:
        locations: list[int] = []
        values: list[int] = []
        for number, inner, _ in fields(value, at):
            if number in (1, 2):
                (locations if number == 1 else values).extend(integers(inner, at))
            if len(locations) > MAX_DEPTH or len(values) > MAX_DEPTH:
                raise MalformedError(f"byte {at}: a sample has too many numbers")
        if len(values) != len(self.types):
            raise MalformedError(
                f"byte {at}: a sample has {len(values)} values for {len(self.types)} types"
            )
        return Sample(locations, [signed(each) for each in values], at)

    def text(self, index: int, at: int) -> str:
        """Return a text of the table."""
        if index >= len(self.strings):
            raise MalformedError(f"byte {at}: no string has the number {index}")
        return self.strings[index].decode(errors="replace")

    def location(self, index: int, at: int) -> Location:
        """Return a row of the table of locations."""
        found = self.locations.get(index)
        if found is None:
            raise MalformedError(f"byte {at}: no location has the number {index}")
        return found

    def function(self, index: int, at: int) -> tuple[str, str, int]:
        """Return the name, the file and the first line of a function; 0 if that is not known."""
        found = self.functions.get(index)
        if found is None:
            raise MalformedError(f"byte {at}: no function has the number {index}")
        return self.text(found[0], at), self.text(found[1], at), found[2]

    def labels(self, index: int, at: int) -> list[bytes]:
        """Return the labels of a location as parts of a packed stack, the outermost first.

        What was not symbolised has its address and the file that it is in.
        """
        location = self.location(index, at)
        if location.lines:
            return [packed_label(label_of(*self.function(each, at))) for each, _ in location.lines]
        file = self.text(self.mappings.get(location.mapping, 0), at) if self.strings else ""
        return [packed_label(label_of(f"{location.address:#x}", PurePath(file).name))]


_TYPE, _SAMPLE, _MAPPING, _LOCATION, _FUNCTION, _STRING = range(1, 7)
OURS: Final = 4242
"""The number of a field that no other tool knows."""

_DEFAULT: Final = 14


def read_tables(data: bytes) -> Tables:
    """Return the tables of a file, unpacked.

    Raises:
        MalformedError: these bytes are none.
    """
    tables = Tables(memoryview(data))
    types: list[tuple[int, int, int]] = []
    default = 0, 0
    for number, value, at in fields(tables.data):
        if number == _STRING:
            tables.strings.append(bytes(_inner(value, at)))
        elif number == _TYPE:
            inner = _message(value, at)
            types.append((_one(inner, 1), _one(inner, 2), at))
        elif number == OURS:
            tables.ours = bytes(_inner(value, at))
        elif number == _DEFAULT:
            default = _whole(value, at), at
        elif number in (_MAPPING, _LOCATION, _FUNCTION):
            _add_row(tables, number, value, at)
        if max(len(tables.strings), len(types), len(tables.locations)) > MAX_ROWS:
            raise MalformedError(f"byte {at}: a table has more than {MAX_ROWS:,} rows")
    tables.types = [(tables.text(name, at), tables.text(unit, at)) for name, unit, at in types]
    tables.default = tables.text(*default) if default[0] else ""
    if not tables.types:
        raise MalformedError("it has no sample types")
    return tables


def _add_row(tables: Tables, number: int, value: int | memoryview, at: int) -> None:
    row = _message(value, at)
    index = _one(row, 1)
    if number == _MAPPING:
        tables.mappings[index] = _one(row, 5)
    elif number == _FUNCTION:
        tables.functions[index] = _one(row, 2), _one(row, 4), max(0, signed(_one(row, 5)))
    else:
        lines = [_message(line, at) for line in row.get(4, ())]
        pairs = tuple((_one(line, 1), max(0, signed(_one(line, 2)))) for line in reversed(lines))
        tables.locations[index] = Location(pairs, _one(row, 3), _one(row, 2))


def _message(value: int | memoryview, at: int) -> _Message:
    found: _Message = {}
    for number, inner, _ in fields(_inner(value, at), at):
        found.setdefault(number, []).append(inner)
    return found


def _one(row: _Message, number: int) -> int:
    """Return a number of a message; the last one counts, and 0 stands for none."""
    found = row.get(number, (0,))[-1]
    return found if isinstance(found, int) else 0


def _inner(value: int | memoryview, at: int) -> memoryview:
    if isinstance(value, int):
        raise MalformedError(f"byte {at}: a number where there should be a message")
    return value


def _whole(value: int | memoryview, at: int) -> int:
    if not isinstance(value, int):
        raise MalformedError(f"byte {at}: a message where there should be a number")
    return value
