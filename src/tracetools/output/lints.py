"""Lints: what a profile says about a program that its author would rather know.

What may live here: rules, each from the numbers of one `Profile` to a few sentences. What must not:
how numbers are recorded, and how sentences are shown.

The kinds are tokio-console's, where it has them (``self-wakes``, ``never-yielded``). A rule keeps
silent where the numbers have another reading: what a program does at a checkpoint, and what stands
below a frame that stands for many, cannot be told from a sum.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import DEEPER, HOLDS, OTHER, ROOT, StackPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Times

__all__ = ["Lint", "Lints", "amount", "find_lints", "line_at_fault"]

MOST_OF_A_KIND: Final = 5
"""How many lints of a kind are shown at most: the heaviest."""

MIN_STEPS: Final = 100
"""So many steps a stack has at least of which one says that it wakes itself."""

MOST_BUSY: Final = 100_000
"""So long a step that wakes itself is busy at most, in nanoseconds, on average: one that does more
does work, and is right to let others run in between."""

LEAST_PART: Final = 100
"""What wakes itself is told if it takes at least one part in so many of the recorded time."""

LONG_RUN: Final = 10**9
"""What runs for so long, in nanoseconds, should have gone back to the loop."""

LONG_QUEUE: Final = 10_000
"""A queue that has grown is told of from this length, in thousandths of a task."""

GROWTH: Final = 3
"""So many times as long as in the first quarter a queue is in the last, to have grown."""

MIN_PARTS: Final = 8
"""So many parts a trend has at least of which one says that it grows."""

MIN_TURNS: Final = 100
"""Of so many turns at least, one says how late one in a hundred is."""

_SECONDS_FROM: Final = 999_500_000
"""From so many nanoseconds on they would read as 1,000 ms."""


@dataclass(frozen=True)
class Lint:
    """One thing that stands out.

    Attributes:
        kind: a short word that stays the same from version to version, such as ``self-wakes``.
        path: the stack concerned; None if it is the whole program. That of ``blocked`` is one of
            `Profile.blocking`, the others are among `Profile.stacks`.
        seen: what was seen, with figures, in half a sentence of ASCII.
        why: why that matters; the same for all of a kind in one profile.
        remedy: what can be done; the same for all of a kind in one profile.
        weight: the time of loops that is concerned, in nanoseconds, where that can be told.
    """

    kind: str
    path: StackPath | None
    seen: str
    why: str
    remedy: str
    weight: int = 0


class Lints(NamedTuple):
    """What stands out, the heaviest first, and how many lints were left out as lighter."""

    shown: tuple[Lint, ...] = ()
    left_out: int = 0


def find_lints(profile: Profile) -> Lints:
    """Return what stands out in a profile, at most `MOST_OF_A_KIND` of each kind."""
    shown: list[Lint] = []
    left_out = 0
    words = _words(profile.backends)
    for rule in _RULES:
        seen = sorted(rule.look(profile), key=_order)
        remedy = rule.remedy.format(**words)
        shown += [
            Lint(rule.kind, one.path, one.text, rule.why, remedy, one.weight)
            for one in seen[:MOST_OF_A_KIND]
        ]
        left_out += len(seen[MOST_OF_A_KIND:])
    shown.sort(key=lambda lint: -lint.weight)
    return Lints(tuple(shown), left_out)


def line_at_fault(path: StackPath) -> str | None:
    """Return the line that held the loop, as ``file:line``; of a path of `Profile.blocking`."""
    held = bool(path) and path[-1].name == HOLDS and bool(path[-1].file)
    return path[-1].location if held else None


def amount(time: int) -> str:
    """Return nanoseconds in ASCII, with three digits: seconds from 1 s up, else milliseconds.

    There are three decimals at most, so what is less than half a microsecond is 0 ms.
    """
    value, unit = (time / 10**9, "s") if time >= _SECONDS_FROM else (time / 10**6, "ms")
    whole = len(str(int(value))) if value >= 1 else 0
    shown = f"{value:,.{max(0, 3 - whole)}f}"
    return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown} {unit}"


class _Seen(NamedTuple):
    """What a rule found: what the lint has of its own, and how many, where weights are alike."""

    path: StackPath | None
    text: str
    weight: int = 0
    many: int = 0


def _order(seen: _Seen) -> tuple[int, int, list[tuple[str, int]]]:
    """Order by weight; what weighs the same by its names, so that the same comes first always."""
    return -seen.weight, -seen.many, [(frame.label, frame.line) for frame in seen.path or ()]


class _Rule(NamedTuple):
    """How one kind of lint is found, and its words; the remedy has the backends' own calls."""

    kind: str
    look: Callable[[Profile], Iterator[_Seen]]
    why: str
    remedy: str


