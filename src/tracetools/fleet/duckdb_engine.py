"""A file of DuckDB as an engine: nothing to install but a package, and no server.

DuckDB lets one process at a time have a file. So the file is open only while something is sent or
asked.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.fleet.database import Answer
from tracetools.fleet.engine import (
    EngineRefusesError,
    EngineUnavailableError,
    EngineUnusableError,
)
from tracetools.fleet.schema import TABLES
from tracetools.fleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tracetools.fleet.schema import Part, Table

__all__ = ["DuckDB", "open_duckdb"]

_TYPES: Final = {"text": "VARCHAR", "number": "UBIGINT", "numbers": "UBIGINT[]"}
_PATIENCE: Final = 10.0
_PAUSE: Final = 0.05


def open_duckdb(url: str) -> Store:
    """Return the engine of ``duckdb:PATH``."""
    path = url.partition(":")[2]
    if not path:
        raise EngineRefusesError(f"{url} names no file: give one, such as duckdb:fleet.duckdb")
    try:
        import duckdb  # noqa: F401, PLC0415  # an extra
    except ImportError as error:
        raise EngineRefusesError(
            "duckdb is not installed: pip install 'trio-tracetools[fleet]'"
        ) from error
    return Store(DuckDB(Path(path)))


class DuckDB:
    """A file of DuckDB.

    Args:
        path: of the file.
        patience: for how many seconds to wait for another process that has the file.
    """

    def __init__(self, path: Path, patience: float = _PATIENCE) -> None:
        self.name = f"duckdb:{path}"
        self._path = path
        self._patience = patience
        self._held: Any = None
        self._lock = threading.RLock()

    @contextmanager
    def held(self, *, is_written: bool) -> Iterator[None]:
        """Keep the file open within: to open it takes longer than to ask it."""
        with self._lock:
            if is_written and not self._path.exists():
                self._create()
            self._check_there()
            with self._open(read_only=not is_written) as connection:
                self._check(connection)
                self._held = connection
                try:
                    yield
                finally:
                    self._held = None

    def insert(self, rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]) -> None:
        """Insert rows in one transaction; see `Database`."""
        self._held.execute("BEGIN")
        for table, some in rows:
            # A key that is twice in one statement would be an error.
            once = {tuple(row[name] for name in table.key): row for row in some}
            if once:
                self._held.execute(_insert_sql(table), [json.dumps([*once.values()])])
        self._held.execute("COMMIT")
        with suppress(OSError):  # it has what was inserted, until the file is closed
            os.chmod(f"{self._path}.wal", 0o600)

    def ask(self, sql: str) -> Answer:
        """Return the answer to a query; see `Database`."""
        return Answer(self._held.execute(sql).fetchall())

    def forget(self, table: Table, before: int) -> None:
        """Delete the rows of the days before one."""
        day = table.day.replace("intDiv(hour, 24)", "hour // 24")
        self._held.execute(f"DELETE FROM {table.name} WHERE {day} < {before:d}")  # noqa: S608

    def _check_there(self) -> None:
        if not self._path.exists():
            raise EngineUnavailableError(f"there is no {self._path}: push something to it first")

    def text(self, value: str) -> str:
        """Return a text in SQL: as hexadecimal digits, which nothing ends."""
        return f"decode(unhex('{value.encode().hex()}'))"

    def source(self, table: Table) -> str:
        """Return the name of a table, whose keys are there once."""
        return table.name

    def exploded(self, table: Table, part: Part, kept: Sequence[str], where: str) -> str:
        """Return the rows within rows; see `Database`."""
        arrays = ", ".join(f"unnest({name}) AS {name}" for name in part.columns)
        shown = ", ".join([*(f'"{name}"' for name in kept), arrays])
        return f"(SELECT {shown} FROM {table.name} WHERE {where}) AS exploded"  # noqa: S608

    def divided(self, number: str, by: int) -> str:
        """Return a whole number divided by another one, in SQL."""
        return f"({number} // {by:d})"

    def summed(self, column: str) -> str:
        """Return an aggregate in SQL: the sum, of 128 bits."""
        return f"sum({column})"

    def first(self, column: str) -> str:
        """Return an aggregate in SQL: the value of any row."""
        return f"any_value({column})"

    def first_letter(self, column: str) -> str:
        """Return the first letter of a text in SQL."""
        return f"substring({column}, 1, 1)"

    def close(self) -> None:
        """Nothing is open."""

    def _create(self) -> None:
        """Make the file with its tables, which only its owner may read, and then put it there."""
        folder = self._path.absolute().parent
        try:
            with tempfile.TemporaryDirectory(dir=folder, prefix=".tracetools-") as private:
                made = DuckDB(Path(private, "new.duckdb"))
                with made._open(read_only=False) as connection:
                    for table in TABLES:
                        connection.execute(_create_sql(table))
                made._path.chmod(0o600)
                with suppress(FileExistsError):  # another process was faster
                    os.link(made._path, self._path)
        except OSError as error:
            raise EngineUnavailableError(
                f"cannot make {self._path}: {error.strerror or error}"
            ) from error

    def _tables(self, connection: Any) -> set[str]:
        rows = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {str(name) for (name,) in rows}

    def _check(self, connection: Any) -> None:
        """Refuse a file whose tables are not ours, or of another version."""
        there = self._tables(connection)
        for table in TABLES:
            if table.name not in there:
                raise EngineUnusableError(
                    f"{self._path} has other tables, and no {table.name}: name another file"
                )
            sql = f"SELECT * FROM {table.name} LIMIT 0"  # noqa: S608
            found = [each[0] for each in connection.execute(sql).description]
            if found != [column.name for column in table.columns]:
                raise EngineUnusableError(
                    f"{table.name} in {self._path} is of another version of tracetools: name"
                    " another file"
                )

    @contextmanager
    def _open(self, *, read_only: bool) -> Iterator[Any]:
        """Open the file, and close it again; its errors become ours."""
        import duckdb  # noqa: PLC0415  # an extra

        connection = self._connect(duckdb, read_only=read_only)
        try:
            yield connection
        except (duckdb.IOException, duckdb.OutOfMemoryException) as error:  # full, perhaps
            raise EngineUnavailableError(f"{self.name}: {_first_line(error)}") from error
        except duckdb.TransactionException as error:
            raise EngineUnavailableError(f"{self.name}: {_first_line(error)}") from error
        except (duckdb.DataError, duckdb.IntegrityError) as error:  # of what was sent
            raise EngineRefusesError(f"{self.name}: {_first_line(error)}") from error
        except duckdb.Error as error:
            raise EngineUnusableError(f"{self.name}: {_first_line(error)}") from error
        finally:
            connection.close()

    def _connect(self, duckdb: Any, *, read_only: bool) -> Any:
        """Open the file; wait where another process has it."""
        until = time.monotonic() + self._patience
        while True:
            try:
                return duckdb.connect(str(self._path), read_only=read_only)
            except duckdb.IOException as error:  # noqa: PERF203
                is_locked = "lock" in str(error)
                if is_locked and time.monotonic() < until:
                    time.sleep(_PAUSE)
                    continue
                if is_locked:
                    raise EngineUnavailableError(
                        f"another process has {self._path} open: DuckDB lets one at a time have it"
                    ) from error
                if "not a valid DuckDB" in str(error):
                    raise EngineUnusableError(
                        f"{self._path} is no file of DuckDB: name another one"
                    ) from error
                raise EngineUnavailableError(f"{self.name}: {_first_line(error)}") from error
            except duckdb.Error as error:
                raise EngineUnusableError(f"{self.name}: {_first_line(error)}") from error


def _create_sql(table: Table) -> str:
    columns = ", ".join(f'"{c.name}" {_TYPES[c.kind]} NOT NULL' for c in table.columns)
    key = ", ".join(f'"{name}"' for name in table.key)
    return f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({key}))"


def _insert_sql(table: Table) -> str:
    """Return the statement that inserts rows from JSON: one at a time takes ten times as long."""
    kinds = json.dumps([{column.name: _TYPES[column.kind] for column in table.columns}])
    names = ", ".join(f'r."{column.name}"' for column in table.columns)
    rows = f"(SELECT unnest(from_json(?, '{kinds}')) AS r)"
    return f"INSERT INTO {table.name} SELECT {names} FROM {rows} {_on_conflict(table)}"  # noqa: S608


def _on_conflict(table: Table) -> str:
    key = ", ".join(f'"{name}"' for name in table.key)
    if not table.newest:
        return f"ON CONFLICT ({key}) DO NOTHING"
    names = [c.name for c in table.columns if c.name not in table.key]
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
    newest = f"excluded.{table.newest} >= {table.name}.{table.newest}"
    return f"ON CONFLICT ({key}) DO UPDATE SET {sets} WHERE {newest}"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
