"""ClickHouse as an engine, by HTTP.

The protocol is the same from Debian's 18.16 to today's, so nothing but the standard library is
needed. (`clickhouse-connect` refuses servers that old.)
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tracetools.fleet.clickhouse_sql import HERE, ClickHouseSQL, create_tables
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

__all__ = ["ClickHouse", "Place", "open_clickhouse", "place_of"]

PASSWORD: Final = "TRACETOOLS_CLICKHOUSE_PASSWORD"  # noqa: S105  # where it is
_PORTS: Final = {"clickhouse": 8123, "clickhouses": 8443}
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HOST: Final = re.compile(r"[A-Za-z0-9_.:-]+")
_CODE: Final = re.compile(r"Code: (\d+)")
_SAID: Final = re.compile(
    r"Code: \d+[.,] (?:e\.displayText\(\) = )?DB::\w+: (.+?)\.?"
    r"(?:: Insertion status:.*|, e\.what\(\).*| \(version .*)?"
)
"""An error of ClickHouse, old or new: what is the matter, and then what is for its developers."""

_LARGEST_ANSWER: Final = 1 << 30

_OF_DATA: Final = frozenset((6, 27, 117))
"""Errors of ClickHouse that are due to what was sent.

Not "Cannot read all data" (33): what is sent is whole, and a server says so if another one of its
cluster dies in the midst of a packet.
"""

_OF_SETUP: Final = frozenset(
    (16, 36, 42, 43, 44, 46, 47, 48, 49, 50, 53, 57, 60, 62, 73, 81, 115, 192, 193, 194)
    + (291, 497, 516)
)
"""Errors that go on until somebody changes something: names, types, syntax, rights."""

_NO_TABLE: Final = 60
_OF_USERS: Final = frozenset((192, 193, 194, 516))
_OF_SHARDS: Final = frozenset((32, 33, 100, 102, 198, 209, 210, 279))
"""Errors when a server of a cluster does not answer another one, or not to the end."""

_ONE_REPLICA: Final[Mapping[str, int | str]] = {"load_balancing": "in_order"}
"""Has all queries of a question ask the same replica of a shard, as long as it answers.

One that was down may lack batches that were not acknowledged yet.
"""


class Place(NamedTuple):
    """What a URL says.

    Attributes:
        is_secret: whether it is HTTPS.
        hosts: servers and their ports.
        user: the name of the user.
        database: its name.
        cluster: its name; empty for a single server.
        keep_days: for how many days batches are kept.
        timeout: how many seconds an answer may take.
    """

    is_secret: bool
    hosts: tuple[tuple[str, int], ...]
    user: str
    database: str
    cluster: str
    keep_days: int
    timeout: float


def place_of(url: str) -> Place:
    """Take a URL apart.

    Raises:
        EngineRefusesError: it makes no sense.
    """
    try:
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        values = {name: texts[-1] for name, texts in options.items()}
        database = unquote(parts.path.strip("/")) or "default"
        if ":" in user:
            raise EngineRefusesError(
                f"a password in a URL is seen by everybody: set {PASSWORD} in the environment"
            )
        place = Place(
            is_secret=parts.scheme == "clickhouses",
            hosts=tuple(_host(each, _PORTS[parts.scheme]) for each in hosts.split(",")),
            user=unquote(user) or "default",
            database=database,
            cluster=values.pop("cluster", ""),
            keep_days=int(values.pop("keep", "30")),
            timeout=float(values.pop("timeout", "30")),
        )
    except (ValueError, KeyError) as error:
        raise EngineRefusesError(f"{url} is no URL of ClickHouse: {error}") from error
    named = [place.database, *([place.cluster] if place.cluster else [])]
    for name in named:
        if not _NAME.fullmatch(name):
            raise EngineRefusesError(f"{name!r} is no name: letters, digits and _ make one")
    if values or place.keep_days < 1 or not 0 < place.timeout <= _LONGEST:
        raise EngineRefusesError(
            f"the options of {url} make no sense: there are cluster=NAME, keep=DAYS from 1 up, and"
            " timeout=SECONDS"
        )
    return place


_LONGEST: Final = 3600


def _host(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("it names no host")
    return parts.hostname, parts.port or port


def open_clickhouse(url: str) -> Store:
    """Return the engine of ``clickhouse://USER@HOST:PORT/DATABASE``; see `open_engine`."""
    return Store(ClickHouse(place_of(url), os.environ.get(PASSWORD, "")))


