"""Lints: rules that find in a profile what the author of the program should know.

Kinds have tokio-console's names, where it has them (``self-wakes``, ``never-yielded``). A rule
reports nothing where the numbers may mean something else: a sum does not say what a program does
at a checkpoint, or which stacks a frame such as ``(other)`` has taken in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import (
    BLOCKS_THE_LOOP,
    CALLBACKS,
    CANCELS,
    COLLECTIONS,
    DEEPER,
    HOLDS_THE_GIL,
    IMPORTING,
    KINDS,
    OTHER,
    ROOT,
    RUNTIME,
    Blocks,
    StackPath,
    Times,
)
from tracetools.output import resource_findings
from tracetools.output.nodes import Nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracetools.core.profile import Profile

    _Find = Callable[["_Seen"], Iterator["_Finding"]]

__all__ = ["Lint", "Lints", "amount", "find_lints", "line_at_fault"]

MOST_OF_A_KIND: Final = 5
"""How many lints of a kind are shown at most, the heaviest first."""

MIN_STEPS: Final = 100
"""How many steps a stack has at least to be said to wake itself."""

MOST_BUSY: Final = 100_000
"""How long a step that wakes itself is busy at most, on average, in nanoseconds. A longer one does
real work, and rightly lets other tasks run in between."""

LEAST_PART: Final = 100
"""A stack that wakes itself is reported if it has at least this fraction (1/100) of the time."""

_STARVED_PART: Final = 20
"""A program that had no processor is reported if that took at least this fraction (1/20) of the
time. Shorter times without one are usual where other programs run."""

LONG_RUN: Final = 10**9
"""What runs for so long, in nanoseconds, should have yielded to the loop."""

LONG_QUEUE: Final = 10_000
"""A queue that has grown is reported from this length on, in thousandths of a task."""

GROWTH: Final = 3
"""A queue has grown if it is so many times as long in the last quarter as in the first."""

MIN_PARTS: Final = 8
"""How many parts a trend has at least to be said to grow."""

MIN_DELAYS: Final = 100
"""How many delays there are at least for one in a hundred to be reported."""

_SECONDS_FROM: Final = 999_500_000
"""From here on, nanoseconds rounded to milliseconds would read as 1,000 ms."""


@dataclass(frozen=True)
class Lint:
    """One thing that stands out.

    Attributes:
        kind: a short word that stays the same from version to version, such as ``self-wakes``.
        path: the stack concerned; None if it is the whole program. That of ``blocks`` is one of
            `Profile.blocking`, that of ``gil-held`` of `Profile.stalls` perhaps, that of
            ``held-over-await`` of `ResourceUse.holds`; the others are among `Profile.stacks`.
        finding: what was found, with figures, in half a sentence of ASCII.
        why: why that matters; the same for all of a kind in one profile.
        remedy: what can be done; the same for all of a kind in one profile.
        weight: how much time of the loops is concerned, in nanoseconds, where that is known.
    """

    kind: str
    path: StackPath | None
    finding: str
    why: str
    remedy: str
    weight: int = 0


class Lints(NamedTuple):
    """The lints of a profile, the heaviest first, and how many lighter ones were left out.

    Imports come last: they are over once the program has started.
    """

    shown: tuple[Lint, ...] = ()
    left_out: int = 0


def find_lints(profile: Profile, nodes: Nodes | None = None) -> Lints:
    """Return what stands out in a profile, at most `MOST_OF_A_KIND` of each kind.

    `nodes` are those of the profile, where they are known already.
    """
    shown: list[Lint] = []
    left_out = 0
    seen = _Seen(Nodes(profile) if nodes is None else nodes)
    words = _words(profile.backends)
    for rule in _RULES:
        findings = sorted(rule.find(seen), key=_order)
        remedy = rule.remedy.format(**words)
        shown += [
            Lint(rule.kind, finding.path, finding.text, rule.why, remedy, finding.weight)
            for finding in findings[:MOST_OF_A_KIND]
        ]
        left_out += len(findings[MOST_OF_A_KIND:])
    shown.sort(key=lambda lint: (lint.kind == _IMPORTS, -lint.weight))
    return Lints(tuple(shown), left_out)


LAST_FRAMES: Final = (BLOCKS_THE_LOOP, HOLDS_THE_GIL)
"""The names of the frames that end the paths of blocking steps and of stalls, with the line."""


def line_at_fault(path: StackPath) -> str | None:
    """Return the line at the end of a path of `Profile.blocking` or `Profile.stalls`."""
    is_known = bool(path) and path[-1].name in LAST_FRAMES and bool(path[-1].file)
    return path[-1].location if is_known else None


def amount(time: int) -> str:
    """Return nanoseconds in ASCII, with three digits: seconds from 1 s on, else milliseconds.

    There are at most three decimals, so less than half a microsecond is 0 ms.
    """
    value, unit = (time / 10**9, "s") if time >= _SECONDS_FROM else (time / 10**6, "ms")
    whole = len(str(int(value))) if value >= 1 else 0
    shown = f"{value:,.{max(0, 3 - whole)}f}"
    return f"{shown.rstrip('0').rstrip('.') if '.' in shown else shown} {unit}"


class _Finding(NamedTuple):
    """What a rule has found; `many` decides the order where weights are equal."""

    path: StackPath | None
    text: str
    weight: int = 0
    many: int = 0


def _order(finding: _Finding) -> tuple[int, int, list[tuple[str, int]]]:
    """Return the key to sort by: weight, then names, so that the order is always the same."""
    names = [(frame.label, frame.line) for frame in finding.path or ()]
    return -finding.weight, -finding.many, names


class _Rule(NamedTuple):
    """How one kind of lint is found, and its texts; the remedy names the backend's own calls."""

    kind: str
    find: Callable[[_Seen], Iterator[_Finding]]
    why: str
    remedy: str


