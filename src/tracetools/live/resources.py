"""Who has the lock, semaphore or limiter that a task waits for.

Locks of trio and anyio know their owner, and limiters who has their tokens. Of others, a recording
with `resources` knows, if it has seen them; else what tasks have entered tells (`async with lock`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.awaits import is_defined_in, referents, vars_of
from tracetools.live.reading import FoundHolder, Wanted, tail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.attribution.wait_names import Awaited
    from tracetools.core.accounting import TaskAccount

__all__ = ["locks_among", "wanted_by", "wants"]

_ACQUIRES: Final = {"acquire", "acquire_on_behalf_of"}
_PASSES: Final = {"put", "get", "send", "receive"}
_WAITS: Final = "wait"


def locks_among(managers: Iterable[Any]) -> frozenset[int]:
    """Return the identities of the locks and semaphores among context managers."""
    things = map(_real, managers)
    found = [id(each) for each in things if compat.resource_class(type(each)) is not None]
    return frozenset(found) if found else _NONE


_NONE: Final[frozenset[int]] = frozenset()


def wanted_by(
    chain: Awaited, account: TaskAccount | None, task: Any, task_class: type | None
) -> Wanted | None:
    """Return what a task waits for, if that is a lock, a semaphore or a limiter.

    Args:
        chain: the await chain of the task.
        account: its account; None if it is not recorded.
        task: the task.
        task_class: the class of tasks of its backend.
    """
    for link, code in tail(chain):
        if code.co_name in _ACQUIRES:
            for each in referents(link):
                if compat.resource_class(type(each)) is not None:
                    return wants(_real(each), account, task_class)
        if code.co_name in _PASSES and (found := _queue(link, account)) is not None:
            return found
        if code.co_name == _WAITS and is_defined_in(code, "trio._sync"):
            lock = _lock_of_condition(link, task)
            if lock is not None:
                return wants(lock, account, task_class)
    return None


def _queue(link: Any, account: TaskAccount | None) -> Wanted | None:
    """Return the queue or channel whose method a link is, if a recording knows it."""
    log: Any = None if account is None else account.loop.owner.resources
    for each in () if log is None else referents(link):
        for thing in (each, compat.stored(each, "_state")):
            known = None if thing is None else log.find(thing)
            if known is not None:
                kind, resource = known.resource.kind, known.resource
                return Wanted(id(thing), kind, resource, (), None, is_queue=True)
    return None


def _real(thing: Any) -> Any:
    """Return the lock of trio's that does the work of one of anyio's; or else the thing."""
    module = vars_of(type(thing)).get("__module__")
    if type(module) is not str or module not in _WRAPPING:
        return thing
    found = (compat.stored(thing, name) for name in _WITHIN)
    return next((_real(each) for each in found if each is not None), thing)


_WRAPPING: Final = ("anyio._backends._trio", "anyio._core._synchronization")
_WITHIN: Final = (
    "_Lock__original",
    "_Semaphore__original",
    "_CapacityLimiter__original",
    "_internal_lock",
    "_internal_semaphore",
    "_internal_limiter",
)


def _lock_of_condition(link: Any, task: Any) -> Any:
    """Return the lock that a notified task waits for in a condition of trio's; else None."""
    for each in referents(link):
        if compat.is_trio_condition(type(each)):
            lock = compat.stored(each, "_lock")
            return lock if compat.is_parked_for(lock, task) else None
    return None


def wants(thing: Any, account: TaskAccount | None, task_class: type | None) -> Wanted:
    """Return what is known of a lock, semaphore or limiter that somebody waits for."""
    known = None
    log = None if account is None else account.loop.owner.resources
    if log is not None:
        known = log.find(thing)
    kind = compat.resource_class(type(thing))
    wanted = Wanted(
        id(thing),
        known.resource.kind if known else getattr(kind, "__name__", "?"),
        known.resource if known else None,
        _holders(thing, task_class),
        1 if compat.is_lock(thing) else compat.tokens_taken(thing),
    )
    of_account: Any = known.account if known else None
    holders = getattr(of_account, "holders", None)
    if not holders or account is None:
        return wanted
    now = account.loop.clock()
    recorded = [
        FoundHolder(
            recording=id(account.loop.owner),
            account=0 if want.task is None else want.task.number,
            since=None if want.got is None else max(now - want.got, 0),
            place=want.line[0] if want.line else None,
            is_sure=want.is_sure,
        )
        for want in tuple(holders)
    ]
    if wanted.holders is not None and len(wanted.holders) != len(recorded):
        return wanted  # the recording has not seen all of it
    size = of_account.size
    taken = None if size is None else size - max(of_account.free, 0)
    return wanted._replace(holders=tuple(recorded), taken=taken)


def _holders(thing: Any, task_class: type | None) -> tuple[FoundHolder, ...] | None:
    """Return who has something that knows it by itself; None if it does not."""
    borrowers = compat.borrowers_of(thing)
    if borrowers is not None:
        return tuple(
            FoundHolder(id(each) if _is_task(each, task_class) else 0) for each in borrowers
        )
    if compat.is_lock(thing) and compat.knows_owner(thing):
        owner = compat.owner_of_lock(thing)
        return (FoundHolder(owner),) if owner else ()
    return None


def _is_task(thing: Any, task_class: type | None) -> bool:
    return task_class is not None and task_class in type.__dict__["__mro__"].__get__(type(thing))
