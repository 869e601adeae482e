"""chdb as an engine: ClickHouse within this process, with its tables in a folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracetools.fleet.clickhouse_sql import TYPES, ClickHouseSQL, create_tables
from tracetools.fleet.database import Answer
from tracetools.fleet.engine import (
    EngineRefusesError,
    EngineUnavailableError,
    EngineUnusableError,
)
from tracetools.fleet.row_binary import row_binary
from tracetools.fleet.schema import TABLES
from tracetools.fleet.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.fleet.schema import Table

__all__ = ["Chdb", "open_chdb"]

_KEEP_DAYS = 30
_NEW = (20, 0)


def open_chdb(url: str) -> Store:
    """Return the engine of ``chdb:FOLDER``."""
    folder = url.partition(":")[2]
    if not folder:
        raise EngineRefusesError(f"{url} names no folder: give one, such as chdb:fleet")
    try:
        import chdb  # type: ignore[import-not-found,unused-ignore]  # noqa: F401, PLC0415  # an extra
    except ImportError as error:
        raise EngineRefusesError(
            "chdb is not installed: pip install 'trio-tracetools[chdb]'"
        ) from error
    return Store(Chdb(Path(folder)))


class Chdb(ClickHouseSQL):
    """A folder of chdb. It is open from the first question until `close`.

    One process has it at a time, and a process has one at a time.
    """

    def __init__(self, folder: Path) -> None:
        self.name = f"chdb:{folder}"
        self._folder = folder
        self._session: Any = None

    def insert(self, rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]) -> None:
        """Insert rows; see `Database`."""
        session = self._open()
        for table, some in rows:
            if some:
                shape = ", ".join(f"{c.name} {TYPES[c.kind]}" for c in table.columns)
                with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".rows") as file:
                    file.write(row_binary(table.columns, some))
                    file.flush()
                    path = self.text(str(Path(file.name).absolute()))
                    self._run(
                        session,
                        f"INSERT INTO {table.name} SELECT * FROM"  # noqa: S608
                        f" file({path}, 'RowBinary', '{shape}')",
                    )

    def ask(self, sql: str) -> Answer:
        """Return the answer to a query; see `Database`."""
        return Answer(self._rows(self._open(), sql))

    def forget(self, table: Table, before: int) -> None:
        """Delete the rows of the days before one."""
        self._run(self._open(), f"ALTER TABLE {table.name} DELETE WHERE {table.day} < {before:d}")

    def close(self) -> None:
        """Close the folder."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self) -> Any:
        if self._session is None:
            from chdb.session import Session  # noqa: PLC0415  # an extra

            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                session: Any = Session(str(self._folder))  # type: ignore[no-untyped-call,unused-ignore]
            except OSError as error:
                raise EngineUnavailableError(
                    f"cannot open {self._folder}: {error.strerror or error}"
                ) from error
            except Exception as error:  # chdb raises these
                raise EngineUnavailableError(
                    f"{self.name} cannot be opened; does another process have it?"
                    f" {str(error).partition(chr(10))[0][:200]}"
                ) from error
            self._prepare(session)
            self._session = session
        return self._session

    def _prepare(self, session: Any) -> None:
        self._run(session, "CREATE DATABASE IF NOT EXISTS tracetools")
        self._run(session, "USE tracetools")
        for sql in create_tables(_NEW, "", _KEEP_DAYS, "tracetools"):
            self._run(session, sql)
        for table in TABLES:
            found = [row[0] for row in self._rows(session, f"DESCRIBE TABLE {table.name}")]
            if found != [column.name for column in table.columns]:
                raise EngineUnusableError(
                    f"{table.name} in {self._folder} is of another version of tracetools: name"
                    " another folder"
                )

    def _rows(self, session: Any, sql: str) -> list[list[Any]]:
        text = self._run(session, f"{sql} SETTINGS output_format_json_quote_64bit_integers = 0")
        rows: list[list[Any]] = json.loads(text)["data"] if text else []
        return rows

    def _run(self, session: Any, sql: str) -> str:
        try:
            return str(session.query(sql, "JSONCompact"))
        except Exception as error:  # chdb raises RuntimeError for all
            said = " ".join(str(error).split())[:300]
            raise EngineUnavailableError(f"{self.name}: {said}") from error
