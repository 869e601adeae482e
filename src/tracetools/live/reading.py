"""Reads one task: its await chain, what it has entered, and what a recording knows of it.

The tasks may be of any class, and so may all that they refer to. Nothing is asked that could run
code of the program: see `tracetools.attribution.awaits`. What is read says which task or lock is
meant by its identity, so that it keeps nothing alive.
"""

from __future__ import annotations

import sys
from opcode import opmap
from types import CoroutineType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from tracetools import compat
from tracetools.attribution.awaits import classes_of, referents, unstepped, vars_of
from tracetools.attribution.functions import owner_of
from tracetools.attribution.wait_names import Awaited, AwaitReader
from tracetools.core.accounting import NEVER
from tracetools.core.frame_locals import locals_of
from tracetools.core.labels import stable_name
from tracetools.core.stacks import Frame
from tracetools.instruments.stepped import SteppedCoroutine
from tracetools.instruments.task_functions import RUNNERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from tracetools.core.accounting import TaskAccount
    from tracetools.core.resources import Resource
    from tracetools.live.values import State, WaitRule

__all__ = [
    "NO_GROUP",
    "ChainReader",
    "Found",
    "FoundHolder",
    "Group",
    "Recorded",
    "Wanted",
    "account_of",
    "entered",
    "is_running",
    "tail",
]


class FoundHolder(NamedTuple):
    """Who has something: a task by its identity, or by its account; 0 for unknown.

    `recording` and `account` are as in `Recorded`, `since` and `place` as in `values.Holder`. A
    task that is not sure to have it was given it, and did not step since.
    """

    task: int = 0
    recording: int = 0
    account: int = 0
    since: int | None = None
    place: Frame | None = None
    is_sure: bool = True


class Wanted(NamedTuple):
    """A lock, semaphore or limiter that a task waits for.

    Attributes:
        identity: its own.
        kind: the name of its class.
        resource: what a recording knows it by; None if none does.
        holders: who has it; None if only what tasks have entered can tell.
        taken: how many tokens are taken; None if that is not known.
        is_queue: whether it is a queue or a channel, which nobody has.
    """

    identity: int
    kind: str
    resource: Resource | None
    holders: tuple[FoundHolder, ...] | None
    taken: int | None
    is_queue: bool = False


class Group(NamedTuple):
    """Tasks that a task waits for, by their identities.

    Attributes:
        tasks: the tasks; or futures, which nobody knows anything of.
        rule: whether it needs all of them, or any.
        has_deadline: whether the wait ends by itself.
    """

    tasks: tuple[int, ...] = ()
    rule: WaitRule = "unknown"
    has_deadline: bool = False


NO_GROUP: Final = Group()


class Recorded(NamedTuple):
    """What a recording knows of a task.

    Attributes:
        function: what it runs; known without a recording as well.
        recording: the identity of the recording: each numbers accounts for itself.
        account: the number of its account there; 0 if none is recorded.
        spawner: the number of the account that spawned it; 0 if that is not known.
        spans: its open spans, outermost first.
        since: for how long it waits.
    """

    function: Frame
    recording: int = 0
    account: int = 0
    spawner: int = 0
    spans: tuple[Frame, ...] = ()
    since: int | None = None


class Found(NamedTuple):
    """One task, as it was read. What it refers to is said by identities.

    Attributes:
        identity: its own.
        name: the name that it was given.
        recorded: what a recording knows of it, and what it runs.
        state: what it does.
        functions: the functions that it is in, with lines, outermost first.
        awaits: what it awaits.
        parent: the task whose nursery or task group it is in; 0 if there is none.
        future: the future that it waits for; 0 if there is none.
        waited_by: futures that are done when it is, and tasks that await it.
        group: the tasks that it waits for.
        wanted: the resource that it waits for.
        holds: the locks and semaphores that it has entered.
        has_deadline: whether what it waits for is given up in the end.
        runs: the identity of the code of its coroutine, if that runs; else 0.
    """

    identity: int
    name: str
    recorded: Recorded
    state: State = "waiting"
    functions: tuple[Frame, ...] = ()
    awaits: Frame | None = None
    parent: int = 0
    future: int = 0
    waited_by: tuple[int, ...] = ()
    group: Group = NO_GROUP
    wanted: Wanted | None = None
    holds: frozenset[int] = frozenset()
    has_deadline: bool = False
    runs: int = 0


