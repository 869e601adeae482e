"""A dump: what every task of a process waited for at one moment. Plain values, and their JSON."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.json_text import load

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Blocked",
    "Deadlock",
    "Dump",
    "Holder",
    "LoopDump",
    "State",
    "TaskDump",
    "Wait",
    "WaitRule",
]

State: TypeAlias = Literal["running", "ready", "waiting"]
"""What a task does: it steps, it could step and has not been given its turn yet, or it waits."""

WaitRule: TypeAlias = Literal["all", "any", "unknown"]
"""Which of the tasks that it waits for a task needs, before it can go on."""

VERSION: Final = 1
"""Of the JSON. A number is added to it when a reader of the old one could be misled."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lock, or a token of a semaphore or limiter.

    Attributes:
        task: the number of the task.
        since: for how long it has it, in nanoseconds; None if that is not known.
        place: the function that acquired it, with the line; None if that is not known.
    """

    task: int
    since: int | None = None
    place: Frame | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """What a task waits for.

    Attributes:
        awaits: what it awaits, by the name that profiles use, and the line that does:
            ``await Lock (app.py:20)``. None if that is not known.
        since: for how long it waits, in nanoseconds; None if no recording knows.
        resource: the lock, semaphore, limiter or queue; None if it is nothing of the kind.
        instance: tells it from others of the same place; 0 without a resource.
        is_queue: whether it is a queue or a channel, which nobody has.
        holders: who has it, as far as that is known.
        tasks: the numbers of the tasks that it waits for: the holders, or those of a nursery, a
            task group, a gather, and so on.
        rule: whether all of them have to end, or any of them may let the task go on. ``unknown`` if
            something else may, too.
        has_deadline: whether the wait ends by itself in the end.
    """

    awaits: Frame | None = None
    since: int | None = None
    resource: Resource | None = None
    instance: int = 0
    is_queue: bool = False
    holders: tuple[Holder, ...] = ()
    tasks: tuple[int, ...] = ()
    rule: WaitRule = "unknown"
    has_deadline: bool = False


@dataclass(frozen=True, slots=True)
class TaskDump:
    """One task.

    Attributes:
        number: tells it from the other tasks of the dump.
        name: the name that it has, or that it was given.
        function: the function that it runs, and where that is defined.
        parent: the number of the task that spawned it; else of the one whose nursery or task group
            it is in, or that waits for it. None if there is none, or that is not known.
        state: what it does.
        spans: the spans that are open in it, outermost first; none if no recording knows.
        functions: the functions that it is in, outermost first, each with the line that it is at.
            Those of libraries are folded.
        wait: what it waits for; None if it does not wait.
    """

    number: int
    name: str
    function: Frame
    parent: int | None = None
    state: State = "waiting"
    spans: tuple[Frame, ...] = ()
    functions: tuple[Frame, ...] = ()
    wait: Wait | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """What blocks a loop.

    Attributes:
        functions: the functions that its thread is in, as those of a task.
        lasts: for how long it is blocked, in nanoseconds; at least, if no recording knows.
        is_exact: whether a recording knows.
    """

    functions: tuple[Frame, ...]
    lasts: int
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class LoopDump:
    """One running loop.

    Attributes:
        backend: ``trio``, ``asyncio`` or ``uvloop``.
        thread: the name of the thread that it runs in; empty if that is not known.
        tasks: its tasks, each after its parent.
        blocked: what blocks it; None if it answered.
        problem: why its tasks are not known, or not all of them; empty if they are.
    """

    backend: str
    thread: str = ""
    tasks: tuple[TaskDump, ...] = ()
    blocked: Blocked | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Tasks that wait for one another, and will for ever unless they are cancelled.

    Attributes:
        cycle: their numbers: each waits for the next one, and the last one for the first.
        others: the numbers of further tasks that can never go on because of that.
    """

    cycle: tuple[int, ...]
    others: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dump:
    """What every task of a process waited for at one moment.

    Attributes:
        pid: the number of the process.
        program: the name of its script.
        python: the version of its Python.
        when: the moment, in nanoseconds since the epoch.
        loops: its running loops.
        deadlocks: the deadlocks among their tasks.
        cost: how much CPU time the process has spent to tell this, in nanoseconds.
    """

    pid: int
    program: str
    python: str
    when: int
    loops: tuple[LoopDump, ...] = ()
    deadlocks: tuple[Deadlock, ...] = ()
    cost: int = 0

    def to_json(self) -> str:
        """Return the dump as JSON."""
        return json.dumps({"version": VERSION, **_plain(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, data: str | bytes) -> Dump:
        """Return the dump that a JSON text says.

        Raises:
            MalformedError: it says none, or one that only a newer tracetools can read.
        """
        found = load(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
        if not isinstance(found, dict) or "loops" not in found:
            raise MalformedError("it is no dump of tasks")
        if found.get("version") != VERSION:
            raise MalformedError(
                f"it is a dump of version {found.get('version')!r}, which this tracetools does not"
                f" know; it knows {VERSION}"
            )
        return _dump(found)


# -- to JSON -------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Return a value as JSON has it. A frame is a list; what says nothing more is left out."""
    if isinstance(value, Frame):
        return [value.name, value.file, value.line]
    if isinstance(value, Resource):
        return {"kind": value.kind, "place": _plain(value.place), "is_made": value.is_made}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    names = _fields(type(value))  # type: ignore[arg-type]  # types are hashable
    if not names:
        return value
    found = ((name, getattr(value, name), default) for name, default in names)
    return {name: _plain(each) for name, each, default in found if each != default}


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Return the names of the values that one of ours has, each with what need not be said."""
    if not is_dataclass(kind):
        return ()
    return tuple(
        (each.name, MISSING if each.name in _ALWAYS else each.default) for each in fields(kind)
    )


_ALWAYS: Final = {"loops", "rule", "state", "tasks"}


# -- from JSON -----------------------------------------------------------------------------------


def _dump(found: dict[str, Any]) -> Dump:
    return Dump(
        pid=_whole(found, "pid"),
        program=_text(found, "program"),
        python=_text(found, "python"),
        when=_whole(found, "when"),
        loops=_several(found, "loops", _loop),
        deadlocks=_several(found, "deadlocks", _deadlock),
        cost=_whole(found, "cost"),
    )


def _loop(found: Any) -> LoopDump:
    return LoopDump(
        backend=_text(found, "backend"),
        thread=_text(found, "thread"),
        tasks=_several(found, "tasks", _task),
        blocked=_maybe(found, "blocked", _blocked),
        problem=_text(found, "problem"),
    )


def _blocked(found: Any) -> Blocked:
    return Blocked(
        functions=_several(found, "functions", _frame),
        lasts=_whole(found, "lasts"),
        is_exact=_flag(found, "is_exact"),
    )


def _deadlock(found: Any) -> Deadlock:
    return Deadlock(
        cycle=_several(found, "cycle", _number), others=_several(found, "others", _number)
    )


def _task(found: Any) -> TaskDump:
    return TaskDump(
        number=_whole(found, "number"),
        name=_text(found, "name"),
        function=_frame(_object(found).get("function")),
        parent=_maybe(found, "parent", _number),
        state=_one_of(found, "state", get_args(State)),
        spans=_several(found, "spans", _frame),
        functions=_several(found, "functions", _frame),
        wait=_maybe(found, "wait", _wait),
    )


def _wait(found: Any) -> Wait:
    return Wait(
        awaits=_maybe(found, "awaits", _frame),
        since=_maybe(found, "since", _number),
        resource=_maybe(found, "resource", _resource),
        instance=_whole(found, "instance"),
        is_queue=_flag(found, "is_queue"),
        holders=_several(found, "holders", _holder),
        tasks=_several(found, "tasks", _number),
        rule=_one_of(found, "rule", get_args(WaitRule)),
        has_deadline=_flag(found, "has_deadline"),
    )


def _holder(found: Any) -> Holder:
    return Holder(
        task=_whole(found, "task"),
        since=_maybe(found, "since", _number),
        place=_maybe(found, "place", _frame),
    )


def _resource(found: Any) -> Resource:
    place = _frame(_object(found).get("place"))
    return Resource(_text(found, "kind"), place, _flag(found, "is_made"))


def _frame(found: Any) -> Frame:
    if not isinstance(found, list) or len(found) != _PARTS:
        raise MalformedError(f"{found!r} is no frame")
    name, file, line = found
    if not isinstance(name, str) or not isinstance(file, str | None) or type(line) is not int:
        raise MalformedError(f"{found!r} is no frame")
    return Frame(name, file, line)


_PARTS: Final = 3
_MOST: Final = 1 << 63


def _number(found: Any) -> int:
    if type(found) is not int or not 0 <= found < _MOST:
        raise MalformedError(f"{found!r} is no number")
    return found


def _object(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise MalformedError(f"{found!r} is no object")
    return found


def _whole(found: Any, name: str) -> int:
    return _number(_object(found).get(name, 0))


def _text(found: Any, name: str) -> str:
    value = _object(found).get(name, "")
    if not isinstance(value, str):
        raise MalformedError(f"{name} is {value!r}, which is no text")
    return value


def _flag(found: Any, name: str) -> bool:
    value = _object(found).get(name, False)
    if not isinstance(value, bool):
        raise MalformedError(f"{name} is {value!r}, which is neither true nor false")
    return value


def _one_of(found: Any, name: str, known: tuple[str, ...]) -> Any:
    value = _text(found, name)
    if value not in known:
        raise MalformedError(f"{name} is {value!r}, and not one of {', '.join(known)}")
    return value


def _maybe(found: Any, name: str, read: Callable[[Any], Any]) -> Any:
    value = _object(found).get(name)
    return None if value is None else read(value)


def _several(found: Any, name: str, read: Callable[[Any], Any]) -> tuple[Any, ...]:
    values = _object(found).get(name, [])
    if not isinstance(values, list):
        raise MalformedError(f"{name} is {values!r}, which is no list")
    return tuple(read(value) for value in values)