class _RefusedError(Exception):
    """A server answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class ClickHouse(ClickHouseSQL):
    """A server of ClickHouse, or several that are a cluster; see `Database`."""

    def __init__(self, place: Place, password: str) -> None:
        hosts = ",".join(f"{host}:{port}" for host, port in place.hosts)
        self.name = f"clickhouse://{hosts}/{place.database}"
        self._place = place
        self._password = password
        self._prepared: set[tuple[str, int]] = set()
        self._first = 0

    def insert(self, rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]]) -> None:
        """Insert rows; see `Database`. All servers of a cluster that are meant have them then."""
        for table, some in rows:
            if some:
                names = ", ".join(column.name for column in table.columns)
                sql = f"INSERT INTO {table.name} ({names}) FORMAT RowBinary"
                data = row_binary(table.columns, some)
                self._anywhere(sql, data, {"insert_distributed_sync": 1})

    def ask(self, sql: str) -> Answer:
        """Return the answer to a query; see `Database`.

        At first all servers have to answer. Only if one does not, the others are asked alone.
        """
        settings: dict[str, int | str] = {**_ONE_REPLICA, "skip_unavailable_shards": 0}
        try:
            return Answer(_rows(self.name, self._anywhere(sql, None, settings)))
        except EngineUnavailableError as error:
            if not self._place.cluster or _code_of(error) not in _OF_SHARDS:
                raise
        settings = {**_ONE_REPLICA, "skip_unavailable_shards": 1}
        before = self._absent()
        rows = _rows(self.name, self._anywhere(sql, None, settings))
        return Answer(rows, before or self._absent() or ("a shard did not answer at once",))

    def forget(self, table: Table, before: int) -> None:
        """Drop the partitions of the days before one, on each server."""
        name = table.name + (HERE if self._place.cluster else "")
        sql = (
            "SELECT DISTINCT partition FROM system.parts WHERE active AND database ="  # noqa: S608
            f" currentDatabase() AND table = '{name}'"
        )
        days = 1 if table is TABLES[0] else 30
        for host in self._place.hosts:
            for (partition,) in _rows(self.name, self._on(host, sql, None, {})):
                if (int(partition) + 1) * days <= before:
                    self._on(host, f"ALTER TABLE {name} DROP PARTITION {int(partition)}", None, {})

    def close(self) -> None:
        """Nothing is open."""

    # -- servers -------------------------------------------------------------------------------

    def _absent(self) -> tuple[str, ...]:
        """Return which shards do not answer, in words."""
        cluster = self.text(self._place.cluster)
        sql = (
            "SELECT shard_num, host_name, port FROM system.clusters"  # noqa: S608
            f" WHERE cluster = {cluster} ORDER BY shard_num, replica_num"
        )
        shards: dict[int, list[str]] = {}
        for number, host, port in _rows(self.name, self._anywhere(sql, None, {})):
            shards.setdefault(number, []).append(f"{host}:{port}")
        settings = {"skip_unavailable_shards": 1}
        [(there,)] = _rows(
            self.name, self._anywhere("SELECT count() FROM tracetools_shards", None, settings)
        )
        if there >= len(shards):
            return ()
        named = [", ".join(hosts) for hosts in shards.values() if not self._answers(hosts)]
        which = f" ({'; '.join(named)})" if named else ""
        return (
            (
                f"{len(shards) - there} of {len(shards)} shards did not answer{which}: what they"
                " have is missing"
            ),
        )

    def _answers(self, hosts: Sequence[str]) -> bool:
        for host in hosts:
            if not _HOST.fullmatch(host):
                return True
            try:
                self._anywhere(f"SELECT 1 FROM remote('{host}', system.one)", None, {})  # noqa: S608
            except EngineUnusableError:  # remote() may not be allowed
                return True
            except EngineUnavailableError:
                continue
            return True
        return False

    def _anywhere(self, sql: str, data: bytes | None, settings: Mapping[str, int | str]) -> bytes:
        """Ask the servers one by one until one of them does it.

        Args:
            sql: what to ask.
            data: what to insert, if anything. The tables are made first, where there are none.
            settings: of ClickHouse.
        """
        hosts = self._place.hosts
        failed: list[EngineUnavailableError] = []
        for turn in range(len(hosts)):
            at = (self._first + turn) % len(hosts)
            try:
                if data is not None:
                    self._prepare(hosts[at])
                found = self._on(hosts[at], sql, data, settings)
            except EngineUnavailableError as error:
                failed.append(error)
                if _code_of(error) == _NO_TABLE:  # somebody has dropped it: it is made again
                    self._prepared.clear()
                continue
            self._first = at
            return found
        # What a server says is worth more than that another one is down.
        raise next((error for error in failed if _has_answered(error)), failed[0])

    def _prepare(self, host: tuple[str, int]) -> None:
        """Make the tables on a server, and on the others of its cluster that answer."""
        if self._place.cluster:
            for other in self._place.hosts:
                if other not in self._prepared:
                    try:
                        self._prepare_one(other)
                    except EngineUnavailableError as error:
                        if isinstance(error, EngineUnusableError):
                            raise
        if host not in self._prepared:
            self._prepare_one(host)

    def _prepare_one(self, host: tuple[str, int]) -> None:
        where = f"{host[0]}:{host[1]}"
        rows = _rows(where, self._on(host, "SELECT version()", None, {}))
        version = str(rows[0][0]) if rows and rows[0] else "of no version"
        numbers = tuple(int(each) for each in re.findall(r"\d+", version)[:2])
        if len(numbers) < len(_OLDEST) or numbers < _OLDEST:
            raise EngineUnusableError(
                f"{where} is ClickHouse {version}; 18.16 is the oldest that will do"
            )
        place = self._place
        for sql in create_tables(numbers, place.cluster, place.keep_days, place.database):
            self._on(host, sql, None, {})
        self._check(host)
        self._prepared.add(host)

    def _check(self, host: tuple[str, int]) -> None:
        """Refuse tables of another version."""
        for table in TABLES:
            rows = _rows(self.name, self._on(host, f"DESCRIBE TABLE {table.name}", None, {}))
            if [row[0] for row in rows] != [column.name for column in table.columns]:
                raise EngineUnusableError(
                    f"{table.name} in {self.name} is not ours, or of another version of"
                    " tracetools: name another database"
                )

    def _on(
        self, host: tuple[str, int], sql: str, data: bytes | None, settings: Mapping[str, int | str]
    ) -> bytes:
        """Ask one server.

        Raises:
            EngineUnavailableError, EngineRefusesError: it does not do it.
        """
        query: dict[str, Any] = {
            "database": self._place.database,
            "wait_end_of_query": 1,  # so that an error has a status of its own
            "output_format_json_quote_64bit_integers": 0,
            "default_format": "JSONCompact",
            "max_execution_time": max(1, int(self._place.timeout)),
            **settings,
        }
        if data is not None:
            query["query"] = sql
        where = f"{host[0]}:{host[1]}"
        try:
            status, body = self._post(host, f"/?{urlencode(query)}", data or sql.encode())
        except TimeoutError as error:
            raise EngineUnavailableError(
                f"{where} did not answer in {self._place.timeout:g} seconds"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise EngineUnavailableError(f"{where} cannot be reached: {said}") from error
        if status == http.client.OK:
            return body
        raise _error(where, status, body, is_insert=data is not None)

    def _post(self, host: tuple[str, int], path: str, data: bytes) -> tuple[int, bytes]:
        timeout = self._place.timeout
        connection: http.client.HTTPConnection
        if self._place.is_secret:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(*host, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(*host, timeout=timeout)
        headers = {"X-ClickHouse-User": self._place.user}
        if self._password:
            headers["X-ClickHouse-Key"] = self._password
        try:
            connection.request("POST", path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_LARGEST_ANSWER)
        finally:
            connection.close()


_OLDEST: Final = (18, 16)


def _rows(name: str, body: bytes) -> list[list[Any]]:
    """Return the rows of an answer; it is whole only if it can be read to its end."""
    try:
        rows = json.loads(body)["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise EngineUnavailableError(
            f"{name} answers what ClickHouse would not: is it another server?"
        )
    return rows


def _code_of(error: EngineUnavailableError) -> int:
    """Return the number of the error that a server answered with; 0 if it did not answer."""
    return getattr(error.__cause__, "code", 0)


def _has_answered(error: EngineUnavailableError) -> bool:
    return isinstance(error, EngineUnusableError) or _code_of(error) != 0


def _error(
    where: str, status: int, body: bytes, *, is_insert: bool
) -> EngineRefusesError | EngineUnavailableError:
    """Return what an answer stands for that is an error. Only what was inserted is refused."""
    text = body[:2000].decode(errors="replace")
    found = _CODE.search(text)
    code = int(found[1]) if found else 0
    said = _sentence(code, text) if found else f"HTTP status {status}"
    made: EngineRefusesError | EngineUnavailableError
    if code in _OF_USERS:
        made = EngineUnusableError(
            f"{where}: the user or the password is wrong; it is in {PASSWORD}"
        )
    elif code == _NO_DATABASE:
        made = EngineUnusableError(f"{where}: there is no such database: create it first")
    elif code in _OF_DATA and is_insert:
        made = EngineRefusesError(f"{where}: {said}")
    elif code in _OF_SETUP or code in _OF_DATA:
        made = EngineUnusableError(f"{where}: {said}")
    else:
        made = EngineUnavailableError(f"{where}: {said}")
    made.__cause__ = _RefusedError(code, text)
    return made


def _sentence(code: int, text: str) -> str:
    line = " ".join(text.split())
    found = _SAID.fullmatch(line)
    return f"{found[1][:300]} (error {code} of ClickHouse)" if found else line[:300]


_NO_DATABASE: Final = 81
