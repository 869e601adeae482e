"""What was recorded between two moments: the difference of two snapshots of one recording.

Most numbers only grow, and are subtracted. Some time moves meanwhile: a wait is charged to its task
until it ends, and then to what was awaited; and samples divide busy time again each time. So some
numbers of a stack may be less than before, by what those below it have too much. Such a debt is
paid by the stacks below, then by those beside it, and never leaves the tasks' time, or the loop's.
So sums are exact, and no number is negative.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import sub
from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracetools.core.breakdown import Breakdown
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.edges import Edge, Waited
from tracetools.core.histogram import EMPTY, Histogram, most_in
from tracetools.core.resources import Holds, ResourceUse, Waits
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Blocks, Times, is_of_loop

if TYPE_CHECKING:
    from tracetools.core.resources import Resource
    from tracetools.core.stacks import StackPath

__all__ = [
    "blocks_since",
    "edges_since",
    "histogram_since",
    "histograms_since",
    "resources_since",
    "slow_since",
    "times_since",
]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_Debt = dict["StackPath", int]
Paced = Callable[[Iterable[Any]], Iterable[Any]]

_NO_TIMES: Final = Times()
_BUSY: Final = Times._fields.index("busy")


def times_since(
    later: Mapping[StackPath, Times], earlier: Mapping[StackPath, Times], paced: Paced = iter
) -> dict[StackPath, Times]:
    """Return the numbers of all stacks that have changed, with their parents.

    Args:
        later: the numbers of all stacks.
        earlier: those at an earlier moment.
        paced: goes over items, with rests between them.

    Raises:
        ValueError: there is less time than before: that is no earlier snapshot of the same
            recording.
    """
    found: dict[StackPath, Times] = {}
    has_debts, known = False, 0
    for path, times in paced(later.items()):
        before = earlier.get(path)
        if before is None:
            before = _NO_TIMES
        else:
            known += 1
        if times != before:
            passed = found[path] = Times._make(map(sub, times, before))
            has_debts = has_debts or min(passed) < 0
    if known < len(earlier):  # some are gone
        gone = ((path, times) for path, times in earlier.items() if path not in later)
        for path, before in paced(gone):
            found[path] = Times._make(map(sub, _NO_TIMES, before))
            has_debts = True
    if has_debts:
        found = _settled(found, paced)
    return _with_parents(found, later)


def _with_parents(
    found: Mapping[StackPath, Times], later: Mapping[StackPath, Times]
) -> dict[StackPath, Times]:
    """Return the stacks that have numbers and all above them, in the order of the later ones."""
    wanted: set[StackPath] = {(ROOT,)}
    for path, times in found.items():
        if any(times):
            above = path
            while above and above not in wanted:
                wanted.add(above)
                above = above[:-1]
    return {path: found.get(path, _NO_TIMES) for path in later if path in wanted}


def _settled(found: Mapping[StackPath, Times], paced: Paced) -> dict[StackPath, Times]:
    """Return numbers of which none is negative, with the same sums."""
    columns: list[dict[StackPath, int]] = []
    for index, name in enumerate(Times._fields):
        column = {path: times[index] for path, times in paced(found.items()) if times[index]}
        groups = [column]
        if index == _BUSY:
            of_loop = {path: time for path, time in column.items() if is_of_loop(path)}
            of_tasks = {path: time for path, time in column.items() if path not in of_loop}
            groups = [of_loop, of_tasks]
        settled: dict[StackPath, int] = {}
        for group in groups:
            settled.update(_paid(group, name, paced))
        columns.append(settled)
    return {path: Times._make(column.get(path, 0) for column in columns) for path in paced(found)}


def _paid(numbers: dict[StackPath, int], name: str, paced: Paced) -> dict[StackPath, int]:
    """Let stacks that have something pay the debts of others, the nearest ones first."""
    debts: _Debt = {path: -number for path, number in numbers.items() if number < 0}
    if not debts:
        return numbers
    left = {path: max(number, 0) for path, number in numbers.items()}
    below: dict[StackPath, list[StackPath]] = {}
    for path, number in paced(left.items()):
        if number:
            for depth in range(1, len(path) + 1):
                below.setdefault(path[:depth], []).append(path)
    for depth in range(max(map(len, debts)), 0, -1):
        for path in [path for path in debts if len(path) == depth]:
            debt = _pay(debts.pop(path), below.get(path, ()), left)
            if debt and depth > 1:
                debts[path[:-1]] = debts.get(path[:-1], 0) + debt
            elif debt:
                raise ValueError(
                    f"{name} is less by {debt} than in the earlier profile: give an earlier"
                    " snapshot of the same recording"
                )
    return left


def _pay(debt: int, payers: Iterable[StackPath], left: dict[StackPath, int]) -> int:
    """Let stacks pay a debt, those with most first; return what is left of it."""
    for path in sorted(payers, key=lambda path: -left[path]):
        paid = min(debt, left[path])
        left[path] -= paid
        debt -= paid
        if not debt:
            break
    return debt


# ------------------------------------------------------------------------- histograms and the like


def histogram_since(later: Histogram, earlier: Histogram) -> Histogram:
    """Return the histogram of the values that were added."""
    if later.buckets == earlier.buckets:
        return EMPTY
    counts = {
        bucket: count - earlier.buckets.get(bucket, 0) for bucket, count in later.buckets.items()
    }
    added = {bucket: count for bucket, count in counts.items() if count > 0}
    total = later.total - earlier.total
    return Histogram(total, _most(later.max, earlier.max, min(total, most_in(max(added)))), added)


def histograms_since(
    later: Mapping[_Key, Histogram], earlier: Mapping[_Key, Histogram], paced: Paced = iter
) -> dict[_Key, Histogram]:
    """Return the histograms to which anything was added."""
    return _changed(later, earlier, EMPTY, histogram_since, paced)


def blocks_since(
    later: Mapping[StackPath, Blocks], earlier: Mapping[StackPath, Blocks], least: int
) -> dict[StackPath, Blocks]:
    """Return what has blocked meanwhile. Each time took longer than `least`, in nanoseconds."""

    def since(now: Blocks, before: Blocks) -> Blocks:
        passed = Blocks(*(max(new - old, 0) for new, old in zip(now, before, strict=True)))
        others = max(passed.count - 1, 0) * least
        return passed._replace(max=_most(now.max, before.max, passed.total - others))

    return _changed(later, earlier, Blocks(), since)


def _most(later: int, earlier: int, at_most: int) -> int:
    """Return the largest value that was added: exactly if it is a new one, else at most this."""
    return later if later > earlier else max(min(later, at_most), 0)


def _changed(
    later: Mapping[_Key, _Value],
    earlier: Mapping[_Key, _Value],
    nothing: _Value,
    since: Callable[[_Value, _Value], _Value],
    paced: Paced = iter,
) -> dict[_Key, _Value]:
    """Return what has changed, by a function of two values."""
    found: dict[_Key, _Value] = {}
    for key, now in paced(later.items()):
        before = earlier.get(key, nothing)
        if now != before:
            passed = since(now, before)
            if passed != nothing:
                found[key] = passed
    return found


# ------------------------------------------------------------------------------------------- edges


def edges_since(
    later: Mapping[Edge, Waited], earlier: Mapping[Edge, Waited], idle: Mapping[StackPath, int]
) -> dict[Edge, Waited]:
    """Return who has ended which waits meanwhile. Those of one path make up its idle time.

    Args:
        later: all of them.
        earlier: those before.
        idle: how long each path has waited meanwhile.
    """
    if not later and not earlier:
        return {}
    by_path: dict[StackPath, dict[Edge, Waited]] = {path: {} for path, time in idle.items() if time}
    for edge, now in later.items():
        before = earlier.get(edge, Waited())
        count, total = max(now.count - before.count, 0), max(now.total - before.total, 0)
        if count or total:
            most = _most(now.max, before.max, total) if count else 0
            by_path.setdefault(edge.waiter, {})[edge] = Waited(count, total, most)
    found: dict[Edge, Waited] = {}
    for path, edges in by_path.items():
        found.update(_made_up(path, edges, idle.get(path, 0)))
    return found


def _made_up(path: StackPath, edges: dict[Edge, Waited], idle: int) -> dict[Edge, Waited]:
    """Return the edges of one path so that they add up to its idle time."""
    too_much = sum(waited.total for waited in edges.values()) - idle
    if too_much < 0:
        unknown = Edge(path, None)
        edges[unknown] = edges.get(unknown, Waited()).plus(Waited(0, -too_much))
    for edge, waited in sorted(edges.items(), key=lambda item: -item[1].total):
        if too_much <= 0:
            break
        paid = min(too_much, waited.total)
        too_much -= paid
        edges[edge] = waited._replace(total=waited.total - paid)
    return {edge: waited for edge, waited in edges.items() if waited.count or waited.total}


# --------------------------------------------------------------------------------------- resources


def resources_since(
    later: Mapping[Resource, ResourceUse], earlier: Mapping[Resource, ResourceUse]
) -> dict[Resource, ResourceUse]:
    """Return what was done with locks, queues and the like meanwhile.

    Those that were used before already are not counted again, so their count may be 0.
    """
    return _changed(later, earlier, ResourceUse(), _use_since)


def _use_since(later: ResourceUse, earlier: ResourceUse) -> ResourceUse:
    waits = _changed(later.waits, earlier.waits, Waits(), _waits_since)
    getters = _changed(later.getters, earlier.getters, Waits(), _waits_since)
    is_new = later.most_waiting > earlier.most_waiting
    return ResourceUse(
        count=max(later.count - earlier.count, 0),
        size=later.size,
        lived=max(later.lived - earlier.lived, 0),
        saturated=max(later.saturated - earlier.saturated, 0),
        most_waiting=later.most_waiting if is_new or waits or getters else 0,
        holds=_changed(later.holds, earlier.holds, Holds(), _holds_since),
        waits=waits,
        blockers=_changed(later.blockers, earlier.blockers, Waits(), _waits_since),
        getters=getters,
        lengths=histogram_since(later.lengths, earlier.lengths),
        length_time=max(later.length_time - earlier.length_time, 0),
        items=max(later.items - earlier.items, 0),
        taken=max(later.taken - earlier.taken, 0),
    )


def _waits_since(later: Waits, earlier: Waits) -> Waits:
    passed = Waits(*(max(new - old, 0) for new, old in zip(later, earlier, strict=True)))
    return passed._replace(max=_most(later.max, earlier.max, passed.total))


def _holds_since(later: Holds, earlier: Holds) -> Holds:
    passed = Holds(*(max(new - old, 0) for new, old in zip(later, earlier, strict=True)))
    return passed._replace(max=_most(later.max, earlier.max, passed.total))


# -------------------------------------------------------------------------------------- slow spans


def slow_since(
    later: Mapping[StackPath, SlowSpans], earlier: Mapping[StackPath, SlowSpans]
) -> dict[StackPath, SlowSpans]:
    """Return the slow spans that were kept since.

    Where some were let go meanwhile for slower ones, only the traces of the new ones are known.
    """
    return _changed(later, earlier, SlowSpans(), _slow_since)


def _slow_since(later: SlowSpans, earlier: SlowSpans) -> SlowSpans:
    traces = tuple(trace for trace in later.traces if trace not in earlier.traces)
    parts = _breakdown_since(later.breakdown, earlier.breakdown)
    critical = _critical_since(later.critical, earlier.critical)
    if parts is None or critical is None:
        return SlowSpans(traces=traces)
    return SlowSpans(parts, critical, traces)


def _breakdown_since(later: Breakdown, earlier: Breakdown) -> Breakdown | None:
    names = ("busy", "scheduled", "unnamed", "unknown", "children", "threads", "duration", "count")
    passed = {name: getattr(later, name) - getattr(earlier, name) for name in names}
    waits = _subtracted(later.waits, earlier.waits)
    if waits is None or min(passed.values()) < 0:
        return None
    return Breakdown(waits=waits, **passed)


def _critical_since(later: CriticalTimes, earlier: CriticalTimes) -> CriticalTimes | None:
    count, duration = later.count - earlier.count, later.duration - earlier.duration
    shares = _subtracted(later.shares, earlier.shares)
    savings = _subtracted(later.savings, earlier.savings)
    if shares is None or savings is None or min(count, duration) < 0:
        return None
    return CriticalTimes(count, duration, shares, savings)


def _subtracted(later: Mapping[_Key, int], earlier: Mapping[_Key, int]) -> dict[_Key, int] | None:
    """Return what was added to each; None if any is less than before."""
    passed = {key: later.get(key, 0) - earlier.get(key, 0) for key in {**later, **earlier}}
    if any(number < 0 for number in passed.values()):
        return None
    return {key: number for key, number in passed.items() if number}