# -- rules for the whole loop ----------------------------------------------------------------------


def _growing_queue(profile: Profile) -> Iterator[_Seen]:
    """Find a queue that is longer in each quarter: one that came to a height and stays is none."""
    trend = profile.queue_trend
    if len(trend) < MIN_PARTS:
        return
    first, second, third, last = _quarters(trend)
    rises = first < second < third and 4 * last >= 5 * third
    if rises and last >= max(GROWTH * first, LONG_QUEUE):
        yield _Seen(
            None,
            f"{first / 1000:,.1f} tasks waited for their turn in the first quarter,"
            f" {last / 1000:,.1f} in the last",
            profile.duration,
        )


def _quarters(trend: Sequence[int]) -> list[float]:
    cuts = [len(trend) * quarter // 4 for quarter in range(5)]
    parts = [trend[since:until] for since, until in pairwise(cuts)]
    return [sum(part) / len(part) for part in parts]


def _late(profile: Profile) -> Iterator[_Seen]:
    limit = profile.blocking_limit
    if limit is None or (turns := profile.lateness.count) < MIN_TURNS:
        return
    if (late := profile.lateness.quantile(0.99)) > limit:
        yield _Seen(
            None,
            f"of {turns:,} turns, one in a hundred came {amount(late)} late or more; the worst"
            f" {amount(profile.lateness.worst)}",
            profile.duration // 100,
        )


def _unseen(profile: Profile) -> Iterator[_Seen]:
    if profile.unseen:
        tasks = "1 task" if profile.unseen == 1 else f"{profile.unseen:,} tasks"
        yield _Seen(None, f"{tasks} could not be followed")


# -- rules for stacks ------------------------------------------------------------------------------


def _blocked(profile: Profile) -> Iterator[_Seen]:
    limit = profile.blocking_limit
    over = "" if limit is None else f" over {amount(limit)}"
    for path, blocks in profile.blocking.items():
        if not blocks.count:
            continue
        if blocks.count == 1:
            text = f"1 step{over}, which took {amount(blocks.worst)}"
        else:
            text = (
                f"{blocks.count:,} steps{over}, {amount(blocks.total)} in all,"
                f" the worst {amount(blocks.worst)}"
            )
        yield _Seen(path, text, blocks.total, blocks.count)


def _never_yielded(profile: Profile) -> Iterator[_Seen]:
    """Find what runs for long and does not end a step meanwhile, nor anything below it.

    Whether a frame is a task's or a span's cannot be told. A task that has one step never yields;
    a span in which one step ends has let others run once.
    """
    own = _own_busy(profile)
    paused = _with_steps_below(profile)
    for path, times in _of_one(profile):
        if not times.entries or times.steps > times.entries or path in paused:
            continue
        if own[path] >= LONG_RUN * times.entries:
            each = amount(own[path] // times.entries)
            how = "with at most one pause" if times.steps else "without a pause"
            often = "" if times.entries == 1 else f" each time, {times.entries:,} times"
            yield _Seen(path, f"ran for {each}{often}, {how}", own[path], times.entries)


def _self_wakes(profile: Profile) -> Iterator[_Seen]:
    """Find what does little a step and is at once ready for the next one.

    Work in spans that open and close within a step is work of that step.
    """
    busy = _busy_in_steps(profile)
    for path, times in _of_one(profile):
        steps, woken = times.steps, times.self_wakes
        if steps < MIN_STEPS or 2 * woken <= steps:
            continue
        if busy[path] < MOST_BUSY * steps and LEAST_PART * busy[path] >= profile.duration:
            yield _Seen(
                path,
                f"woke itself in {100 * woken // steps} % of {steps:,} steps,"
                f" {amount(busy[path] // steps)} busy each",
                busy[path],
                woken,
            )


def _left_open(profile: Profile) -> Iterator[_Seen]:
    for path, times in profile.stacks.items():
        if count := times.left_open:
            were = "1 span was" if count == 1 else f"{count:,} spans were"
            yield _Seen(path, f"{were} open when the task had finished", 0, count)


def _of_one(profile: Profile) -> Iterator[tuple[StackPath, Times]]:
    """Give the stacks that end in one task or span, in no frame that stands for many or none."""
    for path, times in profile.stacks.items():
        if path and path[-1] not in (ROOT, OTHER, DEEPER):
            yield path, times


def _with_steps_below(profile: Profile) -> set[StackPath]:
    """Give the stacks below which a step ended."""
    found: set[StackPath] = set()
    for path in _from_below(profile):
        if profile.stacks[path].steps or path in found:
            found.add(path[:-1])
    return found


def _own_busy(profile: Profile) -> dict[StackPath, int]:
    """Add to the busy time of stacks that of the functions below them, which have no entries."""
    return _gathered(profile, lambda times: not times.entries and not times.steps)


def _busy_in_steps(profile: Profile) -> dict[StackPath, int]:
    """Add to the busy time of stacks that of all below them in which no step ended."""
    return _gathered(profile, lambda times: not times.steps)


def _gathered(profile: Profile, belongs: Callable[[Times], bool]) -> dict[StackPath, int]:
    """Add the busy time of stacks that belong to the stack above them to that, from below."""
    busy: dict[StackPath, int] = defaultdict(int)
    for path in _from_below(profile):
        times = profile.stacks[path]
        busy[path] += times.busy
        if belongs(times):
            busy[path[:-1]] += busy[path]
    return busy


def _from_below(profile: Profile) -> list[StackPath]:
    return sorted(profile.stacks, key=len, reverse=True)


# -- words -----------------------------------------------------------------------------------------

_RULES: Final = (
    _Rule(
        "growing-queue",
        _growing_queue,
        "The loop is given more to do than it can do. Every task waits longer and longer for its"
        " turn, memory grows, and it does not end by itself.",
        "Take in less: bound how many tasks run at a time, bound queues so that senders have to"
        " wait, refuse what is too much. Or make steps cheaper (lens Busy), or run more processes.",
    ),
    _Rule(
        "blocked",
        _blocked,
        "While a step runs, no other task does: requests, timeouts and cancellation all wait until"
        " it ends.",
        "If the line waits for something outside (a file, a database, another service, a lock),"
        " call it in a thread ({thread}), or use a library that awaits. If it computes, split the"
        " work and let others run in between ({checkpoint}), or give it to a process.",
    ),
    _Rule(
        "never-yielded",
        _never_yielded,
        "It kept the loop for itself as long as it ran: no other task had a turn, and it could not"
        " be cancelled.",
        "Let others run every few milliseconds ({checkpoint}), or run the whole of it in a thread"
        " ({thread}) or, if it is Python that computes, in a process.",
    ),
    _Rule(
        "self-wakes",
        _self_wakes,
        "A task that is always ready and does next to nothing a step is busy-waiting, most likely:"
        " it never lets the loop be idle, costs a whole core and delays the others. Or its"
        " operations never have to wait, as where it empties a queue piece by piece: then that is"
        " what each piece costs.",
        "Wait for the thing itself, by an event, a condition or a queue, in place of asking for it"
        " in a loop of checkpoints; if that cannot be had, sleep for longer than 0. Where there are"
        " many pieces, take several at a time.",
    ),
    _Rule(
        "late",
        _late,
        "Tasks that have all they need stand in line for so long: that is added to whatever their"
        " users wait for.",
        "Look at what blocks the loop. If nothing does, more tasks are ready than one loop can"
        " serve: the lens Scheduled shows which ones wait.",
    ),
    _Rule(
        "left-open",
        _left_open,
        "Nobody closed the span, so its time goes on until its task ends, and other times of the"
        " task may stand below it in place of beside it.",
        "Open spans by `with` or `@observe`, so that they close on every way out. Close generators"
        " that are not read to the end, by `contextlib.aclosing` or `contextlib.closing`.",
    ),
    _Rule(
        "unseen",
        _unseen,
        "What these tasks did is in no stack; it looks like the loop's own waiting and overhead.",
        "Tasks that are made by calling `asyncio.Task` or by a task factory of a library's own"
        " cannot be followed: make them by `asyncio.create_task` or in a task group. Begin to"
        " record before the loop starts.",
    ),
)

_THREADS: Final = {"trio": "`trio.to_thread.run_sync`", "asyncio": "`asyncio.to_thread`"}
_CHECKPOINTS: Final = {
    "trio": "`await trio.lowlevel.checkpoint()`",
    "asyncio": "`await asyncio.sleep(0)`",
}


def _words(backends: Sequence[str]) -> dict[str, str]:
    """Name the calls of the backends that ran; of both, where that is not known."""
    ran = {"trio" if backend == "trio" else "asyncio" for backend in backends} or set(_THREADS)
    return {
        "thread": " or ".join(_THREADS[backend] for backend in sorted(ran)),
        "checkpoint": " or ".join(_CHECKPOINTS[backend] for backend in sorted(ran)),
    }
