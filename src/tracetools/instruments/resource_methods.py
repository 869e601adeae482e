"""What takes the place of the methods of locks, semaphores, limiters, queues and channels.

Each does what the original does, and tells the recordings of it. An error of ours ends the
recording of resources, and never gets into the program.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from math import isinf
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from tracetools import compat
from tracetools.core.interruptions import is_interruption
from tracetools.core.resource_accounts import QueueAccount, TokenAccount, Want
from tracetools.instruments.resource_places import line_of, resource_made, resource_used
from tracetools.instruments.stepped import hide_frame
from tracetools.recording.current import recorded_loops
from tracetools.recording.loops import RecordedLoop
from tracetools.recording.resources import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from tracetools.core.resources import Resource
    from tracetools.recording.resources import Known, Resources

    Method = Callable[..., Any]

__all__ = [
    "PUT",
    "TAKE",
    "TOKEN",
    "Kind",
    "acquires",
    "acquires_for",
    "gets_at_once",
    "gets_at_once_for",
    "has_condition",
    "listen",
    "makes",
    "protected",
    "reacquires",
    "releases",
    "releases_for",
    "unlisten",
]

_logs: tuple[Resources, ...] = ()
"""The recordings that want to know of what is made, wherever that is."""


def listen(log: Resources) -> None:
    """Tell a recording of what is made from now on."""
    global _logs  # noqa: PLW0603  # replaced as a whole: others iterate over it
    if not any(other is log for other in _logs):
        _logs = (*_logs, log)


def unlisten(log: Resources) -> None:
    """Tell it no more."""
    global _logs  # noqa: PLW0603  # likewise
    _logs = tuple(other for other in _logs if other is not log)


class Kind(NamedTuple):
    """A class of resources.

    Attributes:
        name: what it is called; empty for the name of the class of each.
        state: returns the state of one that is used for the first time, given how large it was when
            it was made.
        size: returns how many tokens one has that was just made, or items it takes.
        itself: returns what is followed in place of an object: a channel has two ends. None for
            the object.
        length: returns how many items a queue has; None for what has none.
        may_change: whether the number of tokens may change.
    """

    name: str
    state: Callable[[Any, int | None], State]
    size: Callable[[Any], int | None]
    itself: Callable[[Any], Any] | None = None
    length: Callable[[Any], int] | None = None
    may_change: bool = False

    def of(self, thing: Any) -> Any:
        """Return what is followed in place of an object."""
        return thing if self.itself is None else self.itself(thing)

    def name_of(self, thing: Any) -> str:
        """Return what one is called."""
        return self.name or _NAME(type(thing))


_NAME: Final = type.__dict__["__name__"].__get__  # whatever a class itself says of names


def whole(number: Any) -> int | None:
    """Return a number of tokens or places; None for no limit."""
    return None if isinstance(number, float) and isinf(number) else int(number)


class Side(NamedTuple):
    """One of the things that a task can want of a resource: what notes each turn of that."""

    want: Callable[..., None]
    got: Callable[..., None]
    failed: Callable[..., object]


TOKEN: Final = Side(TokenAccount.want, TokenAccount.got, TokenAccount.failed)
PUT: Final = Side(QueueAccount.want_place, QueueAccount.put, QueueAccount.cannot_put)
TAKE: Final = Side(QueueAccount.want_item, QueueAccount.take, QueueAccount.cannot_take)


# -- what is noted -------------------------------------------------------------------------------


_Asked: TypeAlias = "tuple[RecordedLoop, Known, Want]"
"""What a task wants, in one of the recordings that follow it."""


def _loops() -> tuple[RecordedLoop, ...]:
    """Return the loops in this thread whose resources are recorded."""
    found = recorded_loops.get(get_ident())
    if type(found) is RecordedLoop:
        log = found.owner.resources
        return () if log is None or log.is_stopped else (found,)
    return tuple(filter(_is_wanted, found or ()))  # type: ignore[arg-type]  # it is a tuple


def _is_wanted(loop: RecordedLoop) -> bool:
    log = loop.owner.resources
    return log is not None and not log.is_stopped


def _struck(error: BaseException, loops: Iterable[RecordedLoop]) -> None:
    """Record no more resources after an error of ours; one of the program's is raised."""
    if is_interruption(error):
        raise error
    if not isinstance(error, RecursionError):  # the program's own; nothing can be noted just now
        for loop in loops:
            loop.owner.resources.stop(error)


def _used(
    loop: RecordedLoop,
    kind: Kind,
    thing: Any,
    frame: FrameType | None,
    before: State | None = None,
) -> Known | None:
    """Return what is known of something that is used by the function that runs in a frame.

    If this is the first time, it was as `before`; else it is still so.
    """
    log: Resources = loop.owner.resources
    known = log.find(thing)
    if known is None:
        known = log.made(thing, resource_used(kind.name_of(thing), frame), None)
    if known is not None and known.account is None:
        log.begin(known, before or kind.state(thing, known.size), loop)
    elif known is not None and kind.may_change:
        known.account.resize(kind.size(thing), loop.clock())
    return known


