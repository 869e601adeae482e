"""Accounts of resources: who waits for one, who has it, and for how long.

What is known of a lock, a semaphore or a limiter is what tasks do: one wants a token, gets it or
gives up, and releases it. All of them give their tokens in the order in which tasks began to wait,
and a token that is released belongs from then on to the first task that waits, though that steps
only later. So that is taken for granted here. Where a library has done otherwise, it is found out
when the method of a task returns: what has returned has its token, and who was thought to have it
waits on.

A recording may begin while tasks have tokens and wait for them. How many those are is known, but
not who. They come first.

Every method takes `now`, integer nanoseconds of one monotonic clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from tracetools.core.buckets import HistogramBuilder
from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.resources import (
    COULD_STEP,
    ITSELF,
    UNKNOWN_HOLDER,
    Holds,
    ResourceUse,
    Waits,
)
from tracetools.core.stacks import OTHER, ROOT, Frame, Stack, StackPath, stack_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.core.accounting import TaskAccount

__all__ = ["Growth", "OpenTotals", "QueueAccount", "TokenAccount", "Totals", "Want"]

_ENDLESS: Final = 1 << 62
_MAX_ROWS: Final = 200
"""How many holders, and how many waiters, of one resource are told apart."""


class Want:
    """What a task wants, from when it asks for a token until it has released it.

    Attributes:
        task: the task; ``None`` if it is not recorded.
        stack: its stack.
        line: the function of the program that wants it, with the line, if that is known.
        key: by what it is released, if not by the task that has it.
        since: when the task asked.
        got: when it got the token; ``None`` while it waits.
        rest: for how long the task had rested then.
        waits: whether it had to wait.
        is_sure: whether the task is known to have its token.
        is_back: whether the method in which it has asked has returned.
        blocker: who had one when the wait began, and what that one awaited.
        behind: who had one then and had not returned with it yet, so that it awaited nothing.
        followers: the other way round: those that are behind this one.
        growth: what it has awaited since it has returned, if there are followers.
        has_put: whether the item was put already, for a task that waits for a place in a queue.
    """

    behind: Want | None = None
    followers: list[Want] | None = None
    blocker: _Key = None
    growth: Growth | None = None
    got: int | None = None
    has_put = is_back = is_sure = waits = False
    rest = 0

    def __init__(
        self, task: TaskAccount | None, stack: Stack, line: _Frames, now: int, key: object = None
    ) -> None:
        self.task = task
        self.stack = stack
        self.line = line
        self.key = key
        self.since = now


_Frames: TypeAlias = "tuple[Frame, ...]"
_Key: TypeAlias = "tuple[Stack, _Frames] | None"
"""Who did something: a stack, and frames below it. None for all others, once there are many."""

_Rows: TypeAlias = dict[_Key, list[int]]
"""By who it was: how often, for how long in all, for how long at most, and one more number."""


class Growth:
    """What the tasks with a stack await from now on, by the time that they rest in each await.

    It is made when a task has got something that others wait for. Of the tasks with its stack, most
    often it alone awaits anything but that.

    Args:
        stack: the stack.
        but: the name of what the others wait for.
        line: the function that has acquired it. If that has a frame of its own, what is awaited
            outside of it does not count.
    """

    def __init__(self, stack: Stack, but: str = "", line: _Frames = ()) -> None:
        self._stack = stack
        self._line = line
        self._but = f"{_AWAIT}{but}" if but else None
        self._before = {each: each.rest for each in _below(stack)}

    def most(self) -> Frame | None:
        """Return the frame of the await in which they have rested most up to now, if in any."""
        found, most = None, 0
        below = _below(self._stack)
        functions = [each for each in below if self._has_acquired(each.frame)]
        for each in _below(functions[0]) if functions else below:
            grown = each.rest - self._before.get(each, 0)
            if grown > most and self._is_other_await(each.frame.name):
                found, most = each.frame, grown
        return found

    def _has_acquired(self, frame: Frame) -> bool:
        """Whether a frame is that of the function; Python 3.10 does not know its class."""
        return any(
            frame.file == line.file and frame.name.endswith(line.name) for line in self._line
        )

    def _is_other_await(self, name: str) -> bool:
        return name.startswith(_AWAIT) and name.partition(".")[0] != self._but


_AWAIT: Final = "await "
_MAX_BELOW: Final = 200


def _below(stack: Stack) -> list[Stack]:
    """Return some stacks below one, nearer ones first."""
    found = [*stack.children.values()]
    for each in found:
        if len(found) >= _MAX_BELOW:
            break
        found += each.children.values()
    return found[:_MAX_BELOW]


class Totals:
    """The numbers of all resources of one class that one line has made."""

    def __init__(self) -> None:
        self.count = 0
        self.size: int | None = 0
        self.lived = self.saturated = self.most_waiting = 0
        self.holds: _Rows = {}
        self.waits: _Rows = {}
        self.blockers: _Rows = {}
        self.getters: _Rows = {}
        self.lengths = HistogramBuilder()
        self.length_time = self.items = self.taken = 0

    def add_resource(self, size: int | None) -> None:
        """Count one more of them, which is used now."""
        self.count += 1
        if size is None:
            self.size = None
        else:
            self.grow(size)

    def grow(self, size: int) -> None:
        """Note that one of them is larger than was known."""
        self.size = None if self.size is None else max(self.size, size)

    def opened(self) -> OpenTotals:
        """Return a copy, for what goes on just now."""
        copy = OpenTotals()
        copy.count, copy.size = self.count, self.size
        copy.lived, copy.saturated = self.lived, self.saturated
        copy.most_waiting = self.most_waiting
        for name in _TABLES:
            rows: _Rows = getattr(self, name)
            setattr(copy, name, {key: row.copy() for key, row in rows.copy().items()})
        copy.known_lengths = Histogram.of(self.lengths)
        copy.length_time, copy.items, copy.taken = self.length_time, self.items, self.taken
        return copy


_TABLES: Final = ("holds", "waits", "blockers", "getters")


class OpenTotals(Totals):
    """A copy of such numbers, of one moment.

    Attributes:
        known_lengths: the lengths of queues.
    """

    known_lengths: Histogram = EMPTY

    def use(self, shorten: Callable[[Frame], Frame]) -> ResourceUse:
        """Return the numbers as values."""
        return ResourceUse(
            count=self.count,
            size=self.size,
            lived=self.lived,
            saturated=self.saturated,
            most_waiting=self.most_waiting,
            holds={path: Holds(*row) for path, row in _by_path(self.holds, shorten).items()},
            waits={path: Waits(*row) for path, row in _by_path(self.waits, shorten).items()},
            blockers={path: Waits(*row) for path, row in _by_path(self.blockers, shorten).items()},
            getters={path: Waits(*row) for path, row in _by_path(self.getters, shorten).items()},
            lengths=self.known_lengths,
            length_time=self.length_time,
            items=self.items,
            taken=self.taken,
        )


def _add(rows: _Rows, key: _Key, took: int, more: int) -> None:
    row = rows.get(key)
    if row is None:
        if len(rows) >= _MAX_ROWS:
            key = None
        row = rows.setdefault(key, [0, 0, 0, 0])
    took = max(took, 0)
    row[0] += 1
    row[1] += took
    row[2] = max(row[2], took)
    row[3] += more


def _by_path(rows: _Rows, shorten: Callable[[Frame], Frame]) -> Mapping[StackPath, list[int]]:
    """Return rows by the paths of stacks; two stacks of several loops may have one path."""
    found: dict[StackPath, list[int]] = {}
    for key, row in rows.items():
        frames = (ROOT, OTHER) if key is None else (*stack_path(key[0]), *key[1])
        path = tuple(map(shorten, frames))
        known = found.setdefault(path, [0, 0, 0, 0])
        found[path] = [
            known[0] + row[0],
            known[1] + row[1],
            max(known[2], row[2]),
            known[3] + row[3],
        ]
    return found


def _nothing(_: TaskAccount) -> Frame:
    return UNKNOWN_HOLDER


class TokenAccount:
    """Who waits for the tokens of one lock, semaphore or limiter, and who has them.

    Args:
        totals: what it adds to.
        size: how many tokens there are; ``None`` for no limit.
        now: since when it is there.
        free: how many nobody has; all of them if not given.
        ahead: how many tasks wait already.
        kind: the name of its class.
        awaited: returns the frame of what a task that has a token awaits just now.
        of_queue: ``places`` for the places of a queue, ``items`` for its items: those that have
            one do not release it themselves.
    """

    def __init__(  # noqa: PLR0913  # options, each with a default
        self,
        totals: Totals,
        size: int | None,
        now: int,
        *,
        free: int | None = None,
        ahead: int = 0,
        kind: str = "",
        awaited: Callable[[TaskAccount], Frame] = _nothing,
        of_queue: str = "",
    ) -> None:
        self._totals = totals
        self._waits_name = "getters" if of_queue == "items" else "waits"
        self._keeps = not of_queue
        self._awaited = awaited
        self._kind = kind
        self._counts = bool(size) and of_queue != "items"
        self.size = size
        most = _ENDLESS if size is None else size
        self.free = most if free is None else free
        self._ahead = ahead
        self._elsewhere = max(most - self.free, 0) if self._keeps else 0
        """How many tokens tasks have got unseen."""
        self.waiting: dict[Want, None] = {}
        self.holders: dict[Want, None] = {}
        self.since = now
        self._full_since: int | None = now if self._counts and self.free <= 0 else None

    # -- what tasks do -----------------------------------------------------------------------------

    def want(self, want: Want, now: int, *, at_once: bool = False) -> None:
        """Note that a task asks for a token; `at_once` if it is known that it gets one."""
        if at_once or (self.free > 0 and not self.waiting and not self._ahead):
            self._take(want, now)
            return
        want.waits = True
        want.blocker = self._blocker(want)
        self.waiting[want] = None
        if self._waits_name == "waits":
            self._totals.most_waiting = max(self._totals.most_waiting, len(self.waiting))

    def got(self, want: Want, now: int) -> None:
        """Note that a task has returned with its token. A second time does nothing."""
        if want.is_sure:
            return
        if want.got is None:
            self._correct(want, now)
        want.is_sure = True
        if want.waits:
            self._note_wait(self._totals, want, self._time_of(want, now), given_up=0)
        if not self._keeps:
            self.holders.pop(want, None)

    def is_back(self, want: Want) -> None:
        """Note that a task goes on with its token, so that it may await something else."""
        want.is_back = True
        if want.followers:
            want.growth = Growth(want.stack, self._kind, want.line)

    def failed(self, want: Want, now: int) -> Want | None:
        """Note that a task has given up; return who gets its token, if it had one already."""
        if want.is_sure:
            return None
        want.is_sure = True
        had = want in self.holders
        self.waiting.pop(want, None)
        self.holders.pop(want, None)
        if want.waits:
            self._note_wait(self._totals, want, now, given_up=1)
        return self.pass_on(now) if had else None

    def release(self, task: TaskAccount | None, now: int, key: object = None) -> None:
        """Note that a task has released a token, or that anybody has, by a key."""
        want = self._holder(task, key)
        if want is None:
            self._elsewhere = max(self._elsewhere - 1, 0)
            self.pass_on(now)
        elif not want.is_sure:  # it gives up, as a task that is cancelled with its token
            self.failed(want, now)
        else:
            del self.holders[want]
            self._note_hold(self._totals, want, now)
            for follower in want.followers or ():
                follower.blocker, follower.behind = _blocker_of(follower), None
            want.followers = None
            self.pass_on(now)

    def pass_on(self, now: int) -> Want | None:
        """Give a token to the first task that waits, which is returned if it is known.

        If none waits, the token is free. There are at least as many as are free.
        """
        if self.free >= 0 and self._ahead:
            self._ahead -= 1
            self._elsewhere += 1
            return None
        if self.free >= 0 and self.waiting:
            want = next(iter(self.waiting))
            del self.waiting[want]
            self.free += 1
            self._take(want, now)
            return want
        self.free += 1
        if self._keeps and self.size is not None and self.free > self.size:
            self.size = self.free
            self._totals.grow(self.size)
        self._note_saturation(now)
        return None

    def resize(self, size: int | None, now: int) -> None:
        """Note that there is another number of tokens."""
        if size == self.size:
            return
        more = (_ENDLESS if size is None else size) - (_ENDLESS if self.size is None else self.size)
        self.size = size
        while more > 0 and (self.waiting or self._ahead):
            self.pass_on(now)
            more -= 1
        self.free += more
        self._note_saturation(now)

    def set_free(self, free: int, now: int) -> None:
        """Note how many tokens nobody has, where that is known."""
        self.free = free
        self._note_saturation(now)

    def is_held_by(self, task: TaskAccount | None) -> bool:
        """Whether a task has one of the tokens."""
        return any(want.task is task for want in self.holders)

    # -- what is known at a moment -----------------------------------------------------------------

    def add_open(self, totals: Totals, now: int, *, is_over: bool = False) -> None:
        """Add what goes on to totals; it has ended for ever if it is over."""
        for want in tuple(self.waiting):
            self._note_wait(totals, want, now, given_up=is_over)
        for want in tuple(self.holders):
            if want.waits and not want.is_sure:
                self._note_wait(totals, want, self._time_of(want, now), given_up=0)
            if self._keeps:
                self._note_hold(totals, want, now)
        if self._waits_name == "waits":
            totals.lived += max(now - self.since, 0)
        if self._full_since is not None:
            totals.saturated += max(now - self._full_since, 0)

    def finish(self, now: int) -> None:
        """End all that goes on."""
        self.add_open(self._totals, now, is_over=True)
        for want in (*self.waiting, *self.holders):
            want.is_sure = True
        self.waiting.clear()
        self.holders.clear()
        self._full_since = None
        self.since = now

    # -- the rest ----------------------------------------------------------------------------------

    def _take(self, want: Want, now: int) -> None:
        want.got = now
        want.rest = _rest_of(want.task, now)
        self.holders[want] = None
        self.free -= 1
        self._note_saturation(now)

    def _correct(self, want: Want, now: int) -> None:
        """Give a token to a task that has one, though it was thought to have none."""
        if want in self.waiting:
            del self.waiting[want]
            self._ahead = 0  # those have given up
        elif self.free > 0:
            self._take(want, now)
            return
        other = next((each for each in self.holders if not each.is_sure), None)
        if other is None:
            if self.free <= 0 and self._elsewhere:
                self._elsewhere -= 1
                self.free += 1
            self._take(want, now)
            return
        del self.holders[other]
        self.free += 1
        self._take(want, max(want.since, other.got or now))
        other.got = None
        other.waits = True
        self.waiting = {other: None, **self.waiting}

    def _holder(self, task: TaskAccount | None, key: object) -> Want | None:
        """Return who has the token that is released: by the key, the task, else the oldest.

        It is nobody's that is known if one may have been got unseen.
        """
        if key is not None:
            return next((want for want in self.holders if want.key == key), None)
        own = next((want for want in reversed(self.holders) if want.task is task), None)
        if own is not None or self._elsewhere:
            return own
        return next((want for want in self.holders if want.is_sure), None)

    def _blocker(self, want: Want) -> _Key:
        """Return who has a token, for the longest of all, and what that one awaits."""
        holder = next(iter(self.holders), None)
        if not self._keeps:
            return None
        if holder is None:
            return want.stack, (UNKNOWN_HOLDER,)
        if holder.task is None:
            awaits = UNKNOWN_HOLDER
        elif holder.task is want.task:
            awaits = ITSELF
        elif holder.is_back:
            awaits = self._awaited(holder.task)
        else:
            awaits, want.behind = COULD_STEP, holder
            holder.followers = [*(holder.followers or ()), want]
        return holder.stack, (*holder.line, awaits)

    def _note_saturation(self, now: int) -> None:
        if not self._counts:
            return
        if self.free <= 0:
            self._full_since = now if self._full_since is None else self._full_since
        elif self._full_since is not None:
            self._totals.saturated += max(now - self._full_since, 0)
            self._full_since = None

    def _note_wait(self, totals: Totals, want: Want, now: int, *, given_up: int) -> None:
        took = now - want.since
        _add(getattr(totals, self._waits_name), (want.stack, want.line), took, given_up)
        if want.blocker is not None:
            _add(totals.blockers, _blocker_of(want), took, given_up)

    @staticmethod
    def _note_hold(totals: Totals, want: Want, now: int) -> None:
        began = now if want.got is None else want.got
        rested = max(_rest_of(want.task, now) - want.rest, 0)
        took = max(now - began, 0)
        _add(totals.holds, (want.stack, want.line), took, min(rested, took))

    @staticmethod
    def _time_of(want: Want, now: int) -> int:
        return now if want.got is None else want.got


def _blocker_of(want: Want) -> _Key:
    """Return who had a token when a wait began; of one that awaited nothing, what it awaits now."""
    holder = want.behind
    awaits = None if holder is None or holder.growth is None else holder.growth.most()
    if awaits is None or want.blocker is None:
        return want.blocker
    stack, frames = want.blocker
    return stack, (*frames[:-1], awaits)


def _rest_of(task: TaskAccount | None, now: int) -> int:
    """Return for how long a task has not stepped, from any zero; see `TaskAccount.readings`."""
    if task is None:
        return 0
    return -task.busy if task.loop.current is task else now - task.busy


class QueueAccount:
    """The places and the items of one queue or memory channel.

    Args:
        totals: what it adds to.
        size: how many items it takes; ``None`` for no limit.
        now: since when it is there.
        length: how many items it has.
        hands_over: whether an item of a task that waits for a place is put when there is one, and
            not only when that task steps.
        note: called with each change of the length, and the moment.
    """

    def __init__(  # noqa: PLR0913  # what a queue is made with
        self,
        totals: Totals,
        size: int | None,
        now: int,
        length: int = 0,
        *,
        hands_over: bool,
        note: Callable[[int, int], object] | None = None,
    ) -> None:
        self._totals = totals
        self._note = note
        self._hands_over = hands_over
        free = None if size is None else size - length
        self.places = TokenAccount(totals, size, now, free=free, of_queue="places")
        self.items = TokenAccount(totals, size, now, free=length, of_queue="items")
        self._length, self._changed = length, now
        if note is not None and length:
            note(length, now)

    @property
    def length(self) -> int:
        """How many items it has."""
        return self._length

    def want_place(self, want: Want, now: int) -> None:
        """Note that a task is going to put an item."""
        self.places.want(want, now, at_once=bool(self.items.waiting))

    def put(self, want: Want, now: int, length: int) -> None:
        """Note that it has; the queue is so long now. A second time does nothing."""
        if not want.is_sure:
            self.places.got(want, now)
            self._put(want, now)
            self._note_length(length, now)

    def cannot_put(self, want: Want, now: int) -> None:
        """Note that it has given up."""
        if want.has_put and not want.is_sure:
            self.items.free -= 1
        next_one = self.places.failed(want, now)
        if next_one is not None and self._hands_over:
            self._put(next_one, now)

    def want_item(self, want: Want, now: int) -> None:
        """Note that a task is going to take an item."""
        self.items.want(want, now, at_once=bool(self.places.waiting))

    def take(self, want: Want, now: int, length: int) -> None:
        """Note that it has; the queue is so long now. A second time does nothing."""
        if want.is_sure:
            return
        self.items.got(want, now)
        self._totals.taken += 1
        next_one = self.places.pass_on(now)
        if next_one is not None and self._hands_over:
            self._put(next_one, now)
        self._note_length(length, now)

    def cannot_take(self, want: Want, now: int) -> None:
        """Note that it has given up."""
        self.items.failed(want, now)

    def add_open(self, totals: Totals, now: int, *, is_over: bool = False) -> None:
        """Add what goes on to totals; it has ended for ever if it is over."""
        self.places.add_open(totals, now, is_over=is_over)
        self.items.add_open(totals, now, is_over=is_over)
        totals.length_time += self._length * max(now - self._changed, 0)

    def finish(self, now: int) -> None:
        """End all that goes on."""
        self._totals.length_time += self._length * max(now - self._changed, 0)
        self._changed = now
        if self._note is not None and self._length:
            self._note(-self._length, now)
        self.places.finish(now)
        self.items.finish(now)

    def _put(self, want: Want, now: int) -> None:
        if not want.has_put:
            want.has_put = True
            self._totals.items += 1
            self.items.pass_on(now)

    def _note_length(self, length: int, now: int) -> None:
        self._totals.length_time += self._length * max(now - self._changed, 0)
        if self._note is not None and length != self._length:
            self._note(length - self._length, now)
        self._length, self._changed = length, now
        self._totals.lengths.add(length)
        if not (self.items.waiting or self.places.waiting or self.items.holders):
            self.items.set_free(length, now)
            if self.places.size is not None and not self.places.holders:
                self.places.set_free(self.places.size - length, now)
