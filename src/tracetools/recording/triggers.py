"""What has the last events kept, beside slow spans: blocking steps, errors, signals.

They are noted where they happen, which costs little and takes no lock. The keeper looks for them in
its thread, and does the rest.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from tracetools.core.journal import MOST_LOOPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType
    from typing import TypeAlias

    from tracetools.core.accounting import Opened, TaskAccount
    from tracetools.core.journal import Journal
    from tracetools.core.stacks import Stack
    from tracetools.guest.messages import Messages

    Why: TypeAlias = Literal["slow", "blocking", "error", "signal"]

__all__ = ["Fired", "Signals", "Triggers", "signal_number"]

_MOST_FIRED: Final = 1000
"""So many are remembered from one look of the keeper to the next, the last ones."""

_FLOW: Final = frozenset({"StopIteration", "StopAsyncIteration", "CancelledError"})
"""Exceptions by which a program goes on as it should."""

_LONGEST_TYPE: Final = 80


class Fired(NamedTuple):
    """Something for which the last events are kept.

    Attributes:
        why: what it is.
        loop: the number of its loop, modulo `MOST_LOOPS`.
        begin: when the span or the step began, in nanoseconds.
        end: when it ended; the same for what has no duration.
        task: the number of the task; 0 for none.
        stack: the number of the stack; 0 for none.
        number: how many events the journal had noted by then, or soon after.
        detail: the type of the error, or the name of the signal.
        error: tells errors apart.
    """

    why: Why
    loop: int
    begin: int
    end: int
    task: int
    stack: int
    number: int
    detail: str = ""
    error: int = 0

    @property
    def latency(self) -> int:
        """How long it lasted, in nanoseconds."""
        return self.end - self.begin

    @property
    def rank(self) -> int:
        """Of one name, those with the highest ranks are kept: the slowest, or the first errors.

        So errors that come again and again take no more work once enough of them are kept. Of
        signals the last ones are kept.
        """
        if self.why == "error":
            return -self.number
        return self.end if self.why == "signal" else self.latency

    def is_within(self, other: Fired) -> bool:
        """Whether this error came out of a span within that of another one, or is the same."""
        return other.begin <= self.begin and self.end <= other.end


class Triggers:
    """Notes what happens, for the keeper to look at.

    Args:
        journal: keeps the last events.
        blocking: whether steps that block a loop are noted.
        errors: whether errors out of spans are, of all or of those with one of these names.

    Attributes:
        blocking: whether steps that block a loop are noted.
        enough: the numbers of stacks, with types of errors, of which no more need be noted.
        lost: how many were noted and forgotten, for there were too many.
    """

    def __init__(
        self, journal: Journal, *, blocking: bool = False, errors: bool | Iterable[str] = False
    ) -> None:
        self._journal = journal
        self.blocking = blocking
        self._all_errors = errors is True
        self._names = frozenset(() if isinstance(errors, bool) else errors)
        self.enough: set[tuple[int, str]] = set()
        self.lost = 0
        self._fired: deque[Fired] = deque(maxlen=_MOST_FIRED)

    def note_blocking(self, task: TaskAccount, stack: Stack, began: int, now: int) -> None:
        """Note a step that has blocked its loop."""
        self._note(Fired("blocking", *_place(task, stack, began, now), self._journal.noted))

    def note_error(self, opened: Opened, task: TaskAccount, error: BaseException) -> None:
        """Note an exception that ends a span, unless it is none that an error is told by."""
        stack = opened.stack
        if not (self._all_errors or stack.frame.name in self._names) or not opened.lasts:
            return
        kind = type_of(error)
        if kind is None or (stack.number, kind) in self.enough:
            return
        place = _place(task, stack, opened.since, task.loop.clock())
        self._note(Fired("error", *place, self._journal.noted, kind, id(error)))

    def _note(self, fired: Fired) -> None:
        if len(self._fired) == _MOST_FIRED:
            self.lost += 1
        self._fired.append(fired)

    def take(self) -> Iterator[Fired]:
        """Yield what was noted since the last call, and forget it."""
        with suppress(IndexError):
            while True:
                yield self._fired.popleft()


def _place(task: TaskAccount, stack: Stack, begin: int, end: int) -> tuple[int, int, int, int, int]:
    return task.loop.number % MOST_LOOPS, begin, end, task.number, stack.number


def type_of(error: BaseException) -> str | None:
    """Return the type of an exception in words; ``None`` for a cancellation and the like."""
    kind = type(error)
    if not isinstance(error, Exception) or kind.__name__ in _FLOW:
        return None
    module, name = kind.__module__, kind.__qualname__
    is_short = not isinstance(module, str) or module in {"builtins", "__main__"}
    return (name if is_short else f"{module}.{name}")[-_LONGEST_TYPE:]


# ------------------------------------------------------------------------------------- signals

_BY_NAME: Final = ("SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGBREAK")
"""Signals that one may send to a program to ask for something, and that a terminal may send."""


def signal_number(wanted: object) -> int | None:
    """Return the number of the signal that somebody asks for; ``None`` for none.

    Args:
        wanted: a signal, or whether there is one: then ``SIGUSR2``.

    Raises:
        TypeError, ValueError: it is no signal, or one that is there for something else.
    """
    if wanted is None or wanted is False:
        return None
    known = {int(getattr(signal, name)) for name in _BY_NAME if hasattr(signal, name)}
    if hasattr(signal, "SIGRTMIN"):
        known |= set(range(signal.SIGRTMIN, signal.SIGRTMAX + 1))
    if wanted is True:
        wanted = getattr(signal, "SIGUSR2", -1)
    if not isinstance(wanted, int):
        raise TypeError(f"signal is a signal, such as signal.SIGUSR2, not {wanted!r}")
    if wanted not in known:
        raise ValueError(
            f"signal is one of those that are free for a program, such as signal.SIGUSR2,"
            f" not {wanted!r}"
        )
    return int(wanted)


class Signals:
    """Notes the moments at which a signal comes.

    The handler that was there before is called as well. Python calls handlers in the main thread,
    also while a step blocks the loop, unless that step is in C code that does not ask for signals.

    Args:
        number: the number of the signal.
        messages: where messages go.
    """

    def __init__(self, number: int, messages: Messages) -> None:
        self._number = number
        self._messages = messages
        self._moments: deque[int] = deque(maxlen=_MOST_FIRED)
        self._previous: Any = None
        self._is_set = False
        self._pid = os.getpid()
        self.handle: Callable[[int, FrameType | None], None] = self._handle

    @property
    def name(self) -> str:
        """The name of the signal, such as ``SIGUSR2``."""
        with suppress(ValueError):
            return signal.Signals(self._number).name
        return f"signal {self._number}"

    def catch(self) -> None:
        """Set the handler, unless it is set. In a thread that is not the main one, do nothing."""
        if self._is_set:
            return
        previous = _without_ours(signal.getsignal(self._number))
        if previous is None:
            self._messages.warning("%s keeps nothing: it is handled by code in C", self.name)
            return
        with suppress(ValueError):
            self._previous, self._is_set = previous, True
            try:
                signal.signal(self._number, self.handle)
            except ValueError:
                self._previous, self._is_set = None, False
                raise

    def let_go(self) -> None:
        """Set the handler that was there before, unless another one is set by now."""
        if not self._is_set:
            return
        self._is_set = False
        with suppress(ValueError):  # this is not the main thread: it only passes signals on
            if signal.getsignal(self._number) is self.handle:
                signal.signal(self._number, _without_ours(self._previous))

    @property
    def is_over(self) -> bool:
        """Whether it hears nothing more, or is that of another process."""
        return not self._is_set or self._pid != os.getpid()

    @property
    def previous(self) -> Any:
        """The handler that was there before."""
        return self._previous

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a forked child, which we do not record
            self.let_go()
            if signal.getsignal(number) is signal.SIG_DFL:
                os.kill(os.getpid(), number)
        elif self._is_set:
            self._moments.append(perf_counter_ns())
        if callable(self._previous):
            self._previous(number, frame)

    def take(self) -> list[int]:
        """Return the moments since the last call, of `time.perf_counter_ns`, and forget them."""
        found = []
        with suppress(IndexError):
            while True:
                found.append(self._moments.popleft())
        return found


def _without_ours(handler: Any) -> Any:
    """Return a handler, or for one of ours that is over the one that was there before."""
    owner = getattr(handler, "__self__", None)
    while isinstance(owner, Signals) and owner.is_over:
        handler = owner.previous
        owner = getattr(handler, "__self__", None)
    return handler
