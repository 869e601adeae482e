"""An engine that takes batches and answers questions, on any database.

What is asked is put into the SQL that all databases have in common; the few things that they say
differently come from the `Database`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.histogram import Histogram
from tracetools.core.profile import SUMS, Profile
from tracetools.fleet.database import number_text
from tracetools.fleet.engine import EngineUnavailableError
from tracetools.fleet.rows import (
    LARGEST,
    NANOSECONDS_OF_HOUR,
    UNKNOWN,
    batch_row,
    blocks_of,
    clean,
    frames_of,
    packed_path,
    paths_of,
    rest_of,
    stack_number,
    stack_row,
    times_of,
)
from tracetools.fleet.schema import BATCHES, HOURS, PARTS, STACKS, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tracetools.core.stacks import StackPath, Times
    from tracetools.fleet.batch import Batch
    from tracetools.fleet.database import Answer, Database
    from tracetools.fleet.schema import Table
    from tracetools.fleet.selection import Selection

__all__ = ["ADDED_UP", "Found", "Known", "Slice", "Store", "lawful"]

_MOST_KNOWN: Final = 500_000
"""How many stacks are remembered as sent."""

_STACKS_AT_ONCE: Final = 5_000


class Known(NamedTuple):
    """One version of a service on one host, as it is listed.

    Attributes:
        service, version, host: their names.
        processes: how many there were.
        batches: how many were sent.
        start: when the first one begins, in nanoseconds since the Unix epoch.
        end: when the last one ends.
    """

    service: str
    version: str
    host: str
    processes: int
    batches: int
    start: int
    end: int


@dataclass(frozen=True)
class Found:
    """The answer to a question.

    Attributes:
        profile: the sum of all batches.
        batches: how many.
        processes: of how many processes.
        missing: what is not in it, in sentences.
        notes: what is in it only in part, by design.
    """

    profile: Profile
    batches: int
    processes: int
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Slice(NamedTuple):
    """A part of the batches that are compared with others: those of some processes, or some time.

    Attributes:
        duration: how long the loops ran, in nanoseconds.
        stacks: the numbers by stack.
    """

    duration: int
    stacks: dict[StackPath, Times]


class Store:
    """An engine on a database; see `Engine`. It may be used by several threads.

    Args:
        database: where the tables are.
        most_details: of how many batches at most a question reads what does not add up in the
            database: slow spans, edges, resources and the like.
    """

    def __init__(self, database: Database, *, most_details: int = 500) -> None:
        self._database = database
        self._most_details = most_details
        self._sent: set[tuple[str, str, int, int]] = set()
        self._frames: dict[tuple[str, int], StackPath] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What messages call it; there is no password in it."""
        return self._database.name

    def send(self, batches: Sequence[Batch]) -> None:
        """Hand over batches; see `Engine`. Stacks go first, so that no batch is without them."""
        with self._lock:
            stacks: dict[tuple[str, str, int, int], dict[str, Any]] = {}
            rows = []
            for batch in batches:
                packed = {path: packed_path(path) for path in paths_of(batch.profile)}
                numbers = {path: stack_number(text) for path, text in packed.items()}
                rows.append(batch_row(batch, numbers))
                day = batch.start // (24 * NANOSECONDS_OF_HOUR)
                for path, number in numbers.items():
                    key = (batch.source.service, batch.source.instance, number, day)
                    if key not in self._sent and key not in stacks:
                        stacks[key] = stack_row(batch, packed[path], number)
            if rows:
                with self._database.held(is_written=True):
                    self._database.insert([(STACKS, [*stacks.values()]), (BATCHES, rows)])
            if len(self._sent) + len(stacks) > _MOST_KNOWN:
                self._sent.clear()
            self._sent.update(stacks)

    def close(self) -> None:
        """Let go of connections and files."""
        self._database.close()

    # -- questions -----------------------------------------------------------------------------

    def known(self) -> tuple[list[Known], tuple[str, ...]]:
        """Return what is there, by service, version and host; and what did not answer."""
        with self._database.held(is_written=False):
            answer = self._database.ask(
                "SELECT service, version, host, count(DISTINCT instance), count(*), min(began),"  # noqa: S608
                f" max(ended) FROM {self._database.source(BATCHES)}"
                " GROUP BY service, version, host ORDER BY service, version, host"
            )
        return [Known(*row) for row in answer.rows], answer.missing

    def profile(self, selection: Selection) -> Found:
        """Return the sum of all batches of a selection."""
        with self._question(selection) as question:
            return question.profile()

    def latencies(
        self, selection: Selection, is_asked: Callable[[StackPath], bool]
    ) -> tuple[dict[str, dict[StackPath, Histogram]], tuple[str, ...]]:
        """Return how long spans lasted, by version, of stacks that are asked for."""
        with self._question(selection) as question:
            return question.latencies(is_asked), tuple(question.missing)

    def slices(self, selection: Selection) -> tuple[list[Slice], str, tuple[str, ...]]:
        """Return a selection in parts, what these are, in words, and what did not answer."""
        with self._question(selection) as question:
            slices, kind = question.slices()
            return slices, kind, tuple(question.missing)

    @contextmanager
    def _question(self, selection: Selection) -> Iterator[_Question]:
        with self._database.held(is_written=False):
            yield _Question(self._database, self._frames, selection, self._most_details)

    # -- housekeeping --------------------------------------------------------------------------

    def roll_up(self, until: int) -> int:
        """Add up the batches of each hour that ended before a moment, where that is not done yet.

        It may run at any time, twice and in two places at once.

        Returns:
            how many hours of services were added up.
        """
        with self._database.held(is_written=True):
            return self._roll_up(until)

    def _roll_up(self, until: int) -> int:
        done = {
            tuple(row[:3]): row[3]
            for row in self._whole(
                f"SELECT service, version, hour, batches FROM {self._database.source(HOURS)}"  # noqa: S608
            ).rows
        }
        there = self._whole(
            "SELECT service, version, hour, count(*), count(DISTINCT instance),"  # noqa: S608
            f" {_sums(self._database, SUMS)} FROM {self._database.source(BATCHES)}"
            f" WHERE hour < {until // NANOSECONDS_OF_HOUR:d} GROUP BY service, version, hour"
        ).rows
        wanted = [row for row in there if done.get(tuple(row[:3]), 0) < row[3]]
        return sum(map(self._roll, wanted))

    def _roll(self, row: Sequence[Any]) -> bool:
        """Add up an hour. One whose sums take more than 64 bits stays in batches."""
        service, version, hour = row[:3]
        names = ("service", "version", "hour", "batches", "processes", *SUMS)
        rolled: dict[str, Any] = dict(zip(names, row, strict=True))
        where = (
            f"hour = {hour:d} AND service = {self._database.text(service)}"
            f" AND version = {self._database.text(version)}"
        )
        for part in PARTS.values():
            rows = self._whole(_part_sql(self._database, BATCHES, part, (), where)).rows
            columns = [*zip(*sorted(map(tuple, rows)), strict=True)] or [()] * len(part.columns)
            rolled.update((n, [*c]) for n, c in zip(part.columns, columns, strict=True))
        if not all(map(_is_of_64_bits, rolled.values())):
            return False
        self._database.insert([(HOURS, [rolled])])
        return True

    def _whole(self, sql: str) -> Answer:
        """Return an answer of which nothing may be missing."""
        answer = self._database.ask(sql)
        if answer.missing:
            raise EngineUnavailableError(f"nothing was added up: {'; '.join(answer.missing)}")
        return answer

    def forget(self, before: int, rolled_before: int | None = None) -> None:
        """Delete the batches of the days before a moment, and what was rolled up before another."""
        day = before // (24 * NANOSECONDS_OF_HOUR)
        rolled = day if rolled_before is None else rolled_before // (24 * NANOSECONDS_OF_HOUR)
        with self._database.held(is_written=True):
            for table in TABLES:
                self._database.forget(table, day if table is BATCHES else min(day, rolled))


