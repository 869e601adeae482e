"""What ClickHouse's SQL is like, from version 18.16 on: tables, and the parts of queries."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from tracetools.fleet.schema import BATCHES, HOURS, STACKS, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from tracetools.fleet.schema import Part, Table

__all__ = ["HERE", "TYPES", "ClickHouseSQL", "create_tables"]

TYPES: Final = {"text": "String", "number": "UInt64", "numbers": "Array(UInt64)"}

HERE: Final = "_here"
"""How the names of the tables of one machine of a cluster end."""

_PARTITIONS: Final = {BATCHES: "intDiv(hour, 24)", HOURS: "intDiv(hour, 720)"}
_MONTHS: Final = "intDiv(day, 30)"

_GRANULARITY: Final = {BATCHES: 128, HOURS: 8}
"""How many rows lie between two marks of the index: rows with arrays are long."""

_WITH_CODECS: Final = (19, 11)
"""The first version that has both codecs and TTL."""

_HOURS_LAST: Final = 13
"""How much longer hours are kept than batches."""


class ClickHouseSQL:
    """The parts of queries; see `Database`."""

    def held(self, *, is_written: bool) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing has to be opened for each question."""
        return nullcontext()

    def text(self, value: str) -> str:
        """Return a text in SQL: as hexadecimal digits, which nothing ends."""
        return f"unhex('{value.encode().hex()}')"

    def source(self, table: Table) -> str:
        """Return a table in which rows with equal keys are one."""
        return f"{table.name} FINAL"

    def exploded(self, table: Table, part: Part, kept: Sequence[str], where: str) -> str:  # noqa: ARG002
        """Return the rows within rows.

        Rows are chosen before (PREWHERE) their arrays are read. This is right where FINAL is, as
        all conditions are on what rows with equal keys have in common.
        """
        return f"{table.name} FINAL ARRAY JOIN {', '.join(part.columns)} PREWHERE {where}"

    def divided(self, number: str, by: int) -> str:
        """Return a whole number divided by another one, in SQL."""
        return f"intDiv({number}, {by:d})"

    def summed(self, column: str) -> str:
        """Return an aggregate in SQL: the sum. That of 64 bits would begin again at zero."""
        return f"sum(toDecimal128({column}, 0))"

    def first(self, column: str) -> str:
        """Return an aggregate in SQL: the value of any row."""
        return f"any({column})"

    def first_letter(self, column: str) -> str:
        """Return the first letter of a text in SQL."""
        return f"substring({column}, 1, 1)"


def create_tables(
    version: tuple[int, ...], cluster: str, keep_days: int, database: str
) -> Iterator[str]:
    """Yield the statements that make the tables of one machine, where they are not there.

    Args:
        version: of the server.
        cluster: its name in the configuration of the server; empty for a single machine.
        keep_days: for how long batches are kept.
        database: its name. What is `Distributed` has to have it: ``currentDatabase()`` is another
            one once a server of 18.16 was started again.
    """
    for table in TABLES:
        name = table.name + (HERE if cluster else "")
        yield _create(table, name, version, keep_days)
        if cluster:
            yield (
                f"CREATE TABLE IF NOT EXISTS {table.name} AS {name} ENGINE = Distributed("
                f"{cluster}, '{database}', {name}, cityHash64({table.near}))"
            )
    yield from _create_known(HERE if cluster else "")
    if cluster:
        yield (
            f"CREATE TABLE IF NOT EXISTS tracetools_known AS tracetools_known{HERE}"
            f" ENGINE = Distributed({cluster}, '{database}', tracetools_known{HERE})"
        )
        yield (
            "CREATE TABLE IF NOT EXISTS tracetools_shards AS system.one"
            f" ENGINE = Distributed({cluster}, system, one)"
        )


def _create_known(suffix: str) -> Iterator[str]:
    """Yield what makes the list of what there is, and the view that adds to it.

    The table is not one of the view's own: a server that is killed between the two could make
    neither again.
    """
    yield (
        f"CREATE TABLE IF NOT EXISTS tracetools_known{suffix} (service String, version String,"
        " host String, day UInt64, processes AggregateFunction(uniq, String), batches"
        " AggregateFunction(uniq, String), first AggregateFunction(min, UInt64), last"
        " AggregateFunction(max, UInt64)) ENGINE = AggregatingMergeTree() PARTITION BY"
        " intDiv(day, 30) ORDER BY (service, version, host, day)"
    )
    yield (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS tracetools_known_view{suffix}"  # noqa: S608
        f" TO tracetools_known{suffix} AS SELECT service, version, host, intDiv(hour, 24) AS day,"
        " uniqState(instance) AS processes, uniqState(id) AS batches, minState(began) AS first,"
        f" maxState(ended) AS last FROM {BATCHES.name}{suffix}"
        " GROUP BY service, version, host, day"
    )


def _create(table: Table, name: str, version: tuple[int, ...], keep_days: int) -> str:
    is_new = version >= _WITH_CODECS
    codec = " CODEC(ZSTD(1))" if is_new else ""
    columns = ", ".join(f"{c.name} {TYPES[c.kind]}{codec}" for c in table.columns)
    days = keep_days if table is BATCHES else keep_days * _HOURS_LAST
    ttl = f" TTL toDateTime({table.day} * 86400) + toIntervalDay({days + 1:d})" if is_new else ""
    partition = _MONTHS if table is STACKS else _PARTITIONS[table]
    return (
        f"CREATE TABLE IF NOT EXISTS {name} ({columns})"
        f" ENGINE = ReplacingMergeTree({table.newest}) PARTITION BY {partition}"
        f" ORDER BY ({', '.join(table.key)}){ttl}"
        f" SETTINGS index_granularity = {_GRANULARITY.get(table, 1024)}"
    )
