"""Adds up what belongs to one line, and makes answers of the sums."""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracetools.output.answers.data import MOST_PATHS, Answer
from tracetools.output.answers.places import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tracetools.core.stacks import StackPath
    from tracetools.output.answers.places import Places
    from tracetools.output.nodes import Nodes

__all__ = ["Gathered", "Gathering", "heaviest", "ordered", "part_of"]


@dataclass
class Gathered:
    """The sums of one line.

    Attributes:
        kind, place, what: which line it is, and what is done there.
        total: the time of all stacks, in nanoseconds.
        max, count: the longest time at once, and how often it was.
        heavy: stacks with their times, those with the most time among them. No stack is there
            twice.
        numbers: those of the stacks that were added together.
        by_whom: parts of the time, by whom it was for.
        by_what: parts of the time, by what it was.
    """

    kind: str
    place: Place
    what: str = ""
    total: int = 0
    max: int = 0
    count: int = 0
    heavy: list[tuple[Any, int]] = field(default_factory=list)
    numbers: array[int] = field(default_factory=lambda: array("q"))
    by_whom: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_what: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, stack: StackPath | int, time: int, whom: str = "") -> None:
        """Add time of a stack, which is not among them yet.

        Without a name for `whom`, it is done for nobody in particular.
        """
        self.total += time
        self.heavy.append((stack, time))
        if whom:
            self.by_whom[whom] += time

    def add_together(
        self, numbers: Sequence[int], time_of: Sequence[int], whom_of: Sequence[str]
    ) -> None:
        """Do the same for at least one stack, by numbers."""
        times = [time_of[number] for number in numbers]
        self.total += sum(times)
        self.numbers.extend(numbers)
        least = heapq.nlargest(MOST_PATHS, times)[-1]
        self.heavy += [each for each in zip(numbers, times, strict=True) if each[1] >= least]
        by_whom = self.by_whom
        for whom, time in zip(map(whom_of.__getitem__, numbers), times, strict=True):
            by_whom[whom] += time
        by_whom.pop("", None)


class Gathering:
    """The sums of all lines of a group, by kind, place and what they do.

    Args:
        kind: of the places that are found by their frame.
        nodes: of which stacks are numbers; without them, stacks are paths.
    """

    def __init__(self, kind: str = "", nodes: Nodes | None = None) -> None:
        self._kind = kind
        self._path_of = _itself if nodes is None else nodes.path
        self._sums: dict[tuple[object, ...], Gathered] = {}
        self._by_end: dict[int, Gathered] = {}

    def of(self, kind: str, place: Place, what: str = "") -> Gathered:
        """Return the sums of a line, which start with zero."""
        key = (kind, place.file, place.line, place.function, what)
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = Gathered(kind, place, what)
        return found

    def of_frame(self, number: int, places: Places) -> Gathered:
        """Return the sums of the place that a stack ends in, whatever stands above it."""
        end = places.ends[number]
        found = self._by_end.get(end)
        if found is None:
            found = self._by_end[end] = self.of(self._kind, places.place(number))
        return found

    def add_all(self, time_of: Sequence[int], whom_of: Sequence[str], places: Places) -> None:
        """Add times of the stacks in functions of the program, each to its place.

        Args:
            time_of: the time of each stack of the profile.
            whom_of: for whom that is.
            places: those of the profile.
        """
        for numbers in places.in_functions:
            some = [number for number in numbers if time_of[number]]
            if some:
                sums = self.of_frame(places.owns[some[0]], places)
                sums.add_together(some, time_of, whom_of)

    def __iter__(self) -> Iterator[Gathered]:
        """Iterate over the sums of lines."""
        return iter(self._sums.values())

    def subtract(self, times: Mapping[tuple[str | None, str], int]) -> None:
        """Take times off the totals of lines, by file and function; none gets less than zero."""
        left = dict(times)
        for sums in self._sums.values():
            key = sums.place.file, sums.place.function
            taken = min(sums.total, left.get(key, 0))
            sums.total -= taken
            left[key] = left.get(key, 0) - taken

    @property
    def total(self) -> int:
        """The time of all lines."""
        return sum(each.total for each in self._sums.values())

    def answers(self, whole: int, describe: Callable[[Gathered, Answer], Answer]) -> list[Answer]:
        """Return an answer for each line that has any time, the heaviest first.

        Args:
            whole: what the shares are parts of.
            describe: adds words to an answer.
        """
        found = [each for each in self._sums.values() if each.total]
        return ordered(describe(each, self._answer(each, whole)) for each in found)

    def _answer(self, sums: Gathered, whole: int) -> Answer:
        place = sums.place
        return Answer(
            sums.kind,
            place.file,
            place.line,
            place.function,
            sums.what,
            for_whom=tuple(name for name in heaviest(sums.by_whom) if name != place.function),
            total=sums.total,
            max=sums.max,
            count=sums.count,
            share=part_of(sums.total, whole),
            paths=_heaviest_paths(sums, self._path_of),
            is_own=place.is_own,
        )


def _itself(stack: StackPath) -> StackPath:
    return stack


def ordered(answers: Iterable[Answer]) -> list[Answer]:
    """Return answers, the heaviest first, always in the same order."""
    return sorted(
        answers,
        key=lambda each: (-each.total, each.file or "", each.line, each.function, each.what),
    )


def part_of(part: int, whole: int) -> float:
    """Return what part of a whole something is, from 0 to 1; 0 of nothing."""
    return min(1.0, part / whole) if whole > 0 else 0.0


def heaviest(times: Mapping[str, int]) -> list[str]:
    """Return names, those with the most time first."""
    return sorted(sorted(times), key=times.__getitem__, reverse=True)


def _heaviest_paths(sums: Gathered, path_of: Callable[[Any], StackPath]) -> tuple[StackPath, ...]:
    """Return the paths with the most time; names are compared only where it is equal."""
    heavy = sums.heavy
    if len(heavy) > MOST_PATHS:
        least = heapq.nlargest(MOST_PATHS, [time for _, time in heavy])[-1]
        heavy = [(stack, time) for stack, time in heavy if time >= least]
    paths = [(path_of(stack), time) for stack, time in heavy]
    paths.sort(key=lambda each: (-each[1], _names(each[0])))
    return tuple(path for path, _ in paths[:MOST_PATHS])


def _names(path: StackPath) -> list[tuple[str, str, int]]:
    return [(name, file or "", line) for name, file, line in path]