class _Counts(NamedTuple):
    """How many batches there are, by hour and version.

    Attributes:
        batches: those that are there.
        rolled: those that were added up in whole hours.
    """

    batches: dict[tuple[int, str], int]
    rolled: dict[tuple[int, str], int]


class _Question:
    """One question, which may take several queries."""

    def __init__(
        self,
        database: Database,
        frames: dict[tuple[str, int], StackPath],
        selection: Selection,
        most_details: int,
    ) -> None:
        self._database = database
        self._frames = frames
        self._service = clean(selection.service)
        self._selection = selection
        self._most_details = most_details
        self.missing: list[str] = []
        self.notes: list[str] = []

    def _ask(self, sql: str) -> Sequence[Sequence[Any]]:
        answer = self._database.ask(sql)
        self.missing.extend(each for each in answer.missing if each not in self.missing)
        return answer.rows

    # -- which rows ----------------------------------------------------------------------------

    def _where(self, *, is_rolled: bool = False) -> str:
        """Return the condition of a selection, for batches or for whole hours."""
        chosen = self._selection
        terms = [f"{name} = {self._database.text(clean(value))}" for name, value in chosen.texts()]
        first, last = chosen.start // NANOSECONDS_OF_HOUR, -(-chosen.end // NANOSECONDS_OF_HOUR)
        terms.append(f"hour >= {first:d} AND hour < {last:d}")  # what tables are sorted by
        if not is_rolled:
            terms.append(f"began >= {chosen.start:d} AND began < {chosen.end:d}")
        return " AND ".join(terms)

    def _counts(self) -> _Counts:
        """Return how many batches there are, and how many were added up."""
        return _Counts(self._by_hour(BATCHES, "count(*)"), self._rolled())

    def _tables(self, counts: _Counts) -> Iterator[tuple[Table, str, int]]:
        """Yield the tables to read, with a condition and how many batches that are."""
        batches, hours = counts
        rolled = {each for each in hours if hours[each] >= batches.get(each, 0)}
        split = {hour for hour, version in batches if (hour, version) not in rolled}
        used = {hour for hour, _ in rolled} - split
        if used and self.missing:  # more may have come to who answers than the others had
            self.missing.append(ADDED_UP)
        if used:
            among = f" AND hour IN ({number_text(sorted(used))})"
            count = sum(hours[each] for each in rolled if each[0] in used)
            yield HOURS, self._where(is_rolled=True) + among, count
            left = f" AND hour NOT IN ({number_text(sorted(used))})"
        else:
            left = ""
        count = sum(n for (hour, _), n in batches.items() if hour not in used)
        if count:
            yield BATCHES, self._where() + left, count

    def _by_hour(self, table: Table, number: str) -> dict[tuple[int, str], int]:
        sql = (
            f"SELECT hour, version, {number} FROM {self._database.source(table)}"  # noqa: S608
            f" WHERE {self._where(is_rolled=table is HOURS)} GROUP BY hour, version"
        )
        return {(hour, version): number for hour, version, number in self._ask(sql)}

    def _rolled(self) -> dict[tuple[int, str], int]:
        """Return how many batches were added up in each whole hour that is asked for."""
        chosen = self._selection
        if chosen.host is not None:  # hours are of all hosts
            return {}
        first = -(-chosen.start // NANOSECONDS_OF_HOUR)
        last = chosen.end // NANOSECONDS_OF_HOUR
        found = self._by_hour(HOURS, "max(batches)")
        return {each: number for each, number in found.items() if first <= each[0] < last}

    # -- answers -------------------------------------------------------------------------------

    def profile(self) -> Found:
        """Return the sum of all.

        That takes several queries. If batches come in between, or a server goes or comes back, all
        are asked once more.
        """
        for _ in range(_MOST_TURNS):
            self.missing, self.notes = [], []
            counts = self._counts()
            found = self._sum(counts)
            if self._counts() == counts:
                return self._finished(found, counts)
        self.notes.append(
            "batches came in while this was asked: some numbers are of a few more than others"
        )
        profile = lawful(replace(found.profile, edges={}))
        return self._finished(replace(found, profile=profile), counts)

    def _finished(self, found: Found, counts: _Counts) -> Found:
        missing = (*self.missing, *self._gaps(counts))
        return replace(found, missing=missing, notes=tuple(self.notes))

    def _sum(self, counts: _Counts) -> Found:
        numbers: dict[str, dict[tuple[int, ...], list[int]]] = {name: {} for name in PARTS}
        sums: dict[str, Any] = dict.fromkeys(SUMS, 0)
        batches = 0
        for table, where, count in self._tables(counts):
            batches += count
            for name, part in PARTS.items():
                for row in self._ask(_part_sql(self._database, table, part, (), where)):
                    _add(numbers[name], len(part.keys), len(part.sums), row)
            source = self._database.source(table)
            added = _sums(self._database, SUMS)
            for row in self._ask(f"SELECT {added} FROM {source} WHERE {where}"):  # noqa: S608
                sums = {n: sums[n] + (v or 0) for n, v in zip(SUMS, row, strict=True)}
        path_of = self._paths(key[0] for found in numbers.values() for key in found)
        rest = self._rest(batches)
        profile = replace(
            rest,
            **sums,
            stacks=_with_parents(
                _by_path(numbers["times"], path_of, times_of, lambda a, b: a.plus(b))
            ),
            latencies=_histograms(numbers["buckets"], numbers["lasted"], path_of),
            blocking=_by_path(numbers["blocking"], path_of, blocks_of, lambda a, b: a.plus(b)),
        )
        return Found(profile, batches, self._processes())

    def latencies(
        self, is_asked: Callable[[StackPath], bool]
    ) -> dict[str, dict[StackPath, Histogram]]:
        """Return histograms by version and stack."""
        buckets: dict[str, dict[tuple[int, ...], list[int]]] = defaultdict(dict)
        lasted: dict[str, dict[tuple[int, ...], list[int]]] = defaultdict(dict)
        for table, where, _ in self._tables(self._counts()):
            for name, found in (("buckets", buckets), ("lasted", lasted)):
                part = PARTS[name]
                sql = _part_sql(self._database, table, part, ("version",), where)
                for version, *row in self._ask(sql):
                    _add(found[version], len(part.keys), len(part.sums), row)
        path_of = self._paths(key[0] for found in lasted.values() for key in found)
        asked = {number: path for number, path in path_of.items() if is_asked(path)}
        return {
            version: _histograms(
                {key: row for key, row in buckets[version].items() if key[0] in asked},
                {key: row for key, row in lasted[version].items() if key[0] in asked},
                asked,
            )
            for version in sorted(lasted)
        }

    def slices(self) -> tuple[list[Slice], str]:
        """Return all in parts: by process, or by time where there are few of them."""
        where = self._where()
        source = self._database.source(BATCHES)
        sql = (
            "SELECT count(DISTINCT instance), min(began), max(ended), count(DISTINCT"  # noqa: S608
            f" {self._database.first_letter('instance')}) FROM {source} WHERE {where}"
        )
        [(processes, start, end, letters)] = self._ask(sql) or [(0, 0, 0, 0)]
        if not processes:
            return [], "nothing"
        if processes >= _FEW and letters >= _FEW:
            unit = "instance" if processes <= _MOST_SLICES else self._letters()
            kind = f"{min(processes, letters if processes > _MOST_SLICES else processes)} processes"
            if processes > _MOST_SLICES:
                kind = f"{letters} groups of {processes} processes"
        else:
            each = max((end - start) // _PARTS_OF_TIME, _SHORTEST)
            unit = self._database.divided(f"(began - {start:d})", each)
            kind = f"parts of the time, as there are few processes ({processes})"
        kept = ("instance", "began")
        found: dict[Any, dict[tuple[int, ...], list[int]]] = defaultdict(dict)
        exploded = self._database.exploded(BATCHES, part := PARTS["times"], kept, where)
        sql = (
            f"SELECT {unit} AS unit, t_stack, {_sums(self._database, part.sums)}"  # noqa: S608
            f" FROM {exploded}"
            " GROUP BY unit, t_stack"
        )
        for each, *row in self._ask(sql):
            found[each][row[0],] = [*row[1:]]
        sql = (
            f"SELECT {unit} AS unit, {self._database.summed('duration')} FROM {source}"  # noqa: S608
            f" WHERE {where} GROUP BY unit"
        )
        durations: dict[Any, int] = dict(map(tuple, self._ask(sql)))
        path_of = self._paths(key[0] for one in found.values() for key in one)
        slices = [
            Slice(durations.get(each, 0), _by_path(one, path_of, times_of, lambda a, b: a.plus(b)))
            for each, one in sorted(found.items())
        ]
        return slices, kind if "parts" not in kind else f"{len(slices)} {kind}"

    def _letters(self) -> str:
        return self._database.first_letter("instance")

    def _processes(self) -> int:
        source = self._database.source(BATCHES)
        rows = self._ask(f"SELECT count(DISTINCT instance) FROM {source} WHERE {self._where()}")  # noqa: S608
        return rows[0][0] if rows else 0

    def _paths(self, numbers: Iterable[int]) -> dict[int, StackPath]:
        """Return the frames of stacks; `UNKNOWN` for those that are not there."""
        wanted = set(numbers)
        unread = sorted(each for each in wanted if (self._service, each) not in self._frames)
        for at in range(0, len(unread), _STACKS_AT_ONCE):
            some = number_text(unread[at : at + _STACKS_AT_ONCE])
            sql = (
                f"SELECT stack, {self._database.first('frames')} FROM {STACKS.name}"  # noqa: S608
                f" WHERE service = {self._database.text(self._service)} AND stack IN ({some})"
                " GROUP BY stack"
            )
            for number, frames in self._ask(sql):
                self._frames[self._service, number] = frames_of(frames)
        lost = sum((self._service, each) not in self._frames for each in wanted)
        if lost:
            self.missing.append(f"{lost} of {len(wanted)} stacks have no frames there")
        return {each: self._frames.get((self._service, each), UNKNOWN) for each in wanted}

    def _rest(self, batches: int) -> Profile:
        """Return what does not add up in the database, of the batches with the slowest spans."""
        sql = (
            f"SELECT rest FROM {self._database.source(BATCHES)} WHERE {self._where()}"  # noqa: S608
            f" ORDER BY slowest DESC, began LIMIT {self._most_details:d}"
        )
        found = [rest_of(text) for (text,) in self._ask(sql)]
        read = [each for each in found if each is not None]
        if len(read) < len(found):
            self.missing.append(f"the details of {len(found) - len(read)} batches make no sense")
        rest = reduce(Profile.merge, read[1:], read[0]) if read else Profile()
        if len(read) < batches:
            self.notes.append(
                f"slow spans, resources and the loop's queue are of {len(read)} of {batches}"
                " batches, those with the slowest spans"
            )
            rest = replace(rest, edges={})  # which would not add up to the idle time
        return rest

    def _gaps(self, counts: _Counts) -> Iterator[str]:
        """Yield which hours have no batch, between the first and the last one of the selection."""
        hours = {hour for hour, _ in (*counts.batches, *counts.rolled)}
        if not hours:
            return
        chosen = self._selection
        first = chosen.start // NANOSECONDS_OF_HOUR or min(hours)
        last = min(max(hours), -(-chosen.end // NANOSECONDS_OF_HOUR) - 1)
        if chosen.end < _FAR and chosen.end // NANOSECONDS_OF_HOUR - last < _LONG:
            last = -(-chosen.end // NANOSECONDS_OF_HOUR) - 1
        empty = [hour for hour in range(first, last + 1) if hour not in hours][:_LONG]
        if empty:
            yield f"{len(empty)} of {last + 1 - first} hours have no data: {_hours_text(empty)}"


ADDED_UP: Final = "hours that were added up are as of then: what came later is missing in them"
"""What is said where it is not known how many batches an hour has."""

_MOST_TURNS: Final = 2
_FEW: Final = 5
_MOST_SLICES: Final = 64
_PARTS_OF_TIME: Final = 24
_SHORTEST: Final = 60 * 10**9
_FAR: Final = 2**62
_LONG: Final = 10_000
_MOST_NAMED: Final = 5


def lawful(profile: Profile) -> Profile:
    """Return a profile whose duration and task time are those of its stacks: both laws hold."""
    times = profile.stacks.values()
    part = replace(profile, duration=sum(each.busy for each in times))
    return replace(part, task_time=part.busy + sum(each.idle + each.scheduled for each in times))


def _hours_text(hours: Sequence[int]) -> str:
    import time  # noqa: PLC0415  # only where something is missing

    named = [time.strftime("%Y-%m-%d %H:00 UTC", time.gmtime(h * 3600)) for h in hours]
    more = f" and {len(hours) - _MOST_NAMED} more" if len(hours) > _MOST_NAMED else ""
    return f"{', '.join(named[:_MOST_NAMED])}{more}"


def _sums(database: Database, names: Iterable[str]) -> str:
    return ", ".join(map(database.summed, names))


def _is_of_64_bits(value: str | int | list[int]) -> bool:
    if isinstance(value, str):
        return True
    return max(value if isinstance(value, list) else [value], default=0) < LARGEST


def _part_sql(
    database: Database, table: Table, part: Any, groups: Sequence[str], where: str
) -> str:
    """Return the query that adds up the rows within rows."""
    keys = ", ".join([*groups, *part.keys])
    most = "".join(f", max({name})" for name in part.most)
    exploded = database.exploded(table, part, groups, where)
    return f"SELECT {keys}, {_sums(database, part.sums)}{most} FROM {exploded} GROUP BY {keys}"  # noqa: S608


def _add(found: dict[tuple[int, ...], list[int]], keys: int, sums: int, row: Sequence[int]) -> None:
    """Add the numbers of a row to those of the same key: sums, and then what the largest is of."""
    key, values = tuple(row[:keys]), [*row[keys:]]
    known = found.get(key)
    if known is not None:
        added = [old + new for old, new in zip(known[:sums], values[:sums], strict=True)]
        largest = [max(pair) for pair in zip(known[sums:], values[sums:], strict=True)]
        values = [*added, *largest]
    found[key] = values


def _by_path(
    numbers: dict[tuple[int, ...], list[int]],
    path_of: dict[int, StackPath],
    made: Callable[[list[int]], Any],
    plus: Callable[[Any, Any], Any],
) -> dict[StackPath, Any]:
    """Return numbers by path. Stacks whose frames are not there are one."""
    found: dict[StackPath, Any] = {}
    for (number, *_), row in numbers.items():
        path, value = path_of[number], made(row)
        found[path] = plus(found[path], value) if path in found else value
    return found


def _with_parents(stacks: dict[StackPath, Times]) -> dict[StackPath, Times]:
    """Return stacks and all above them, sorted so that parents come first."""
    every = {path[:depth] for path in stacks for depth in range(1, len(path) + 1)}
    return {path: stacks.get(path, times_of(())) for path in sorted(every, key=_order)}


def _order(path: StackPath) -> Any:
    return [(frame.name, frame.file or "", frame.line) for frame in path]


def _histograms(
    buckets: dict[tuple[int, ...], list[int]],
    lasted: dict[tuple[int, ...], list[int]],
    path_of: dict[int, StackPath],
) -> dict[StackPath, Histogram]:
    counts: dict[int, dict[int, int]] = defaultdict(dict)
    for (number, bucket), (count,) in buckets.items():
        counts[number][bucket] = count
    found: dict[StackPath, Histogram] = {}
    for (number, *_), (total, largest) in lasted.items():
        histogram = Histogram(total, largest, counts[number])
        path = path_of[number]
        found[path] = found[path].plus(histogram) if path in found else histogram
    return found