_Value = TypeVar("_Value")


# -- the chain -----------------------------------------------------------------------------------


def is_running(coroutine: Any) -> bool:
    """Whether a coroutine runs just now, so that its chain cannot be walked."""
    inner = unstepped(coroutine)
    return type(inner) is CoroutineType and inner.cr_running


class ChainReader:
    """Reads the await chains of tasks.

    Tasks that say the same share what says it. Else so many objects would be made that Python
    collects garbage, which takes long if there are many tasks.
    """

    def __init__(self) -> None:
        self._names = AwaitReader(RUNNERS)
        self._shared: dict[Any, Any] = {}

    def read(self, coroutine: Any) -> Awaited:
        """Return what a coroutine awaits; if it runs, only which function it is."""
        inner = unstepped(coroutine)
        if is_running(inner):
            return Awaited([inner], [inner.cr_code], None, [], None, 0)
        return self._names.read(inner)

    def functions(self, chain: Awaited) -> tuple[Frame, ...]:
        """Return the functions of a chain."""
        return self._share(tuple(chain.functions))

    def recorded(self, account: TaskAccount | None, chain: Awaited) -> Recorded:
        """Return what a recording knows of a task, by its account."""
        if account is None:
            return self._share(Recorded(function_of(chain)))
        return _recorded(account)

    def _share(self, value: _Value) -> _Value:
        shared: _Value = self._shared.setdefault(value, value)
        return shared


def function_of(chain: Awaited) -> Frame:
    """Return the function that a task runs."""
    if not chain.codes:
        return Frame("?")
    code = chain.codes[chain.function]
    name = stable_name(str.__str__(chain.links[chain.function].__qualname__))
    return Frame(name, code.co_filename or None, code.co_firstlineno or 0)


def tail(chain: Awaited) -> Iterator[tuple[Any, Any]]:
    """Yield the functions of runtimes that end a chain, innermost first, each with its code."""
    for link, code in zip(reversed(chain.links), reversed(chain.codes), strict=True):
        if owner_of(code.co_filename) == "program":
            return
        yield link, code


# -- what a recording knows ----------------------------------------------------------------------


def account_of(coroutine: Any) -> TaskAccount | None:
    """Return the account of the task that runs a coroutine; of one that knows resources, if any."""
    found: TaskAccount | None = None
    while type(coroutine) is SteppedCoroutine:
        account = coroutine.account
        if not coroutine.is_over and (found is None or account.loop.owner.resources is not None):
            found = account
        coroutine = coroutine.inner
    return found


def _recorded(account: TaskAccount) -> Recorded:
    spans = []
    opened = account.innermost
    while opened is not None:
        spans.append(opened.stack.frame)
        opened = opened.outer
    spawner = account.spawner and account.spawner.living
    parked = account.parked
    return Recorded(
        account.base.frame,
        id(account.loop.owner),
        account.number,
        spawner.number if spawner else 0,
        tuple(reversed(spans)),
        None if parked == NEVER else max(account.loop.clock() - parked, 0),
    )


# -- what is entered -----------------------------------------------------------------------------

_EXITS: Final = {"__aexit__", "__exit__"}
_ENTERS: Final = {"__aenter__", "__enter__"}
_MOST_DEPTH: Final = 8


def entered(chain: Awaited) -> list[Any]:
    """Return the context managers that the functions of a chain have entered, outermost first.

    Python keeps the method that leaves one on the stack of values: bound to the manager, or, since
    Python 3.14, with the manager beside it. A function that is still entering one has not got it.
    """
    found: list[Any] = []
    for index, (link, code) in enumerate(zip(chain.links, chain.codes, strict=True)):
        if not _has_with(code):
            continue
        within = [*_entered_by(link)]
        following = chain.links[index + 1 : index + 2]
        if within and following and _last_name(following[0]) in _ENTERS:
            within.pop()
        for manager in within:
            found += _with_inner(manager, 0)
    return found