class _Seen:
    """What rules look at: a profile, its stacks by number, and sums over stacks, made once."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.profile = nodes.profile

    @cached_property
    def own_busy(self) -> list[int]:
        """The busy time of stacks with that of the functions below, which have no entries."""
        counts = zip(self.nodes.entries, self.nodes.steps, strict=True)
        return self._gathered([not entries and not steps for entries, steps in counts])

    @cached_property
    def busy_in_steps(self) -> list[int]:
        """The busy time of stacks with that of all stacks below in which no step ended."""
        return self._gathered([not steps for steps in self.nodes.steps])

    def _gathered(self, belongs: list[bool]) -> list[int]:
        """Return the busy time of stacks; that of one that `belongs` to its parent is added to it.

        What has no parent is added to one more place at the end.
        """
        busy = [*self.nodes.busy, 0]
        parents = self.nodes.parents
        for number in self.nodes.from_below:
            if belongs[number]:
                busy[parents[number]] += busy[number]
        return busy


def _of_profile(find: Callable[[Profile], Iterator[_Finding]]) -> _Find:
    """Return a rule that needs no sums over stacks."""
    return lambda seen: find(seen.profile)


def _of_resources(
    find: Callable[[Profile, Callable[[int], str]], Iterator[resource_findings.ResourceFinding]],
) -> _Find:
    """Return a rule for locks, queues and the like."""
    return lambda seen: (_Finding(*found) for found in find(seen.profile, amount))


# -- rules for the whole loop ----------------------------------------------------------------------


def _growing_queue(profile: Profile) -> Iterator[_Finding]:
    """Find a queue that is longer in each quarter than in the one before."""
    trend = profile.queue_trend
    if len(trend) < MIN_PARTS:
        return
    first, second, third, last = _quarters(trend)
    rises = first < second < third and 4 * last >= 5 * third
    if rises and last >= max(GROWTH * first, LONG_QUEUE):
        yield _Finding(
            None,
            f"{first / 1000:,.1f} tasks waited to step in the first quarter,"
            f" {last / 1000:,.1f} in the last",
            profile.duration,
        )


def _quarters(trend: Sequence[int]) -> list[float]:
    cuts = [len(trend) * quarter // 4 for quarter in range(5)]
    parts = [trend[since:until] for since, until in pairwise(cuts)]
    return [sum(part) / len(part) for part in parts]


def _scheduling_delay(profile: Profile) -> Iterator[_Finding]:
    threshold, delays = profile.blocking_threshold, profile.scheduling_delay
    if threshold is None or delays.count < MIN_DELAYS:
        return
    if (delay := delays.quantile(0.99)) > threshold:
        yield _Finding(
            None,
            f"of {delays.count:,} steps, one in a hundred was delayed by {amount(delay)} or more,"
            f" at most {amount(delays.max)}",
            profile.duration // 100,
        )


def _untracked(profile: Profile) -> Iterator[_Finding]:
    if profile.untracked:
        tasks = "1 task" if profile.untracked == 1 else f"{profile.untracked:,} tasks"
        yield _Finding(None, f"{tasks} could not be tracked")


def _forks(profile: Profile) -> Iterator[_Finding]:
    if profile.forks:
        one = profile.forks == 1
        processes = "1 process was" if one else f"{profile.forks:,} processes were"
        yield _Finding(None, f"{processes} forked and not recorded")


# -- rules for stacks ------------------------------------------------------------------------------


def _blocks(profile: Profile) -> Iterator[_Finding]:
    """Find what blocks the loop, without the steps that something else has delayed."""
    threshold = profile.blocking_threshold
    for path, blocks in profile.blocking.items():
        if blocks.count and not blocks.is_innocent(threshold) and IMPORTING not in path:
            kind = f": {blocks.kind}" if blocks.kind else ""
            text = f"{_steps(profile, blocks)}{kind}{_other_kinds(blocks)}"
            yield _Finding(path, text, blocks.total, blocks.count)


def _imports(profile: Profile) -> Iterator[_Finding]:
    """Find steps that imported for long."""
    for path, blocks in profile.blocking.items():
        if blocks.count and IMPORTING in path:
            yield _Finding(path, _steps(profile, blocks), blocks.total, blocks.count)


def _collects(profile: Profile) -> Iterator[_Finding]:
    """Find steps that took long since garbage was collected meanwhile."""
    for path, blocks in profile.blocking.items():
        if blocks.kind == KINDS["collecting"] and IMPORTING not in path:
            text = f"{_steps(profile, blocks)}, {amount(blocks.collecting)} of it for a collection"
            yield _Finding(path, text, blocks.collecting, blocks.count)


def _stalls(kind: str, profile: Profile) -> Iterator[_Finding]:
    """Find the times in which no loop could run, for one reason; and steps that it has struck."""
    words = KINDS[kind]
    delayed = ""
    if profile.scheduling_delay.count:
        delayed = f"; tasks were delayed by {amount(profile.scheduling_delay.max)} at most"
    found = {path: each for path, each in profile.stalls.items() if path and path[0].name == words}
    for path, stalls in found.items():
        if kind != "starved" or _STARVED_PART * stalls.total >= profile.duration:
            often = "once" if stalls.count == 1 else f"{stalls.count:,} times"
            text = f"{words} {often}, for {amount(stalls.total)}{_at_most(stalls)}{delayed}"
            yield _Finding(path if path[1:] else None, text, stalls.total, stalls.count)
    for path, blocks in profile.blocking.items():
        struck = getattr(blocks, kind)
        if not blocks.is_innocent(profile.blocking_threshold) or IMPORTING in path:
            continue
        if blocks.kind == words and not found:
            text = f"{_steps(profile, blocks)}: {words} for {amount(struck)} of it"
            yield _Finding(path, text, struck, blocks.count)


def _steps(profile: Profile, blocks: Blocks) -> str:
    """Return how many steps took too long, and how long."""
    threshold = profile.blocking_threshold
    over = "" if threshold is None else f" over {amount(threshold)}"
    if blocks.count == 1:
        return f"1 step{over}, which took {amount(blocks.max)}"
    return f"{blocks.count:,} steps{over}, {amount(blocks.total)} in all{_at_most(blocks)}"


def _at_most(blocks: Blocks) -> str:
    return "" if blocks.count == 1 else f", at most {amount(blocks.max)}"


def _other_kinds(blocks: Blocks) -> str:
    """Return what else the time was, from a tenth of it on."""
    others = [
        f", {amount(getattr(blocks, name))} of it {words}"
        for name, words in KINDS.items()
        if words != blocks.kind and 10 * getattr(blocks, name) >= blocks.total
    ]
    return "".join(others)


def _never_yielded(seen: _Seen) -> Iterator[_Finding]:
    """Find stacks that run for long and in which, or below which, no step ends.

    A profile does not say whether a frame is a task's or a span's. A task of one step never yields;
    a span in which one step ends has yielded once.
    """
    own = [*seen.own_busy]
    for number, struck in _struck(seen):
        own[number] -= struck
    nodes = seen.nodes
    long = [
        number
        for number, entries in enumerate(nodes.entries)
        if entries and own[number] >= LONG_RUN * entries
    ]
    yielded = _with_steps_below(nodes) if long else ()
    for number in long:
        path, steps, entries = nodes.path(number), nodes.steps[number], nodes.entries[number]
        if steps > entries or number in yielded or not _is_of_one(path):
            continue
        if path[1:2] == (RUNTIME,):  # nobody can change it; a notebook's kernel runs whole cells
            continue
        each = amount(own[number] // entries)
        how = "with at most one pause" if steps else "without a pause"
        often = "" if entries == 1 else f" each time, {entries:,} times"
        yield _Finding(path, f"ran for {each}{often}, {how}", own[number], entries)


def _struck(seen: _Seen) -> Iterator[tuple[int, int]]:
    """Yield for how long steps of a stack imported, or could not run though they did not wait."""
    for path, blocks in seen.profile.blocking.items():
        depths = range(len(path), 0, -1)
        entered = (path[:depth] for depth in depths if _is_entered(seen.profile, path[:depth]))
        innocent = blocks.gil + blocks.stopped + blocks.starved
        number = seen.nodes.number(next(entered, ()))
        yield number, blocks.total if IMPORTING in path else innocent


def _is_entered(profile: Profile, path: StackPath) -> bool:
    return profile.stacks.get(path, Times()).entries > 0


def _self_wakes(seen: _Seen) -> Iterator[_Finding]:
    """Find stacks whose steps do little and whose tasks are at once ready for the next step.

    Work in spans that open and close within a step is work of that step.
    """
    for path, busy, steps, woken in _spinning(seen):
        if path[1:2] != (CALLBACKS,) and busy < MOST_BUSY * steps:
            yield _Finding(
                path,
                f"woke itself in {100 * woken // steps} % of {steps:,} steps,"
                f" {amount(busy // steps)} busy each",
                busy,
                woken,
            )


def _rearms(seen: _Seen) -> Iterator[_Finding]:
    """Find callbacks that do little and have themselves called again at once.

    The loop's own work is told beside, for most of it is done to call them.
    """
    work = seen.profile.stacks.get((ROOT,), Times()).busy
    for path, busy, calls, again in _waking(seen):
        if path[1:2] != (CALLBACKS,) or _cancels(path):
            continue
        whole = busy + work
        if busy < MOST_BUSY * calls and LEAST_PART * whole >= seen.profile.duration:
            yield _Finding(
                path,
                f"re-arms itself in {100 * again // calls} % of {calls:,} calls:"
                f" {amount(busy)}, and {amount(work)} of the loop",
                whole,
                again,
            )


def _cancel_spins(seen: _Seen) -> Iterator[_Finding]:
    """Find cancellations that are delivered again and again, for a task does not end."""
    for path, busy, steps, _ in _spinning(seen):
        if _cancels(path):
            text = f"delivered {steps:,} times, {amount(busy)} busy"
            yield _Finding(path, text, busy, steps)


def _cancels(path: StackPath) -> bool:
    return path[1:2] == (CALLBACKS,) and path[-1].name.startswith(CANCELS)


def _spinning(seen: _Seen) -> Iterator[_Waking]:
    """Yield the stacks of `_waking` that have a part of the time worth a report."""
    for found in _waking(seen):
        if LEAST_PART * found.busy >= seen.profile.duration:
            yield found


class _Waking(NamedTuple):
    """A stack, for how long it was busy, its steps, and in how many of these it woke itself."""

    path: StackPath
    busy: int
    steps: int
    self_wakes: int


def _waking(seen: _Seen) -> Iterator[_Waking]:
    """Yield stacks that wake themselves in most of their steps."""
    nodes = seen.nodes
    for number, woken in enumerate(nodes.self_wakes):
        if woken and 2 * woken > nodes.steps[number] >= MIN_STEPS:
            path = nodes.path(number)
            if _is_of_one(path):
                yield _Waking(path, seen.busy_in_steps[number], nodes.steps[number], woken)


def _limiter_saturated(profile: Profile) -> Iterator[_Finding]:
    """Find limiters of which tasks waited long for a token."""
    for path, (tokens, wanted) in profile.limiters.items():
        waited = profile.stacks.get(path, Times()).idle
        if waited and LEAST_PART * waited >= profile.duration:
            were = "1 token" if tokens == 1 else f"{tokens:,} tokens"
            yield _Finding(
                path,
                f"{wanted:,} wanted {were}, waited {amount(waited)} in all",
                min(waited, profile.duration),
                wanted,
            )


def _left_open(seen: _Seen) -> Iterator[_Finding]:
    for number, count in enumerate(seen.nodes.left_open):
        if count:
            were = "1 span was" if count == 1 else f"{count:,} spans were"
            path = seen.nodes.path(number)
            yield _Finding(path, f"{were} open when the task had finished", 0, count)


def _is_of_one(path: StackPath) -> bool:
    """Whether a stack ends in one task or span, not in a frame for several or for none."""
    return bool(path) and path[-1] not in _OF_SEVERAL


_OF_SEVERAL: Final = (ROOT, OTHER, DEEPER, *COLLECTIONS)


def _with_steps_below(nodes: Nodes) -> set[int]:
    """Return the stacks below which a step ended."""
    found: set[int] = set()
    for number in nodes.from_below:
        if nodes.steps[number] or number in found:
            found.add(nodes.parents[number])
    return found


# -- words -----------------------------------------------------------------------------------------

_IMPORTS: Final = "importing"

_RULES: Final = (
    _Rule(
        "growing-queue",
        _of_profile(_growing_queue),
        "The loop is given more to do than it can do. Every task waits longer and longer"
        " until it steps, memory grows, and it does not end by itself.",
        "Take in less: bound how many tasks run at a time, bound queues so that senders have to"
        " wait, refuse what is too much. Or make steps cheaper (lens Busy), or run more processes.",
    ),
    _Rule(
        "blocks",
        _of_profile(_blocks),
        "While a step runs, no other task does: requests, timeouts and cancellation all wait until"
        " it ends.",
        "If the line waits for something outside (a file, a database, another service, a lock),"
        " call it in a thread ({thread}), or use a library that awaits. If it computes, split the"
        " work and let others run in between ({checkpoint}), or give it to a process.",
    ),
    _Rule(
        _IMPORTS,
        _of_profile(_imports),
        "While a module is imported, no task steps. A module is imported once, most often as the"
        " program starts; later, a request waits for it.",
        "Import at the top of modules, before the loop starts. What is rarely needed may be"
        " imported in a thread ({thread}).",
    ),
    _Rule(
        "garbage-collection",
        _of_profile(_collects),
        "Python stops the whole program while it looks for objects that refer to each other and are"
        " not used any more. The more objects live, the longer it takes. The step that it falls"
        " into is not to blame.",
        "Once the program has started, call `gc.collect` and `gc.freeze`, so that what stays alive"
        " is not looked at again. Collect more rarely by `gc.set_threshold`, or when there is"
        " nothing to do. Keep fewer small objects, and fewer that refer to each other.",
    ),
    _Rule(
        "gil-held",
        _of_profile(partial(_stalls, "gil")),
        "Of all threads, only the one that has the GIL runs Python code. C code may keep it for as"
        " long as it computes: sorting, summing, matching a regular expression, parsing. Then the"
        " loop cannot go on, whatever thread that is in.",
        "Give what computes to a process, not to a thread. Or cut it into smaller pieces, or use a"
        " library that releases the GIL while it computes.",
    ),
    _Rule(
        "stopped",
        _of_profile(partial(_stalls, "stopped")),
        "Nothing of the program ran: a signal such as SIGSTOP had stopped it, a debugger, or the"
        " machine slept. No task is to blame.",
        "See what stops it. Leave such times out when you compare figures.",
    ),
    _Rule(
        "starved",
        _of_profile(partial(_stalls, "starved")),
        "The program could run, and the operating system gave the processors to others. No task is"
        " to blame.",
        "Run less on the same machine, give the program more processors or a larger share, or raise"
        " the limit of its container.",
    ),
    _Rule(
        "never-yielded",
        _never_yielded,
        "As long as it ran, no other task could step, and it could not be cancelled.",
        "Let others run every few milliseconds ({checkpoint}), or run the whole of it in a thread"
        " ({thread}) or, if it is Python that computes, in a process.",
    ),
    _Rule(
        "self-wakes",
        _self_wakes,
        "A task that is always ready and does next to nothing in a step is most likely"
        " busy-waiting. It never lets the loop be idle, takes a whole core and delays other tasks."
        " Or its operations never have to wait, as when it empties a queue piece by piece. Then"
        " this is what each piece costs.",
        "Wait for the thing itself, by an event, a condition or a queue, and do not ask for it in a"
        " loop of checkpoints. If that is not possible, sleep for longer than 0. Where there are"
        " many pieces, take several at a time.",
    ),
    _Rule(
        "rearms",
        _rearms,
        "The loop never waits: it takes a whole core to call the callback, as fast as it can, and"
        " other tasks and callbacks wait for their turn.",
        "Have it called when there is something to do: by a future, an event or add_reader. If that"
        " is not possible, by call_later with a time above 0.",
    ),
    _Rule(
        "cancel-spins",
        _cancel_spins,
        "A task in a cancelled scope does not end: it drops the cancellation and waits again, or"
        " waits for something that cannot be cancelled. anyio delivers the cancellation once in"
        " each turn of the loop until it ends. That takes a whole core and delays other tasks.",
        "Let the task end when it is cancelled: raise the cancellation again, and catch it no more"
        " than once. What must be done first belongs in `anyio.CancelScope(shield=True)`.",
    ),
    _Rule(
        "scheduling-delay",
        _of_profile(_scheduling_delay),
        "For so long, tasks that could step did not. It is added to whatever their users wait for.",
        "See what blocks the loop. If nothing does, more tasks are ready than one loop can serve:"
        " the lens Scheduled shows which ones.",
    ),
    _Rule(
        "limiter-saturated",
        _of_profile(_limiter_saturated),
        "A limiter lets so many tasks go on, or so many threads run, and no more. The others wait"
        " in line, though the loop may have nothing to do.",
        "If what the limiter protects can take more, give it more tokens. The threads of all calls"
        " share one limiter by default ({limiter}): give calls that take long one of their own, or"
        " make them shorter.",
    ),
    _Rule(
        "held-over-await",
        _of_resources(resource_findings.held_over_awaits),
        "As long as a task that holds a lock waits for something else, all others that want the"
        " lock wait for that as well, one after another.",
        "Await first, and take the lock only for what must not be interrupted. Or have a lock for"
        " each thing that it protects. If the lock is there so that something is done only once,"
        " let the others wait for its result.",
    ),
    _Rule(
        "convoy",
        _of_resources(resource_findings.convoys),
        "Each task has the lock for a short time, and waits for it for long: the tasks stand in"
        " line, and the lock decides how much is done.",
        "Take the lock less often: do several things while it is held, or have a lock for each"
        " thing that it protects. A task that only reads needs none between two awaits.",
    ),
    _Rule(
        "saturated",
        _of_resources(resource_findings.used_up),
        "All tokens were taken, so tasks waited in line, though the loop may have had nothing to"
        " do.",
        "If what it protects can take more, allow more at a time. Or hold it for a shorter time.",
    ),
    _Rule(
        "queue-full",
        _of_resources(resource_findings.full_queues),
        "Who puts items waits for who takes them. That is right if it keeps the program from taking"
        " in more than it can do; it is a loss if the takers wait for something else.",
        "Let more tasks take items, or take them faster. A longer queue helps against short bursts"
        " alone.",
    ),
    _Rule(
        "queue-grows",
        _of_resources(resource_findings.growing_queues),
        "More is put than is taken: items wait longer and longer, and memory grows.",
        "Bound the queue, so that who puts items has to wait. Or let more tasks take them.",
    ),
    _Rule(
        "left-open",
        _left_open,
        "Nobody closed the span, so its time runs until its task ends. What the task did after the"
        " span may stand below it, not beside it.",
        "Open spans by `with` or `@observe`, so that they close on every way out. Close generators"
        " that are not read to the end by `contextlib.aclosing` or `contextlib.closing`.",
    ),
    _Rule(
        "untracked",
        _of_profile(_untracked),
        "What these tasks did is in no stack. It counts as the loop's own time.",
        "These are tasks of a class that is not asyncio's and does not tell asyncio when it steps:"
        " make them by `asyncio.create_task` or in a task group. Where Python has no `ctypes`, so"
        " are eager tasks that are made by calling `asyncio.Task`. Start recording before the loop"
        " starts.",
    ),
    _Rule(
        "forks",
        _of_profile(_forks),
        "A forked process has a copy of the recording, and must not write over the file of its"
        " parent. So what it did is in no stack.",
        "Run the program by `tracetools run`: it records forked processes too, and adds them up.",
    ),
)

_THREADS: Final = {"trio": "`trio.to_thread.run_sync`", "asyncio": "`asyncio.to_thread`"}
_CHECKPOINTS: Final = {
    "trio": "`await trio.lowlevel.checkpoint()`",
    "asyncio": "`await asyncio.sleep(0)`",
}


_LIMITERS: Final = {
    "trio": "`trio.to_thread.current_default_thread_limiter()`",
    "asyncio": "`anyio.to_thread.current_default_thread_limiter()`",
}


def _words(backends: Sequence[str]) -> dict[str, str]:
    """Return the calls of the backends that ran; of both, if that is not known."""
    ran = {"trio" if backend == "trio" else "asyncio" for backend in backends} or set(_THREADS)
    return {
        "thread": " or ".join(_THREADS[backend] for backend in sorted(ran)),
        "limiter": " or ".join(_LIMITERS[backend] for backend in sorted(ran)),
        "checkpoint": " or ".join(_CHECKPOINTS[backend] for backend in sorted(ran)),
    }
