"""Makes timelines of what a journal has kept of a loop, and of what its tasks do just now.

A journal knows tasks and stacks by numbers, and notes most things when they end. So what still goes
on is read from the accounts of the loop, which may run in another thread: what it does in the
meantime may be missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.accounting import outwards
from tracetools.core.journal import (
    EXIT,
    INTERRUPT,
    MOST_LOOPS,
    RECORD_BYTES,
    SLOW,
    SPAN,
    STEP,
    WAIT,
    WAKE,
    WORK,
    YIELD,
    records_of,
    records_of_kind,
)
from tracetools.core.stacks import ALL_CALLBACKS, stack_path
from tracetools.core.steps import ALWAYS, NEVER
from tracetools.core.wake_sites import frame_of_site
from tracetools.guest.pace import paced
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake, Work
from tracetools.timelines.wakers import with_wakers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tracetools.core.edges import Waker
    from tracetools.core.journal import Journal, Record
    from tracetools.core.stacks import Frame, Stack, StackPath, StackTree
    from tracetools.recording.loops import RecordedLoop

__all__ = ["Paths", "paced_records_of_kind", "replay"]

_AT_ONCE: Final = 4096 * RECORD_BYTES
"""So many bytes are searched for records of one kind between two breaks."""


class Paths:
    """The paths of stacks by their numbers.

    Args:
        trees: of all stacks that there may be; they may grow meanwhile.
        shorten: returns a frame as it is shown.
    """

    def __init__(self, trees: Iterable[StackTree], shorten: Callable[[Frame], Frame]) -> None:
        self._stacks: dict[int, Stack] = {
            stack.number: stack for tree in trees for stack in paced(tree.stacks[:])
        }
        self._shorten = shorten
        self._paths: dict[int, StackPath] = {}

    def stack(self, number: int) -> Stack | None:
        """Return a stack; ``None`` if there is none with this number."""
        return self._stacks.get(number)

    def of(self, number: int) -> StackPath:
        """Return the path of a stack; an empty one for none."""
        path = self._paths.get(number)
        if path is None:
            stack = self._stacks.get(number)
            path = () if stack is None else self.of_stack(stack)
        return path

    def line(self, site: int) -> Frame | None:
        """Return the frame of a line of code, by its number."""
        frame = frame_of_site(site)
        return None if frame is None else self._shorten(frame)

    def of_stack(self, stack: Stack) -> StackPath:
        """Return the path of a stack."""
        path = self._paths.get(stack.number)
        if path is None:
            path = self._paths[stack.number] = tuple(map(self._shorten, stack_path(stack)))
        return path


def replay(  # noqa: PLR0913  # what a timeline is made of
    journal: Journal,
    paths: Paths,
    *,
    number: int,
    loop: RecordedLoop | None,
    begin: int,
    end: int,
    subject: SpanTime | None = None,
    starts: int = 0,
    first: int = 0,
    most: int = NEVER,
) -> Timeline:
    """Return what the tasks of a loop did from one moment to another.

    Args:
        journal: keeps the last events of the loop.
        paths: finds the paths of stacks.
        number: the number of the loop.
        loop: its account; ``None`` if its recording has ended.
        begin: the first moment.
        end: the last one.
        subject: the span that is asked about, if any.
        starts: the moment of the epoch at `begin`, in nanoseconds.
        first: the number of the first event that is read at most.
        most: how many events are read at most.
    """
    reader = _Reader(paths)
    number %= MOST_LOOPS
    noted = journal.noted
    packed = journal.since(begin, number, first)
    is_cut = first > 0 and len(packed) >= (noted - first) * RECORD_BYTES
    size = most * RECORD_BYTES
    for record in paced(records_of(packed[:size])):
        if record.loop == number and record.end >= begin and record.begin <= end:
            reader.read(record)
    if loop is not None:
        reader.read_living(loop, end)
    later = packed[size:] + journal.since(ALWAYS, first=noted)
    for _, record in paced_records_of_kind(later, EXIT):
        if record.loop == number and record.begin <= end:
            reader.read(record)  # it may have exited just now
    timeline = Timeline(
        begin,
        end,
        lives=reader.lives,
        steps=tuple(reader.steps),
        wakes=tuple(sorted(reader.wakes, key=lambda wake: wake.moment)),
        waits=tuple(reader.waits),
        spans=tuple(reader.spans),
        works=tuple(reader.works),
        subject=subject,
        starts=starts,
        is_cut=is_cut or (journal.lost > 0 and journal.oldest > begin),
    )
    return with_wakers(timeline)


def paced_records_of_kind(packed: bytes, kind: int) -> Iterator[tuple[int, Record]]:
    """Yield the events of one kind, each with its index, and rest now and then; see `paced`."""
    for begin in paced(range(0, len(packed), _AT_ONCE)):
        part = packed[begin : begin + _AT_ONCE]
        for index, record in records_of_kind(part, kind):
            yield begin // RECORD_BYTES + index, record


_READ: Final = {
    STEP: "_step",
    INTERRUPT: "_interrupt",
    WAKE: "_wake",
    WAIT: "_wait",
    SPAN: "_span",
    SLOW: "_span",
    EXIT: "_exit",
    WORK: "_work",
    YIELD: "_yield",
}
"""The method that reads a record, by its kind."""


class _Reader:
    """Reads records, oldest first, and then what goes on.

    Attributes:
        lives, steps, wakes, waits, spans, works: as in a `Timeline`.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self.lives: dict[int, Life] = {}
        self.steps: list[Step] = []
        self.wakes: list[Wake] = []
        self.waits: list[Wait] = []
        self.spans: list[SpanTime] = []
        self.works: list[Work] = []
        self._interrupting: dict[int, int] = {}
        self._pending: dict[int, list[int]] = {}

    def read(self, record: Record) -> None:
        """Read the next one."""
        read: Callable[[Record], None] = getattr(self, _READ[record.kind])
        read(record)

    def _step(self, record: Record) -> None:
        begin = record.begin
        if begin == record.end:
            begin = self._interrupting.pop(record.task, begin)
        self._add_step(Step(record.task, begin, record.end))

    def _add_step(self, step: Step) -> None:
        self.steps.append(step)
        pending = self._pending.pop(step.task, [])
        if len(pending) > 1 or (pending and self.wakes[pending[0]].moment > step.begin):
            # It was woken while it stepped: it is ready from the end of the step on.
            [*_, last] = self._pending[step.task] = pending[-1:]
            wake = self.wakes[last]
            self.wakes[last] = wake._replace(moment=max(wake.moment, step.end))

    def _yield(self, record: Record) -> None:
        self._step(record)
        self._wake(record)

    def _interrupt(self, record: Record) -> None:
        self._interrupting[record.task] = record.begin

    def _wake(self, record: Record) -> None:
        path = self._paths.of(record.stack)
        waker = record.other or None
        by: Waker = "loop" if waker is None else "task"
        if path[1:2] and path[1] in ALL_CALLBACKS:
            by, waker = "callback", None
        self._pending.setdefault(record.task, []).append(len(self.wakes))
        line = self._paths.line(record.site) if record.site else None
        self.wakes.append(Wake(record.task, record.end, by, waker, path, line))

    def _wait(self, record: Record) -> None:
        path = self._paths.of(record.stack)
        self.waits.append(Wait(record.task, record.begin, record.end, path))

    def _span(self, record: Record) -> None:
        path = self._paths.of(record.stack)
        self.spans.append(SpanTime(record.task, record.begin, record.end, path))

    def _exit(self, record: Record) -> None:
        path, spawner = self._paths.of(record.stack), record.other or None
        self.lives[record.task] = Life(record.task, path, spawner, record.begin, record.end)

    def _work(self, record: Record) -> None:
        path = self._paths.of(record.stack)
        self.works.append(Work(record.task, record.begin, record.end, path, record.other))

    def read_living(self, loop: RecordedLoop, end: int) -> None:
        """Read what goes on in a loop just now."""
        current, began = loop.current, loop.began
        for task in list(loop.tasks):
            if task.born > end:
                continue
            by = None if task.spawner is None else task.spawner.number
            path = self._paths.of_stack(task.base)
            self.lives.setdefault(task.number, Life(task.number, path, by, task.born, None))
            for opened in reversed(list(outwards(task.innermost))):
                if opened.lasts and opened.since <= end:
                    path = self._paths.of_stack(opened.stack)
                    self.spans.append(SpanTime(task.number, opened.since, None, path))
            if task is current and began <= end:
                self._add_step(Step(task.number, began, max(began, end)))