def _has_with(code: CodeType) -> bool:
    """Whether a function has a `with` statement."""
    known = _with.get(id(code))
    if known is None:
        if len(_with) >= _MOST_CODES:
            _with.clear()
        known = _with[id(code)] = code, not _OPCODES.isdisjoint(code.co_code[::2])
    return known[1]


_with: Final[dict[int, tuple[CodeType, bool]]] = {}
_MOST_CODES: Final = 4096
_OPCODES: Final = {
    opmap[name]
    for name in (
        *("SETUP_WITH", "SETUP_ASYNC_WITH"),  # 3.10
        *("BEFORE_WITH", "BEFORE_ASYNC_WITH"),  # 3.11 to 3.13
        "LOAD_SPECIAL",
    )
    if name in opmap
}
"""The instructions that enter a context manager."""


def _entered_by(link: Any) -> Iterator[Any]:
    """Yield the context managers that a suspended function has entered, outermost first."""
    values = [*referents(link)]
    exits = [index for index, value in enumerate(values) if _is_exit(value)]
    if not exits:
        return
    variables = _variables(link)
    for index in exits:
        value = values[index]
        if type(value) is MethodType:
            if not any(value is each for each in variables):
                yield value.__self__
        elif _ARE_APART and index > _code_in(values, link) + len(variables):
            yield from values[index + 1 : index + 2]


_ARE_APART: Final = sys.version_info >= (3, 14)
"""Whether the function that leaves a manager lies beside it, and is not bound to it."""


def _is_exit(value: Any) -> bool:
    """Whether something is a method that leaves a context manager."""
    function = value.__func__ if type(value) is MethodType else value
    return type(function) is FunctionType and _last_name(function) in _EXITS


def _last_name(function: Any) -> str:
    """Return the name of a function without its class; its code may be that of a wrapper."""
    return str.__str__(function.__qualname__).rpartition(".")[2]


def _code_in(values: list[Any], link: Any) -> int:
    """Return the place of a function's code; the values of its variables follow, then the stack."""
    code = _frame(link).f_code
    return next((index for index, value in enumerate(values) if value is code), 0)


def _variables(link: Any) -> list[Any]:
    """Return the values of the variables of a suspended function."""
    frame = _frame(link)
    return [] if frame is None else [*locals_of(frame).values()]


def _frame(link: Any) -> Any:
    found = (getattr(link, name, None) for name in ("cr_frame", "gi_frame", "ag_frame"))
    return next((frame for frame in found if frame is not None), None)


def _with_inner(manager: Any, depth: int) -> Iterator[Any]:
    """Yield a context manager, and those that one of contextlib's has entered in turn."""
    yield manager
    names = {_NAME(kind) for kind in classes_of(type(manager)) if _is_of_contextlib(kind)}
    if not names or depth > _MOST_DEPTH:
        return
    inner: list[Any] = []
    generator = compat.stored(manager, "gen")
    if names & _GENERATED and generator is not None:
        inner += _entered_by(generator)
    for callback in compat.stored(manager, "_exit_callbacks") or () if names & _STACKS else ():
        method = callback[1] if type(callback) is tuple and len(callback) > 1 else None
        if type(method) is MethodType:
            inner.append(method.__self__)
    for each in inner:
        yield from _with_inner(each, depth + 1)


def _is_of_contextlib(kind: type) -> bool:
    module = vars_of(kind).get("__module__")
    return type(module) is str and module == "contextlib"


_NAME: Final = type.__dict__["__name__"].__get__  # whatever a type's own type says of names

_GENERATED: Final = {"_GeneratorContextManager", "_AsyncGeneratorContextManager"}
_STACKS: Final = {"ExitStack", "AsyncExitStack"}
