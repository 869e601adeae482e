"""The stepped coroutine: runs in place of a task's own, and accounts for each step.

It passes everything on. The frames of this module take themselves out of the tracebacks of what
passes through (from Python 3.11 on; before, that has no effect).
"""

from __future__ import annotations

from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from tracetools.attribution.awaits import register_stepped
from tracetools.attribution.functions import is_ours, register_step
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import ContextVar
    from types import TracebackType
    from typing import Protocol, TypeAlias

    from tracetools.core.accounting import TaskAccount

    class Owner(Protocol):
        """Who records the steps; it raises no error of its own."""

        def exited(self, account: TaskAccount) -> None:
            """Note that the task has made its last step. May be called twice."""

        def dropped(self, account: TaskAccount) -> None:
            """Note that the task was dropped; called at any time, in any thread."""

        def failed(self, error: BaseException) -> None:
            """Note an error of ours within a step."""

    Prepare: TypeAlias = "Callable[[TaskAccount], object]"

__all__ = ["SteppedCoroutine", "hide_frame", "stepped_of"]


@accelerated
class SteppedCoroutine:
    """Behaves like `coroutine`, and charges the steps of the task that runs it to `account`.

    Args:
        coroutine: the task's own.
        account: where its time goes.
        owner: who records it.
        prepare: called before the first step.
        checkpoint: what the coroutine yields when it is ready for its next step at once.
        shared: where a context says which task steps in it, for a task whose context others have
            as well; ``None`` for any other.
    """

    __slots__ = (
        "__weakref__",
        "_coroutine",
        "_kept",
        "account",
        "is_over",
        "owner",
        "send",
        "throw",
    )

    def __init__(  # noqa: PLR0913, PLR0917  # what makes up a step
        self,
        coroutine: Any,
        account: TaskAccount,
        owner: Owner,
        prepare: Prepare | None = None,
        checkpoint: object = None,
        shared: ContextVar[Any] | None = None,
    ) -> None:
        self._coroutine = coroutine
        self.is_over = False
        self.account = account
        self.owner = owner
        itself = ref(self, id)  # with a callback, so that finalisers find it cleared on 3.15 too
        account.stepped = itself
        steps = _steps(itself, coroutine, account, owner, prepare, checkpoint, shared)
        next(steps)
        # Attributes instead of methods: to call one is to resume the generator, without a frame of
        # ours between. So there is one place where a signal handler can strike.
        self.send: Any = steps.send
        self.throw: Any = steps.throw

    @property
    def inner(self) -> Any:
        """The coroutine that this one stands for; perhaps one of another recording's."""
        return self._coroutine

    def close(self) -> None:
        """Close the coroutine."""
        self.over()
        self._coroutine.close()

    def over(self) -> None:
        """Be nothing but the coroutine from now on."""
        self.is_over = True
        self.send = self._coroutine.send
        self.throw = self._coroutine.throw

    def give_way(self) -> None:
        """Be nothing but the coroutine, though the task goes on: another one accounts for it.

        The step that goes on just now is ended here.
        """
        self._kept = self.send
        self.over()

    def __await__(self) -> Generator[Any, Any, Any]:
        if getattr(self._coroutine, "cr_await", None) is not None:
            raise RuntimeError("coroutine is being awaited already")  # as C code says of its own
        awaited: Generator[Any, Any, Any] = self._coroutine.__await__()
        return awaited

    def __reduce_ex__(self, protocol: Any) -> Any:  # coroutines cannot be copied or pickled
        return self._coroutine.__reduce_ex__(protocol)

    def __getattr__(self, name: str) -> Any:
        if name in type(self).__slots__:
            raise AttributeError(name)  # it was not made by `__init__`
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


def stepped_of(coroutine: Any, owner: Owner) -> SteppedCoroutine | None:
    """Return the one of `owner` that a coroutine is, or runs; ``None`` if there is none.

    Those of others may be around it, and so may greenback's coroutine.
    """
    while coroutine is not None:
        if type(coroutine) is SteppedCoroutine:
            if coroutine.owner is owner:
                return coroutine
            coroutine = coroutine.inner
        else:
            frame = getattr(coroutine, "cr_frame", None)
            if getattr(coroutine, "__name__", None) != _SHIM or frame is None:
                return None
            coroutine = frame.f_locals.get("orig_coro")
    return None


_SHIM: Final = "greenback_shim"
"""The name of the coroutine that greenback gives to a task, around the task's own."""

