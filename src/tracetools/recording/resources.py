"""The accounts of the locks, semaphores, limiters and queues that a recording has seen.

None of them is kept alive, and none is asked for anything but numbers.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from tracetools.core.journal import MOST_LOOPS
from tracetools.core.made_later import MadeLater
from tracetools.core.resource_accounts import QueueAccount, TokenAccount, Totals, Want
from tracetools.core.resources import COULD_STEP, TASK_IS_OVER, Resource, ResourceUse
from tracetools.core.stacks import OTHER, Frame
from tracetools.timelines.timeline import QueueLength

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.attribution.waits import Waits
    from tracetools.core.accounting import TaskAccount
    from tracetools.core.resource_accounts import OpenTotals
    from tracetools.guest.messages import Messages
    from tracetools.recording.loops import RecordedLoop

__all__ = ["Known", "Resources", "State", "Used"]

_MAX_RESOURCES: Final = 1000
_MAX_KNOWN: Final = 100_000
_MOST_LENGTHS: Final = 50_000
"""How many changes of lengths are kept, if any: 8 MB."""

_UNNAMED: Final = Resource("resources", OTHER)
"""All that come after `_MAX_RESOURCES`."""


class State(NamedTuple):
    """What is known of a resource that nobody has seen before.

    Attributes:
        size: how many tokens it has, or items it takes; ``None`` for no limit.
        number: how many of its tokens are free; of a queue, how many items it has.
        is_queue: whether it is a queue.
        hands_over: of a queue, see `QueueAccount`.
        waiting: how many tasks wait for a token.
    """

    size: int | None
    number: int
    is_queue: bool = False
    hands_over: bool = False
    waiting: int = 0


class Known:
    """One lock, semaphore, limiter or queue.

    Attributes:
        resource: what it is known by.
        reference: a weak reference to it; ``None`` if there can be none.
        account: what was done with it in a loop; ``None`` before, and when that is over.
        loop: the loop.
        size: how large it was when it was made.
        asking: what tasks want that are in one of its methods just now.
    """

    __slots__ = ("account", "asking", "loop", "reference", "resource", "size")

    def __init__(self, resource: Resource, reference: ref[Any] | None, size: int | None) -> None:
        self.resource = resource
        self.reference = reference
        self.account: Any = None
        self.loop: RecordedLoop | None = None
        self.size = size
        self.asking: dict[TaskAccount | None, Want] = {}

    def finish(self, now: int) -> None:
        """End its account."""
        account, self.account, self.loop = self.account, None, None
        self.asking.clear()
        if account is not None:
            account.finish(now)


class Used:
    """What is done just now with the resources of one class that one line has made.

    Attributes:
        resource: what they are known by.
        count: how many there are just now.
        size: how many tokens they have, or items they take, in all; ``None`` without a limit.
        length: how many items are in queues.
        is_queue: whether they are queues.
        holders: who has one, and for how long, in nanoseconds.
        waiters: who waits for one, or for a place.
        getters: who waits for an item.
        waits: how many waits have ended since the recording began, those for items included.
        wait_time: for how long these were, in all, in nanoseconds.
    """

    def __init__(self, resource: Resource, totals: Totals) -> None:
        self.resource = resource
        self.count = self.length = 0
        self.size: int | None = 0
        self.is_queue = False
        self.holders: list[tuple[int, Want]] = []
        self.waiters: list[tuple[int, Want]] = []
        self.getters: list[tuple[int, Want]] = []
        rows = [*tuple(totals.waits.values()), *tuple(totals.getters.values())]
        self.waits = sum(row[0] for row in rows)
        self.wait_time = sum(row[1] for row in rows)

    def add(self, account: TokenAccount | QueueAccount, now: int) -> None:
        """Add one of them."""
        tokens = account
        self.count += 1
        if isinstance(tokens, QueueAccount):
            self.is_queue = True
            self.length += tokens.length
            self.getters += ((now - want.since, want) for want in tuple(tokens.items.waiting))
            tokens = tokens.places
        else:
            self.holders += (
                (now - (want.since if want.got is None else want.got), want)
                for want in tuple(tokens.holders)
            )
        self.waiters += ((now - want.since, want) for want in tuple(tokens.waiting))
        self.size = None if tokens.size is None or self.size is None else self.size + tokens.size


class Resources:
    """All resources of one recording.

    Args:
        waits: names what a task awaits.
        messages: where messages go.

    Attributes:
        is_stopped: nothing more is noted, because of an error of ours.
    """

    def __init__(self, waits: Waits, messages: Messages) -> None:
        self._waits = waits
        self._messages = messages
        self._known: dict[int, Known] = {}
        self._totals: dict[Resource, Totals] = {}
        self.is_stopped = False
        self._lengths: deque[tuple[int, Resource, int, int]] | None = None
        self._lengths_now: dict[tuple[int, Resource], int] = {}

    def keep_lengths(self, most: int = _MOST_LENGTHS) -> None:
        """Keep the last changes of the lengths of queues that are used from now on."""
        self._lengths = deque(maxlen=most)

    def lengths(
        self, loop: int, begin: int, end: int, shorten: Callable[[Frame], Frame]
    ) -> tuple[QueueLength, ...]:
        """Return the lengths of queues from one moment to another, in the order of the moments.

        Queues that one line has made are one. The first length of each is that at the beginning.

        Args:
            loop: the number of their loop.
            begin: the first moment.
            end: the last one.
            shorten: returns a frame as it is shown.
        """
        before: dict[Resource, int] = {}
        found: list[tuple[Resource, int, int]] = []
        for number, resource, moment, length in list(self._lengths or ()):
            if number == loop and moment < begin:
                before[resource] = length
            elif number == loop and moment <= end:
                found.append((resource, moment, length))
        first = [(resource, begin, length) for resource, length in before.items()]
        labels = {
            resource: resource._replace(place=shorten(resource.place)).label
            for resource in {*before, *(each[0] for each in found)}
        }
        return tuple(QueueLength(labels[each[0]], *each[1:]) for each in first + found)

    def _note_length(self, key: tuple[int, Resource], change: int, now: int) -> None:
        length = self._lengths_now[key] = self._lengths_now.get(key, 0) + change
        if self._lengths is not None:
            self._lengths.append((*key, now, length))

    def stop(self, error: BaseException) -> None:
        """Note nothing more after an error of ours, which is logged."""
        if not self.is_stopped:
            self.is_stopped = True
            self._messages.error(
                "locks and queues are not recorded any more: %r; the program goes on",
                error,
                exc_info=True,
            )

    def made(self, thing: Any, resource: Resource, size: int | None) -> Known | None:
        """Note that something was made; return what is known of it, if there is room for it."""
        key = id(thing)
        before = self._known.pop(key, None)
        if before is not None and before.loop is not None:
            before.finish(before.loop.clock())  # it had the same identity, and could not say so
        if len(self._known) >= _MAX_KNOWN:
            return None
        try:
            reference: ref[Any] | None = ref(thing, lambda _: self._gone(key))
        except TypeError:
            reference = None
        known = self._known[key] = Known(resource, reference, size)
        return known

    def find(self, thing: Any) -> Known | None:
        """Return what is known of something."""
        known = self._known.get(id(thing))
        if known is None or (known.reference is not None and known.reference() is not thing):
            return None
        return known

    def begin(self, known: Known, state: State, loop: RecordedLoop) -> None:
        """Open an account of something that is used in a loop for the first time."""
        totals = self._totals_of(known.resource)
        totals.add_resource(state.size)
        now = loop.clock()
        if state.is_queue:
            key = loop.number % MOST_LOOPS, self._key_of(known.resource)
            known.account = QueueAccount(
                totals,
                state.size,
                now,
                state.number,
                hands_over=state.hands_over,
                note=None if self._lengths is None else partial(self._note_length, key),
            )
        else:
            known.account = TokenAccount(
                totals,
                state.size,
                now,
                free=state.number,
                ahead=state.waiting,
                kind=known.resource.kind,
                awaited=self._awaited,
            )
        known.loop = loop

    def end_loop(self, loop: RecordedLoop, now: int) -> None:
        """Note that a loop is over, and with it what its tasks did."""
        for known in tuple(self._known.values()):
            if known.loop is loop:
                known.finish(now)

    def uses(
        self, shorten: Callable[[Frame], Frame], now_in: Callable[[RecordedLoop], int]
    ) -> Mapping[Resource, ResourceUse]:
        """Return all that was done up to now, what goes on included; paths are made later."""
        totals = {resource: found.opened() for resource, found in self._totals.copy().items()}
        for known in tuple(self._known.values()):
            account, loop = known.account, known.loop
            found = totals.get(self._key_of(known.resource))  # a loop in another thread goes on
            if account is not None and loop is not None and found is not None:
                account.add_open(found, now_in(loop))
        return MadeLater(lambda: _uses(totals, shorten))

    def now(self, now_in: Callable[[RecordedLoop], int]) -> list[Used]:
        """Return who has and who wants what just now, by resource. From any thread."""
        found = {
            resource: Used(resource, totals) for resource, totals in self._totals.copy().items()
        }
        moments: dict[RecordedLoop, int] = {}
        for known in tuple(self._known.values()):
            account, loop = known.account, known.loop
            used = found.get(self._key_of(known.resource))
            if account is not None and loop is not None and used is not None:
                if loop not in moments:
                    moments[loop] = now_in(loop)
                used.add(account, moments[loop])
        return [*found.values()]

    def _totals_of(self, resource: Resource) -> Totals:
        if resource not in self._totals and len(self._totals) >= _MAX_RESOURCES:
            resource = _UNNAMED
        return self._totals.setdefault(resource, Totals())

    def _key_of(self, resource: Resource) -> Resource:
        return resource if resource in self._totals else _UNNAMED

    def _gone(self, key: int) -> None:
        known = self._known.pop(key, None)
        if known is not None and known.loop is not None:
            known.finish(known.loop.clock())

    def _awaited(self, task: TaskAccount) -> Frame:
        """Return the frame of what a task awaits that has something another one wants."""
        if task not in task.loop.tasks:
            return TASK_IS_OVER
        if task is task.loop.current:
            return COULD_STEP
        stack = self._waits.awaited(task, task.coroutine)
        return COULD_STEP if stack is task.stack else stack.frame


def _uses(
    totals: dict[Resource, OpenTotals], shorten: Callable[[Frame], Frame]
) -> dict[Resource, ResourceUse]:
    found: dict[Resource, ResourceUse] = {}
    for resource, each in totals.items():
        short = resource._replace(place=shorten(resource.place))
        use = each.use(shorten)
        found[short] = use if short not in found else found[short].plus(use)
    return found
