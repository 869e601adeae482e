"""Coroutines whose steps are seen: what takes the place of a task's coroutine on asyncio.

asyncio tells nobody when a task steps, and its tasks cannot be subclassed to any effect. But it
lets a task run anything that behaves like a coroutine; so here is one that passes everything on to
the real one, and notes when it is resumed and when it comes back. What may live here: that, and
nothing of loops or of how tasks are found. Each line of `_steps` is paid for at every step.

Nothing else about the task may be different. The frames of this module take themselves out of the
tracebacks of exceptions that pass through (from Python 3.11 on; before, that has no effect). Ctrl-C
that arrives in this module is delivered to the coroutine, as if it had come a moment later.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from weakref import ref

from tracetools.sampling.unwind import step_begins_below

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Protocol

    from tracetools.core.accounting import TaskAccount

    class Owner(Protocol):
        """Who records the steps; what it does must never raise an error of its own."""

        def begin(self, account: TaskAccount) -> bool:
            """Begin a step in any case but the plain one; return whether it is recorded."""

        def end(self, account: TaskAccount) -> None:
            """End a step that was begun that way."""

        def waited(self, account: TaskAccount, now: int) -> None:
            """Note that the task is going to step, after a wait that is worth a look."""

        def exited(self, account: TaskAccount) -> None:
            """Note that the task has made its last step."""

        def dropped(self, account: TaskAccount) -> None:
            """Note that nobody holds the task any more; called at any time, in any thread."""


__all__ = ["SteppedCoroutine", "hide_frame"]


class SteppedCoroutine(Coroutine[Any, Any, Any]):
    """Behaves like `coroutine`, and records the steps of the task that runs it.

    Args:
        coroutine: the task's own.
        account: where its time goes.
        owner: whoever records it.
        special: whether each step is begun and ended by the owner, not just those that need to be.
        scheduled: whether it is noted when the task becomes ready.
        least_wait: the waits that are longer, in nanoseconds, are worth a look.
    """

    __slots__ = ("__weakref__", "_coroutine", "owner", "send")

    def __init__(  # noqa: PLR0913  # as many as each step needs
        self,
        coroutine: Any,
        account: TaskAccount,
        owner: Owner,
        *,
        special: bool,
        scheduled: bool,
        least_wait: int,
    ) -> None:
        self._coroutine = coroutine
        self.owner = owner
        steps = _steps(ref(self), coroutine, account, owner, special, scheduled, least_wait)
        next(steps)
        # An attribute instead of a method: asyncio calls it, and with that resumes the generator.
        self.send: Any = steps.send

    @property
    def inner(self) -> Any:
        """The coroutine that this one stands for; perhaps one of another recording's."""
        return self._coroutine

    def is_of(self, owner: Owner) -> bool:
        """Whether the steps are recorded by `owner`; others may record them as well."""
        inner = self._coroutine
        return self.owner is owner or (type(inner) is SteppedCoroutine and inner.is_of(owner))

    def throw(self, *error: Any) -> Any:
        """Resume the coroutine with an exception."""
        try:
            if self.send == self._coroutine.send:
                return self._coroutine.throw(*error)
            return self.send(_Thrown(error))
        except BaseException as passing:
            hide_frame(passing)
            raise

    def close(self) -> None:
        """Close the coroutine."""
        steps, self.send = self.send, self._coroutine.send
        self._coroutine.close()
        steps.__self__.close()

    def over(self) -> None:
        """Be nothing but the coroutine from now on, which knows best what to say of being over."""
        self.send = self._coroutine.send

    def __await__(self) -> Generator[Any, Any, Any]:
        if getattr(self._coroutine, "cr_await", None) is not None:
            raise RuntimeError("coroutine is being awaited already")  # as C code says of its own
        awaited: Generator[Any, Any, Any] = self._coroutine.__await__()
        return awaited

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._coroutine, name)
        except AttributeError:
            if name != "__qualname__":
                raise
            # asyncio would show the name of this class for that of the coroutine's
            return f"<{type(self._coroutine).__name__} without __name__>"

    def __repr__(self) -> str:
        return repr(self._coroutine)

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self._coroutine == other)

    def __hash__(self) -> int:
        return hash(self._coroutine)

    @property  # type: ignore[misc]  # object has it otherwise
    def __class__(self) -> Any:  # for inspect.iscoroutine, and whoever asks what this is
        return self._coroutine.__class__


class _Thrown(tuple[Any, ...]):
    """The arguments of `throw`, on their way to the coroutine.

    So GeneratorExit in `_steps` has one meaning only: nobody is going to resume it any more.
    """

    __slots__ = ()


def hide_frame(error: BaseException) -> None:
    """Take the frame that caught an error, and raises it again next, out of its traceback."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next


def _steps(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917  # in one piece, for a call is too dear
    itself: ref[SteppedCoroutine],
    coroutine: Any,
    account: TaskAccount,
    owner: Owner,
    special: bool,
    scheduled: bool,
    least_wait: int,
) -> Generator[Any, Any, Any]:
    """Run a coroutine step by step, and record each in its account.

    In the plain case, nothing else steps and nothing is thrown; then it is `LoopAccount.begin_step`
    and `end_step` written out. The first step is never plain: the owner may have to look around.
    """
    loop = account.loop
    clock = account.clock
    send = coroutine.send
    result = None
    plain = dropped = False
    try:
        while True:
            try:
                request = yield result
                if plain and request is None and loop.current is None and loop.running:
                    began = clock()
                    if began - account.parked > least_wait:
                        owner.waited(account, began)
                        began = clock()
                    if scheduled and account.ready is not None:
                        loop.take_turn(account, began)
                    account.busy -= began
                    loop.began = began
                    loop.current = account
                    result = send(None)
                    now = clock()
                    if loop.current is account:
                        account.busy += now
                        stack = account.stack
                        stack.steps += 1
                        account.parked = now
                        loop.current = None
                        if result is None:  # the task is going to wake itself
                            stack.self_wakes += 1
                        if now > loop.due:
                            loop.look_back(stack, began, now)
                else:
                    result = _special_step(coroutine, account, owner, request)
                    if result is None:
                        account.stack.self_wakes += 1
                    plain = not special
            except BaseException as error:
                dropped = _is_raised_here(error) and isinstance(error, GeneratorExit)
                if dropped or not _can_go_on(coroutine):
                    raise
                interrupt = _Thrown((error,))
            else:
                continue
            result = _special_step(coroutine, account, owner, interrupt)
    except StopIteration as stop:
        return stop.value
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        tell = owner.dropped if dropped else owner.exited
        tell(account)
        stepped = itself()
        if stepped is not None:
            stepped.over()


def _is_raised_here(error: BaseException) -> bool:
    """Whether an error was raised in the frame that caught it; not if it came out of a call."""
    return error.__traceback__ is None or error.__traceback__.tb_next is None


def _special_step(coroutine: Any, account: TaskAccount, owner: Owner, request: Any) -> Any:
    """Make a step that interrupts another one, or in which something is thrown, and the like."""
    recorded = owner.begin(account)
    try:
        if request is None:
            return coroutine.send(None)
        if type(request) is _Thrown:
            return coroutine.throw(*request)
        return coroutine.send(request)
    except BaseException as error:
        hide_frame(error)
        raise
    finally:
        if recorded:
            owner.end(account)


def _can_go_on(coroutine: Any) -> bool:
    """Whether an error that comes by is not the coroutine's own, which ends it."""
    return getattr(coroutine, "cr_frame", None) is not None


step_begins_below(_steps.__code__)
step_begins_below(_special_step.__code__)
