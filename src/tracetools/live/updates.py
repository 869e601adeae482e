"""What `tracetools top` shows of one moment, as plain values, and their JSON.

Numbers of an update are differences to the one before it; see `Update.elapsed`.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from tracetools.core.resources import Resource  # noqa: TC001  # of fields that are read
from tracetools.core.stacks import Frame  # noqa: TC001
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.json_text import load

__all__ = [
    "Await",
    "Finding",
    "Latency",
    "LoopUpdate",
    "ResourceUpdate",
    "StackUpdate",
    "Update",
    "User",
]

VERSION: Final = 1
"""Of the JSON. A number is added to it when a reader of the old one could be misled."""

_Value = TypeVar("_Value", bound=NamedTuple)


class Latency(NamedTuple):
    """How long spans lasted from their entry to their exit, or tasks; since the recording began.

    Attributes:
        ended: how many.
        mean: the mean, in nanoseconds.
        p50: what half of them did not exceed.
        p99: what 99 of 100 did not exceed.
        max: the longest.
    """

    ended: int = 0
    mean: int = 0
    p50: int = 0
    p99: int = 0
    max: int = 0


class Await(NamedTuple):
    """What was awaited: the frame, and for how long, in nanoseconds."""

    frame: Frame
    time: int


class StackUpdate(NamedTuple):
    """The tasks or spans of one stack; what is awaited and called below it is part of it.

    Attributes:
        number: tells it from all other stacks.
        parent: the number of the stack that it stands below; 0 if there is none.
        frame: the task, or span.
        busy: for how long it stepped, in nanoseconds.
        scheduled: for how long it could step and did not yet.
        idle: for how long it waited.
        thread: for how long it ran in worker threads.
        polls: how often it stepped.
        entries: how many tasks were spawned, or spans opened.
        alive: how many of them there are just now.
        latency: how long they lasted.
        awaits: what was waited for most.
        is_of_loop: whether it is none of a task, but the loop itself, or a callback.
    """

    number: int
    parent: int
    frame: Frame
    busy: int = 0
    scheduled: int = 0
    idle: int = 0
    thread: int = 0
    polls: int = 0
    entries: int = 0
    alive: int = 0
    latency: Latency = Latency()
    awaits: tuple[Await, ...] = ()
    is_of_loop: bool = False


class LoopUpdate(NamedTuple):
    """One loop.

    Attributes:
        number: tells it from the others.
        backend: ``trio``, ``asyncio`` or ``uvloop``; empty if that is not known.
        thread: the name of its thread.
        tasks: how many tasks live.
        ready: how many of them could step just now.
        elapsed: over how many nanoseconds the numbers are.
        busy: for how long tasks stepped.
        callbacks: for how long callbacks ran that belong to no task.
        waiting: for how long the loop waited for events.
        delays: how late tasks stepped that could.
        stepping: the task that steps just now, if it does so for longer than a moment.
        lasts: for how long it steps, in nanoseconds.
        functions: where it is, outermost function first.
    """

    number: int
    backend: str = ""
    thread: str = ""
    tasks: int = 0
    ready: int = 0
    elapsed: int = 0
    busy: int = 0
    callbacks: int = 0
    waiting: int = 0
    delays: Latency = Latency()
    stepping: Frame | None = None
    lasts: int = 0
    functions: tuple[Frame, ...] = ()


class User(NamedTuple):
    """Who has something, or waits for it.

    Attributes:
        task: the task or span.
        place: the line that wants it; None if that is not known.
        since: for how long, in nanoseconds.
    """

    task: Frame
    place: Frame | None
    since: int


class ResourceUpdate(NamedTuple):
    """The locks, semaphores, limiters or queues of one class that one line has made.

    Attributes:
        resource: what they are known by.
        count: how many there are just now.
        size: how many tokens they have, or items they take, in all; None without a limit.
        length: how many items are in queues.
        is_queue: whether they are queues.
        held: how many tokens tasks have.
        waiting: how many tasks wait for one, or for a place.
        getting: how many tasks wait for an item.
        waits: how many waits have ended.
        wait_time: for how long these were, in all, in nanoseconds.
        holders: who has one for longest.
        waiters: who waits for longest, for an item as well.
    """

    resource: Resource
    count: int = 0  # type: ignore[assignment]  # tuples have a method of that name, of no use here
    size: int | None = None
    length: int = 0
    is_queue: bool = False
    held: int = 0
    waiting: int = 0
    getting: int = 0
    waits: int = 0
    wait_time: int = 0
    holders: tuple[User, ...] = ()
    waiters: tuple[User, ...] = ()


class Finding(NamedTuple):
    """Steps that have blocked a loop, or stalls, at one place.

    Attributes:
        is_stall: whether no loop could run, though no step was to blame.
        task: the task or span that blocked; or the reason of a stall.
        place: the line; None if that is not known.
        count: how many began since the update before.
        time: for how long, in nanoseconds.
        max: the longest since the recording began.
        kind: what most of the time was, in words.
    """

    is_stall: bool
    task: Frame
    place: Frame | None
    count: int  # type: ignore[assignment]  # as above
    time: int
    max: int
    kind: str = ""


class Update(NamedTuple):
    """What is known at one moment.

    Attributes:
        elapsed: since when the numbers are, in nanoseconds: since the update before this one, or
            since the recording began.
        is_first: whether there was none before.
        lasts: for how long it is recorded.
        loops: the loops.
        stacks: tasks and spans, each after those above it.
        hidden: how many stacks were left out.
        resources: locks, queues and the like; None if they are not recorded.
        findings: what has blocked loops.
        errors: what went wrong in the recording, in sentences.
        missing: how many loops were asked to join the recording, and have not yet.
    """

    elapsed: int
    is_first: bool
    lasts: int
    loops: tuple[LoopUpdate, ...] = ()
    stacks: tuple[StackUpdate, ...] = ()
    hidden: int = 0
    resources: tuple[ResourceUpdate, ...] | None = None
    findings: tuple[Finding, ...] = ()
    errors: tuple[str, ...] = ()
    missing: int = 0

    def to_json(self) -> str:
        """Return the update as JSON: tuples as lists."""
        return json.dumps([VERSION, self], separators=(",", ":"))

    @classmethod
    def from_json(cls, data: bytes) -> Update:
        """Return the update that a JSON text says.

        Raises:
            MalformedError: it says none, or one that another tracetools can read.
        """
        found = load(data)
        if not isinstance(found, list) or len(found) != len(("version", "update")):
            raise MalformedError("it is no update")
        if type(found[0]) is not int or found[0] != VERSION:
            raise MalformedError(
                f"it is an update of version {found[0]!r}, and not {VERSION}: use the same"
                " tracetools on both sides"
            )
        made: Update = _read(found[1], cls)
        return made


def _read(found: Any, kind: Any) -> Any:
    """Return the value of a type that JSON says."""
    if hasattr(kind, "_fields"):
        return _read_named(found, kind)
    if get_origin(kind) is tuple:
        if not isinstance(found, list):
            raise MalformedError(f"{found!r:.100} is no list")
        return tuple(_read(each, get_args(kind)[0]) for each in found)
    if type(None) in get_args(kind):
        return None if found is None else _read(found, get_args(kind)[0])
    if type(found) is not kind or (kind is int and not 0 <= found < _MOST):
        raise MalformedError(f"{found!r:.100} is no {kind.__name__}")
    return found


def _read_named(found: Any, kind: type[_Value]) -> _Value:
    types = _types.get(kind)
    if types is None:
        types = _types[kind] = [*get_type_hints(kind).values()]
    if not isinstance(found, list) or len(found) != len(types):
        raise MalformedError(f"{found!r:.100} is no {kind.__name__}")
    return kind._make(_read(each, of) for each, of in zip(found, types, strict=True))


_MOST: Final = 1 << 63
_types: Final[dict[type, list[Any]]] = {}
