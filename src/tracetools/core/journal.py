"""The last events of loops, in memory of a fixed size: what a flight recorder keeps.

This is the reference of `native/journal.c`. `recording/replay` makes timelines of it.
"""

from __future__ import annotations

import struct
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "ANY_LOOP",
    "EXIT",
    "INTERRUPT",
    "MOST_LOOPS",
    "RECORD_BYTES",
    "SLOW",
    "SPAN",
    "STEP",
    "WAIT",
    "WAKE",
    "WORK",
    "YIELD",
    "Journal",
    "Record",
    "records_of",
    "records_of_kind",
]

STEP, INTERRUPT, WAKE, WAIT, SPAN, SLOW, EXIT, WORK, YIELD = range(1, 10)
"""What a record tells of:

- a step, when it ends; for one that has interrupted another one, `begin` is its end as well;
- the begin of a step that interrupts another one;
- a task that becomes ready; `other` is the task that has woken it, `stack` what that did;
- a wait, when it ends; `stack` is what was awaited;
- a span, when it ends; the same for one that was slow;
- a task, when it exits; `other` is the task that has spawned it;
- a span in a worker thread, when it ends; `task` waits for it, `other` is the thread;
- a step, when it ends, and the task is ready again at once. The reference notes two events.
"""

_LAYOUT: Final = struct.Struct("=qqIIIHH")
_LOOP_BITS: Final = 12
_WORD: Final = (1 << 32) - 1

RECORD_BYTES: Final = _LAYOUT.size
_KIND_AT: Final = struct.calcsize("=qqIII")
MOST_LOOPS: Final = 1 << _LOOP_BITS
ANY_LOOP: Final = -1


class Record(NamedTuple):
    """One event.

    Attributes:
        kind: what it tells of.
        loop: the number of its loop, modulo `MOST_LOOPS`.
        begin: when it began, in nanoseconds.
        end: when it ended; the same for what has no duration.
        task: the number of the task.
        stack: the number of the stack; 0 for none.
        other: the number of another task, or of a thread; 0 for none.
        site: the number of a line; 0 for none.
    """

    kind: int
    loop: int
    begin: int
    end: int
    task: int
    stack: int
    other: int
    site: int


@accelerated
class Journal:
    """The last events, oldest first. Each new one takes the place of the oldest.

    Any thread may note events, and read them.

    Args:
        most: how many there are at most.

    Attributes:
        noted: how many events were noted in all.
        slow: how many of them are slow spans.

    Raises:
        ValueError: there is no room for one.
    """

    __slots__ = ("_records", "noted", "slow")

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError("a journal has room for one event at least")
        self._records: deque[bytes] = deque(maxlen=most)
        self.noted = self.slow = 0

    def note(  # noqa: PLR0913, PLR0917  # the fields of a record
        self,
        kind: int,
        loop: int,
        begin: int,
        end: int,
        task: int,
        stack: int = 0,
        other: int = 0,
        site: int = 0,
    ) -> None:
        """Note an event."""
        number = kind << _LOOP_BITS | loop % MOST_LOOPS
        self._records.append(_LAYOUT.pack(begin, end, task, stack, other & _WORD, number, site))
        self.noted += 1
        if kind == SLOW:
            self.slow += 1

    @property
    def lost(self) -> int:
        """How many events were noted and are not kept any more."""
        return self.noted - len(self._records)

    @property
    def oldest(self) -> int:
        """When the oldest event ended that is kept; 0 if there is none."""
        end: int = _LAYOUT.unpack(self._records[0])[1] if self._records else 0
        return end

    def since(self, moment: int, loop: int = ANY_LOOP, first: int = 0) -> bytes:
        """Return the events since the last step that ended before a moment; see `records_of`.

        Args:
            moment: the moment.
            loop: the number of the loop whose steps count, modulo `MOST_LOOPS`: each loop may have
                a clock of its own. With `ANY_LOOP`, all of them count.
            first: the number of the first event that is returned at most; see `noted`.
        """
        found: list[bytes] = []
        for packed in islice(reversed(list(self._records)), max(self.noted - first, 0)):
            end, number = _LAYOUT.unpack(packed)[1::4]
            is_of_loop = loop in {ANY_LOOP, number % MOST_LOOPS}
            if number >> _LOOP_BITS in {STEP, YIELD} and is_of_loop and end < moment:
                break
            found.append(packed)
        return b"".join(reversed(found))


def records_of(packed: bytes) -> Iterator[Record]:
    """Yield the events that `Journal.since` has returned, oldest first."""
    for begin, end, task, stack, other, number, site in _LAYOUT.iter_unpack(packed):
        kind, loop = number >> _LOOP_BITS, number % MOST_LOOPS
        yield Record(kind, loop, begin, end, task, stack, other, site)


def records_of_kind(packed: bytes, kind: int) -> Iterator[tuple[int, Record]]:
    """Yield the events of one kind, each with its index; much faster than to read all of them."""
    kinds = memoryview(packed).cast("H")[_KIND_AT // 2 :: RECORD_BYTES // 2]
    for index, number in enumerate(kinds):
        if number >> _LOOP_BITS == kind:
            begin = index * RECORD_BYTES
            [record] = records_of(packed[begin : begin + RECORD_BYTES])
            yield index, record
