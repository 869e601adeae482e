"""What a database has to do for `Store`, and the SQL that all of them have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from tracetools.fleet.schema import Part, Table

__all__ = ["Answer", "Database", "number_text"]


class Answer(NamedTuple):
    """The rows of an answer.

    Attributes:
        rows: in the order of the columns.
        missing: what did not answer, in words; empty if all did.
    """

    rows: Sequence[Sequence[Any]]
    missing: tuple[str, ...] = ()


class Database(Protocol):
    """A database that has the tables of `schema`.

    All methods raise EngineUnavailableError or EngineRefusesError.
    """

    name: str
    """For messages; without a password."""

    def held(self, *, is_written: bool) -> AbstractContextManager[None]:
        """Keep the database open within, where opening it takes a while."""

    def insert(self, rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]) -> None:
        """Insert rows of tables in their order. When this returns, all are kept."""

    def ask(self, sql: str) -> Answer:
        """Return the answer to a query."""

    def text(self, value: str) -> str:
        """Return a text in SQL. No text can end it."""

    def source(self, table: Table) -> str:
        """Return what stands after FROM for a table, in which each key is there once."""

    def exploded(self, table: Table, part: Part, kept: Sequence[str], where: str) -> str:
        """Return what stands after FROM for the rows within rows, with some plain columns."""

    def divided(self, number: str, by: int) -> str:
        """Return a whole number divided by another one, in SQL."""

    def summed(self, column: str) -> str:
        """Return an aggregate in SQL: the sum, which may take more than 64 bits."""

    def first(self, column: str) -> str:
        """Return an aggregate in SQL: the value of any row."""

    def first_letter(self, column: str) -> str:
        """Return the first letter of a text in SQL."""

    def forget(self, table: Table, before: int) -> None:
        """Delete the rows of the days before one."""

    def close(self) -> None:
        """Let go of connections and files."""


def number_text(values: Iterable[int]) -> str:
    """Return whole numbers in SQL, with commas between them."""
    return ", ".join(map(str, map(int, values)))