_UNSENT: Final = object()
"""Stands for the result of a step that has not been made yet."""

_PARKED: Final = object()
"""Stands for what is sent into a step, between two of them."""


def _steps(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917  # one frame, for a call is too dear
    itself: ref[SteppedCoroutine],
    coroutine: Any,
    account: TaskAccount,
    owner: Owner,
    prepare: Prepare | None,
    checkpoint: object,
    shared: ContextVar[Any] | None,
) -> Generator[Any, Any, Any]:
    """Run a coroutine step by step.

    An error that strikes here while the coroutine can go on was thrown in, or a signal handler of
    the program's has raised it. Both are thrown into the coroutine.
    """
    clock = account.loop.clock
    result: Any = None
    request: Any = _PARKED
    thrown: list[BaseException] = []
    dropped = False
    try:
        while True:
            try:
                if thrown:
                    result, request = _UNSENT, None
                    if prepare is not None:
                        prepare(account)
                        prepare = None
                    if shared is not None and account.loop.running and shared.get() is not account:
                        shared.set(account)
                    if account.loop.current is not account:
                        account.begin_step(clock())
                    # taken out by C alone: neither this frame nor its stack refers to the error
                    result = next(map(coroutine.throw, map(thrown.pop, (0,))))
                    account.end_step(clock(), result is checkpoint)
                    request = _PARKED
                elif result is _UNSENT:
                    result = coroutine.send(request)
                    request = _PARKED
                while True:
                    request = yield result
                    result = _UNSENT
                    if prepare is not None:
                        prepare(account)
                        prepare = None
                    if shared is not None and account.loop.running and shared.get() is not account:
                        shared.set(account)
                    account.begin_step(clock())
                    result = coroutine.send(request)
                    account.end_step(clock(), result is checkpoint)
                    request = _PARKED
            except StopIteration as stop:  # noqa: PERF203  # the loop within is what is fast
                if request is not _PARKED:
                    value = stop.value
                    request = result = None  # errors that the program keeps refer to this frame
                    break
                thrown = [_without_our_frames(stop)]
            except BaseException as struck:
                ended = getattr(coroutine, "cr_frame", None) is None or (
                    result is _UNSENT
                    and type(coroutine) is not CoroutineType  # whose frame says nothing
                    and not _struck_below_ours(struck)
                )
                if isinstance(struck, GeneratorExit) and request is _PARKED:
                    stepped = itself()
                    dropped = stepped is None
                    if stepped is None or stepped.is_over:
                        raise  # nobody is going to resume this one
                if request is _PARKED:  # it was thrown in, or struck between two steps
                    thrown = [_without_our_frames(struck)]
                elif ended:
                    raise  # the coroutine has ended, and this is how
                elif is_interruption(struck):
                    thrown = [_without_our_frames(struck)]
                else:
                    owner.failed(struck)
                    thrown = []
    except BaseException as error:
        request = result = None  # the frames of the traceback refer to this one
        hide_frame(error)
        _finish(itself, account, owner.dropped if dropped else owner.exited)
        raise
    _finish(itself, account, owner.exited)
    try:
        return value
    finally:
        del value


def _finish(
    itself: ref[SteppedCoroutine], account: TaskAccount, tell: Callable[[TaskAccount], None]
) -> None:
    """End the stepped coroutine, whatever strikes meanwhile; an error of ours is dropped."""
    try:
        stepped = itself()
        if stepped is not None:
            stepped.over()
        tell(account)
    except BaseException as error:
        with Insist(quietly=True) as insist:
            insist.do(tell, account)
            if (stepped := itself()) is not None:
                insist.do(stepped.over)
        if is_interruption(error):
            raise


def _struck_below_ours(error: BaseException) -> bool:
    """Whether an error that `_steps` caught comes from a function of ours that it has called."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return below is not None and is_ours(below.tb_frame.f_code)


def hide_frame(error: BaseException) -> None:
    """Take the frame that caught an error, and raises it again next, out of its traceback."""
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next


def _without_our_frames(error: BaseException) -> BaseException:
    """Take our frames out of the traceback of an error that struck in them."""
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None and is_ours(traceback.tb_frame.f_code):
        traceback = traceback.tb_next
    error.__traceback__ = traceback
    return error


Coroutine.register(SteppedCoroutine)
register_step(_steps.__code__)
register_stepped(SteppedCoroutine, lambda stepped: stepped.inner)
