"""The tables of a fleet as data: what is kept of a batch, whatever the engine.

A batch is one row, with the numbers of its stacks side by side in arrays. So a batch is there as a
whole or not at all, and one that was sent twice is one key that is there twice.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from tracetools.core.profile import SUMS
from tracetools.core.stacks import Blocks, Times

__all__ = ["BATCHES", "HOURS", "PARTS", "STACKS", "TABLES", "Column", "Part", "Table"]

Kind: TypeAlias = Literal["text", "number", "numbers"]
"""``number`` is a whole number from 0 to 2**64 - 1, ``numbers`` an array of such."""


class Column(NamedTuple):
    """A column of a table."""

    name: str
    kind: Kind


class Table(NamedTuple):
    """A table.

    Attributes:
        name: of the table, in a database that may be shared with others.
        columns: in their order.
        key: the columns that rows are sorted by. Rows with equal keys are one.
        newest: which of such rows counts: the one with the most in this column; any, where there
            is none.
        day: the day of a row as a number since the Unix epoch, in SQL: what is old is forgotten.
        near: the column whose rows are kept on the same machine.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    newest: str
    day: str
    near: str


class Part(NamedTuple):
    """Arrays of equal length, which are rows of their own within a row.

    Attributes:
        keys: what tells these rows apart.
        sums: what adds up.
        most: of what the largest counts.
    """

    keys: tuple[str, ...]
    sums: tuple[str, ...]
    most: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all its arrays."""
        return (*self.keys, *self.sums, *self.most)


_BLOCKS: Final = tuple(f"b_{name}" for name in Blocks._fields if name != "max")

PARTS: Final = {
    "times": Part(("t_stack",), tuple(f"t_{name}" for name in Times._fields)),
    "buckets": Part(("l_stack", "l_bucket"), ("l_count",)),
    "lasted": Part(("m_stack",), ("m_total",), ("m_max",)),
    "blocking": Part(("b_stack",), _BLOCKS, ("b_max",)),
}
"""The numbers by stack: times, buckets of latencies, their sums, and blocking steps."""


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "text") for name in names)


def _numbers(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "number") for name in names)


_ARRAYS: Final = tuple(Column(name, "numbers") for part in PARTS.values() for name in part.columns)

BATCHES: Final = Table(
    "tracetools_batches",
    (
        *_texts("service", "version", "host", "instance", "id", "attributes", "rest"),
        *_numbers("hour", "began", "ended", "pid", "slowest", *SUMS),
        *_ARRAYS,
    ),
    key=("service", "hour", "instance", "began"),
    newest="",
    day="intDiv(hour, 24)",
    near="instance",
)
"""What each process recorded in each minute.

`hour` counts from the Unix epoch, `began` and `ended` are nanoseconds since then. `rest` is the
profile without what the other columns have, as JSON. `slowest` is the duration of its slowest span
that was kept, in nanoseconds.
"""

HOURS: Final = Table(
    "tracetools_hours",
    (
        *_texts("service", "version"),
        *_numbers("hour", "batches", "processes", *SUMS),
        *_ARRAYS,
    ),
    key=("service", "hour", "version"),
    newest="batches",
    day="intDiv(hour, 24)",
    near="service",
)
"""The sums of all batches of an hour; of several such rows the one with the most batches counts."""

STACKS: Final = Table(
    "tracetools_stacks",
    (*_texts("service", "instance", "frames"), *_numbers("stack", "day")),
    key=("service", "stack"),
    newest="day",
    day="day",
    near="instance",
)
"""The frames of stacks as JSON, by their hash; `day` is the last one on which it was sent.

`instance` is one of those that sent it: it is kept where that one's batches are.
"""

TABLES: Final = (BATCHES, HOURS, STACKS)
