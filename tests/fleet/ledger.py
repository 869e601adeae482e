"""What was recorded into a folder, and whether an engine has what it has acknowledged, once."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import reduce
from typing import TYPE_CHECKING, Any

from tracetools.core.errors import StackFileError
from tracetools.core.profile import SUMS, Profile
from tracetools.fleet.rows import UNKNOWN
from tracetools.fleet.schema import BATCHES
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import ADDED_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tracetools.fleet.batch import Batch
    from tracetools.fleet.folder import Folder
    from tracetools.fleet.store import Found, Store

MOST_DETAILS = 500
"""Up to so many batches, an answer is the sum in all that a profile has."""


@dataclass
class Ledger:
    """The batches of a folder.

    Attributes:
        folder: where they are.
        mark: of the engine.
        batches: all that were recorded, by their ids.
        acknowledged: the ids of those that were marked as sent.
    """

    folder: Folder
    mark: str
    batches: dict[str, Batch] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    _ids: dict[tuple[str, int, int], str] = field(default_factory=dict)
    _sums: dict[str, tuple[frozenset[str], Profile]] = field(default_factory=dict)

    def read(self) -> None:
        """Read what has come since the last time. A file that is not whole raises."""
        for file in self.folder.files() if self.folder.path.exists() else ():
            key = file.instance, file.start, file.length  # two may begin in one millisecond
            if key not in self._ids:
                try:
                    batch = self.folder.read(file)
                except StackFileError:
                    if file.path.exists():
                        raise
                    continue  # it was marked meanwhile
                batch.profile.check()
                self.batches[batch.id] = batch
                self._ids[key] = batch.id
            if f"sent-{self.mark}" in file.marks:
                self.acknowledged.add(self._ids[key])

    def unsent(self) -> int:
        """Return how many minutes are still to be sent."""
        return len(self.folder.unsent(self.mark)) if self.folder.path.exists() else 0

    def of(self, service: str, ids: Iterable[str]) -> set[str]:
        """Return those ids that are of a service."""
        return {each for each in ids if self.batches[each].source.service == service}

    def sum(self, service: str, ids: Iterable[str]) -> Profile:
        """Return the sum of some batches of a service."""
        wanted = frozenset(self.of(service, ids))
        known, total = self._sums.get(service, (frozenset(), None))
        if not known <= wanted or total is None:
            known, total = frozenset(), Profile()
        ordered = sorted(wanted - known, key=lambda each: (self.batches[each].start, each))
        profiles = [self.batches[each].profile for each in ordered]
        if not known and profiles:
            total, profiles = profiles[0], profiles[1:]
        total = reduce(Profile.merge, profiles, total)
        self._sums[service] = wanted, total
        return total

    # -- what an engine has ------------------------------------------------------------------------

    def faults(self, store: Store, *, is_all_sent: bool = False) -> Iterator[str]:
        """Yield what is wrong with what an engine has. All of its servers are up, nobody sends.

        Args:
            store: the engine.
            is_all_sent: whether it has to have all that was recorded.
        """
        self.read()
        counts, missing = counts_by_id(store)
        if missing:
            yield f"all servers are up, and the answer says: {missing}"
        if twice := [each for each, count in counts.items() if count != 1]:
            yield f"{len(twice)} batches are there more than once"
        if lost := (self.batches.keys() if is_all_sent else self.acknowledged) - counts.keys():
            yield f"{len(lost)} of {len(self.acknowledged)} acknowledged batches are lost"
        if unknown := counts.keys() - self.batches.keys():
            yield f"{len(unknown)} batches were never recorded"
            return
        for service in sorted({self.batches[each].source.service for each in counts}):
            found = store.profile(Selection(service))
            there = self.of(service, counts)
            if missing := not_answered(found):
                yield f"all servers are up, and the answer says: {missing}"
            if found.batches != len(there):
                yield f"{service}: the answer is of {found.batches} batches, not of {len(there)}"
            yield from differences(found, self.sum(service, there), service)

    def answer_faults(
        self, service: str, found: Found, least: Iterable[str], most: Iterable[str]
    ) -> Iterator[str]:
        """Yield what is wrong with an answer that was given while batches were sent.

        Args:
            service: that was asked for.
            found: the answer.
            least: the ids of those that have to be in it.
            most: the ids of all that may be in it.
        """
        low, high = numbers_of(self.sum(service, least)), numbers_of(self.sum(service, most))
        there = {**numbers_of(found.profile), ("batches",): found.batches}
        low["batches",] = len(self.of(service, least))
        high["batches",] = len(self.of(service, most))
        if any("have no frames there" in each for each in found.missing):
            there = {key: number for key, number in there.items() if UNKNOWN not in key}
        for key, number in there.items():
            if number > high.get(key, 0):
                yield f"{key}: {number}, and only {high.get(key, 0)} were recorded"
        if ADDED_UP in found.missing:  # there are as many, but perhaps not the last ones
            low = {("batches",): low["batches",]}
        for key, number in low.items():
            if number > there.get(key, 0):
                yield f"{key}: {there.get(key, 0)}, and nothing says that some of {number} miss"


def counts_by_id(store: Store) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return how often each batch counts, and what did not answer."""
    database = store._database
    source = database.source(BATCHES)
    with database.held(is_written=False):
        answer = database.ask(f"SELECT id, count(*) FROM {source} GROUP BY id")  # noqa: S608
    return dict(map(tuple, answer.rows)), answer.missing


def not_answered(found: Found) -> list[str]:
    """Return what is said to be missing, but for hours: of some, nothing may be sent yet."""
    return [each for each in found.missing if "have no data" not in each]


def differences(found: Found, expected: Profile, service: str) -> Iterator[str]:
    """Yield in what an answer is not the sum of some batches."""
    found.profile.check()
    if found.batches <= MOST_DETAILS:
        names = [each.name for each in fields(Profile) if each.name != "stacks"]
    else:
        names = [*SUMS, "latencies", "blocking"]
    for name in names:
        if getattr(found.profile, name) != getattr(expected, name):
            yield f"{service}: {name} is not the sum"
    if _with_times(found.profile) != _with_times(expected):
        yield f"{service}: times are not the sum"


def _with_times(profile: Profile) -> dict[Any, Any]:
    return {path: times for path, times in profile.stacks.items() if any(times)}


def numbers_of(profile: Profile) -> dict[Any, int]:
    """Return all numbers that grow with each batch."""
    numbers: dict[Any, int] = {("sum", name): getattr(profile, name) for name in SUMS}
    del numbers["sum", "merged"]  # a file of a query has there of how many processes it is
    for path, times in profile.stacks.items():
        for name, number in times._asdict().items():
            numbers["stack", path, name] = number
    for path, histogram in profile.latencies.items():
        numbers["latency", path] = histogram.total
        for bucket, count in histogram.buckets.items():
            numbers["bucket", path, bucket] = count
    for path, blocks in profile.blocking.items():
        for name, number in blocks._asdict().items():
            numbers["blocking", path, name] = number
    return numbers
