"""Who ended waits, in rows such as ``A waited 1.4 s (12 times) for B``, the longest total first.

Only waits that a task, a callback or a thread has ended have a row: of timers and the loop itself,
the sum is said. The runtime's own tasks are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.edges import Waited
from tracetools.core.stacks import RUNTIME, Frame
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.frame_kinds import AWAIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.core.edges import Edge, Waker
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath

__all__ = ["NO_ENDS", "EndedWaits", "WaitRow", "ended_waits"]

_show_time = amount_formatter("ns")


class WaitRow(NamedTuple):
    """Waits of one task or span, at one await, that were ended alike.

    Attributes:
        waiter: the frame of the task, span or function that waited.
        awaited: the frame of the await; ``None`` if it has no name.
        by: who ended them.
        waker: the frame of what that was; ``None`` if it is not known.
        line: the line at which it was; ``None`` if it is not known.
        waited: how many and how long.
    """

    waiter: Frame
    awaited: Frame | None
    by: Waker
    waker: Frame | None
    line: Frame | None
    waited: Waited

    @property
    def who(self) -> str:
        """Who ended the waits, and at which line."""
        name = "" if self.waker is None else _name(self.waker)
        who = {"task": name, "callback": f"callback {name}", "thread": f"{name} in a thread"}
        if self.line is None:
            return who.get(self.by) or self.by
        within = "" if self.waker is None or self.line.name == self.waker.name else self.line.name
        where = f"{within} ({self.line.location})" if within else self.line.location
        return f"{who[self.by]} at {where}"

    @property
    def sentence(self) -> str:
        """All of it in words."""
        count, total, longest = self.waited
        times = "once" if count == 1 else f"{count:,} times, {_show_time(longest)} at most"
        at = "" if self.awaited is None else f" at {self.awaited.label}"
        return f"{self.waiter.label} waited {_show_time(total)} ({times}){at} for {self.who}"


class EndedWaits(NamedTuple):
    """What is known of the ends of waits.

    Attributes:
        rows: those that somebody has ended, the longest total first.
        by_timers, by_loop, unknown: nanoseconds of waits that timers have ended; the loop, for
            events of the system or for reasons that are not known; or that have not ended, or
            nobody has seen the end.
    """

    rows: tuple[WaitRow, ...] = ()
    by_timers: int = 0
    by_loop: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """The nanoseconds of all rows."""
        return sum(row.waited.total for row in self.rows)

    @property
    def others(self) -> str:
        """What is in no row, in words; empty if nothing is."""
        parts = {
            "for timers": self.by_timers,
            "for events of the system, or for what is not known": self.by_loop,
            "without a known end": self.unknown,
        }
        said = [f"{_show_time(time)} {what}" for what, time in parts.items() if time]
        return f"Besides, tasks waited {', '.join(said)}." if said else ""


NO_ENDS: Final = EndedWaits()


def ended_waits(profile: Profile) -> EndedWaits:
    """Return who has ended the waits of a profile."""
    rows: dict[tuple[Frame, Frame | None, Waker, Frame | None, Frame | None], Waited] = {}
    rest = {"timer": 0, "loop": 0, None: 0}
    for edge, waited in profile.edges.items():
        if edge.waiter[1:2] == (RUNTIME,):
            continue
        if edge.by is None or edge.by in rest:
            rest[edge.by] += waited.total
            continue
        key = (*_waiter(edge.waiter), edge.by, _waker(edge), edge.line)
        rows[key] = rows.get(key, Waited()).plus(waited)
    found = (WaitRow(*key, waited) for key, waited in rows.items())
    return EndedWaits(tuple(_sorted(found)), rest["timer"], rest["loop"], rest[None])


def _sorted(rows: Iterable[WaitRow]) -> list[WaitRow]:
    return sorted(rows, key=lambda row: (-row.waited.total, row.sentence))


def _waiter(path: StackPath) -> tuple[Frame, Frame | None]:
    """Return the innermost frame that is no await, and the await."""
    if not path[-1].name.startswith(AWAIT):
        return path[-1], None
    return path[-2] if len(path) > 1 else path[-1], path[-1]


def _waker(edge: Edge) -> Frame | None:
    return edge.waker[-1] if edge.waker else None


def _name(frame: Frame) -> str:
    return frame.name if frame.file == "" else frame.label