def _want(loop: RecordedLoop, frame: FrameType | None, key: object) -> Want:
    task = loop.current
    stack = loop.tree.root if task is None else task.stack
    return Want(task, stack, line_of(frame), loop.clock(), key)


def _ask(kind: Kind, side: Side, thing: Any, key: object = None) -> list[_Asked]:
    """Note that the task that steps wants something; not if it is known to already."""
    loops = _loops()
    asked: list[_Asked] = []
    if not loops:
        return asked
    frame = compat.getframe(2)
    try:
        for loop in loops:
            known = _used(loop, kind, thing, frame)
            if known is not None and loop.current not in known.asking:
                want = _want(loop, frame, key)
                asked.append((loop, known, want))
                known.asking[want.task] = want
                side.want(known.account, want, want.since)
    except BaseException as error:  # noqa: BLE001  # the program comes first
        _gave_up(side, asked)
        _struck(error, loops)
        return []
    return asked


def _got(kind: Kind, side: Side, thing: Any, asked: list[_Asked]) -> None:
    """Note that a task has got what it wanted."""
    try:
        for loop, known, want in asked:
            known.asking.pop(want.task, None)
            if known.account is None:
                continue
            if kind.length is None:
                side.got(known.account, want, loop.clock())
                known.account.is_back(want)
            else:
                side.got(known.account, want, loop.clock(), kind.length(thing))
    except BaseException as error:  # noqa: BLE001  # the program comes first
        _struck(error, (loop for loop, _, _ in asked))


def _gave_up(side: Side, asked: list[_Asked]) -> None:
    """Note that a task has not got what it wanted."""
    try:
        for loop, known, want in asked:
            known.asking.pop(want.task, None)
            if known.account is not None:
                side.failed(known.account, want, loop.clock())
    except BaseException as error:  # noqa: BLE001  # the program comes first
        _struck(error, (loop for loop, _, _ in asked))


def _state_before(kind: Kind, given: Any) -> State | None:
    """Return how something is that is used for the first time; None if it is not the first."""
    loops = _loops()
    if not loops:
        return None
    try:
        thing = kind.of(given)
        for loop in loops:
            known = loop.owner.resources.find(thing)
            if known is None or known.account is None:
                return kind.state(thing, None if known is None else known.size)
    except BaseException as error:  # noqa: BLE001  # the program comes first
        _struck(error, loops)
    return None


def _note(
    note: Callable[..., None], kind: Kind, thing: Any, *more: Any, before: State | None = None
) -> None:
    """Note what the task that steps has done, to something that was as `before`."""
    loops = _loops()
    if not loops:
        return
    frame = compat.getframe(2)
    try:
        for loop in loops:
            known = _used(loop, kind, thing, frame, before)
            if known is not None:
                note(loop, known, kind, thing, frame, *more)
    except BaseException as error:  # noqa: BLE001  # the program comes first
        _struck(error, loops)


def _got_at_once(  # noqa: PLR0913, PLR0917  # what is known of it
    loop: RecordedLoop,
    known: Known,
    kind: Kind,
    thing: Any,
    frame: FrameType | None,
    side: Side,
    key: object = None,
) -> None:
    """Note that the task that steps has got something, perhaps what it asked for before."""
    want = known.asking.get(loop.current)
    if want is None:
        want = _want(loop, frame, key)
        want.is_back = True
    if kind.length is None:
        side.got(known.account, want, loop.clock())
    else:
        side.got(known.account, want, loop.clock(), kind.length(thing))


def _released(
    loop: RecordedLoop,
    known: Known,
    _kind: Kind,
    _thing: Any,
    _frame: FrameType | None,
    key: object = None,
) -> None:
    """Note that the task that steps has released a token, or whoever has it, by a key."""
    known.account.release(loop.current, loop.clock(), key)


def _has_again(
    loop: RecordedLoop, known: Known, _kind: Kind, _thing: Any, frame: FrameType | None
) -> None:
    """Note that the task that steps has a lock, which it may have got unseen."""
    if not known.account.is_held_by(loop.current):
        want = _want(loop, frame, None)
        want.is_back = True
        known.account.got(want, want.since)


# -- the replacements ----------------------------------------------------------------------------


def acquires(kind: Kind, side: Side = TOKEN) -> Callable[[Method], Method]:
    """Replace an async method that waits until there is what it wants."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        async def acquire(self: Any, *args: Any, **options: Any) -> Any:
            thing = kind.of(self)
            asked = _ask(kind, side, thing)
            try:
                result = await original(self, *args, **options)
            except BaseException as error:
                _gave_up(side, asked)
                hide_frame(error)
                raise
            _got(kind, side, thing, asked)
            return result

        return acquire

    return replace


def acquires_for(kind: Kind) -> Callable[[Method], Method]:
    """Replace an async method that waits for a token on behalf of its argument."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        async def acquire(self: Any, borrower: Any) -> Any:
            thing = kind.of(self)
            asked = _ask(kind, TOKEN, thing, id(borrower))
            try:
                result = await original(self, borrower)
            except BaseException as error:
                _gave_up(TOKEN, asked)
                hide_frame(error)
                raise
            _got(kind, TOKEN, thing, asked)
            return result

        return acquire

    return replace


def gets_at_once(kind: Kind, side: Side = TOKEN) -> Callable[[Method], Method]:
    """Replace a method that gets what it wants at once, or fails."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def get(self: Any, *args: Any, **options: Any) -> Any:
            before = _state_before(kind, self)
            try:
                result = original(self, *args, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            _note(_got_at_once, kind, kind.of(self), side, before=before)
            return result

        return get

    return replace


def gets_at_once_for(kind: Kind) -> Callable[[Method], Method]:
    """Replace a method that gets a token at once on behalf of its argument, or fails."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def get(self: Any, borrower: Any) -> Any:
            before = _state_before(kind, self)
            try:
                result = original(self, borrower)
            except BaseException as error:
                hide_frame(error)
                raise
            _note(_got_at_once, kind, kind.of(self), TOKEN, id(borrower), before=before)
            return result

        return get

    return replace


def releases(kind: Kind) -> Callable[[Method], Method]:
    """Replace a method that releases a token."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def release(self: Any, *args: Any, **options: Any) -> Any:
            before = _state_before(kind, self)
            try:
                result = original(self, *args, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            _note(_released, kind, kind.of(self), before=before)
            return result

        return release

    return replace


def releases_for(kind: Kind) -> Callable[[Method], Method]:
    """Replace a method that releases the token of its argument."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def release(self: Any, borrower: Any) -> Any:
            before = _state_before(kind, self)
            try:
                result = original(self, borrower)
            except BaseException as error:
                hide_frame(error)
                raise
            _note(_released, kind, kind.of(self), id(borrower), before=before)
            return result

        return release

    return replace


def makes(kind: Kind) -> Callable[[Method], Method]:
    """Replace what initialises a resource."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def init(self: Any, *args: Any, **options: Any) -> None:
            try:
                original(self, *args, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            _made(kind, kind.of(self))

        return init

    return replace


def _made(kind: Kind, thing: Any) -> None:
    logs = _logs
    frame = compat.getframe(2)
    try:
        for log in logs:
            before = log.find(thing)
            is_new = before is None or before.account is None  # not merely another end of it
            if is_new and not log.is_stopped:
                known = functools.partial(_resource_of, log)
                log.made(thing, resource_made(kind.name_of(thing), frame, known), kind.size(thing))
    except BaseException as error:
        if is_interruption(error):
            raise
        if not isinstance(error, RecursionError):
            for log in logs:
                log.stop(error)


def _resource_of(log: Resources, thing: Any) -> Resource | None:
    known = log.find(thing)
    return None if known is None else known.resource


def has_condition(itself: Callable[[Any], Any]) -> Callable[[Method], Method]:
    """Replace what initialises a condition: a lock that it makes is known by its name."""

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        def init(self: Any, lock: Any = None) -> None:
            try:
                original(self, lock)
            except BaseException as error:
                hide_frame(error)
                raise
            if lock is None:
                _rename(itself(self), _NAME(type(self)))

        return init

    return replace


def _rename(lock: Any, name: str) -> None:
    for log in _logs:
        known = log.find(lock)
        if known is not None and known.account is None:
            known.resource = known.resource._replace(kind=name)


def reacquires(kind: Kind, itself: Callable[[Any], Any]) -> Callable[[Method], Method]:
    """Replace the method of a condition that releases its lock, and has it again when it returns.

    It does so without calling the methods of the lock.
    """

    def replace(original: Method) -> Method:
        @functools.wraps(original)
        async def wait(self: Any) -> Any:
            try:
                result = await original(self)
            except BaseException as error:
                hide_frame(error)
                raise
            _note(_has_again, kind, itself(self))
            return result

        return wait

    return replace


def protected() -> list[Callable[..., Any]]:
    """Return functions with the code of all replacements, which Ctrl-C must not interrupt.

    It would come between what the original has done and what the program is told.
    """
    kind = Kind("", lambda _, __: State(None, 0), lambda _: None)
    return [
        *(make(kind)(len) for make in (acquires, acquires_for, gets_at_once, gets_at_once_for)),
        *(make(kind)(len) for make in (releases, releases_for, makes)),
        reacquires(kind, len)(len),
        has_condition(len)(len),
    ]
