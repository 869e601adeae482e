"""How long spans and tasks lasted, and what the time was: of all of them, and of the slow ones."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.histogram import EMPTY, Histogram
from tracetools.core.profile import SCHEDULED as SCHEDULED_FRAME
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import RUNTIME, Frame
from tracetools.output.frame_kinds import AWAIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.core.origins import Origin
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath, Times

__all__ = [
    "BEHIND",
    "BUSY",
    "SCHEDULED",
    "THREADS",
    "UNKNOWN",
    "WAITING",
    "Latency",
    "Part",
    "latencies_of",
]

BUSY: Final = "busy"
SCHEDULED: Final = "waiting for its turn"
BEHIND: Final = "its turn, behind"
"""What is said before the name of what steps meanwhile."""

THREADS: Final = "in worker threads"
WAITING: Final = "waiting"
UNKNOWN: Final = "unknown"


class Part(NamedTuple):
    """A part of the time of some spans.

    Attributes:
        what: one of the words above, or what was awaited, as its frame names it.
        time: in nanoseconds.
        share: of all parts, from 0 to 1.
    """

    what: str
    time: int
    share: float


class Latency(NamedTuple):
    """The spans or tasks of one frame.

    Attributes:
        frame: the frame.
        histogram: how long they lasted, in nanoseconds.
        parts: what was done in them, and in the tasks below them, the longest first. The tasks may
            have run side by side: so this may be more than they lasted.
        slow: the slow ones, as many as were kept.
        slow_parts: what the time of those was, in their own tasks: this is what they lasted.
        critical_parts: what explains that, by the last frame of each piece of the critical path.
        origins: whose the files of frames are, as far as that is known.
    """

    frame: Frame
    histogram: Histogram
    parts: tuple[Part, ...] = ()
    slow: SlowSpans = SlowSpans()
    slow_parts: tuple[Part, ...] = ()
    critical_parts: tuple[Part, ...] = ()
    origins: Mapping[str, Origin] = MappingProxyType({})


def latencies_of(profile: Profile) -> list[Latency]:
    """Return the spans and tasks by frame, those first that lasted longest in all.

    Tasks of the backend's own are left out.
    """
    histograms: dict[Frame, Histogram] = {}
    for path, histogram in profile.latencies.items():
        if path and RUNTIME not in path:
            histograms[path[-1]] = histogram.plus(histograms.get(path[-1], EMPTY))
    slow: dict[Frame, SlowSpans] = {}
    for path, spans in profile.slow.items():
        slow[path[-1]] = spans.plus(slow.get(path[-1], SlowSpans()))
    times = _times_of(profile.stacks, histograms)
    found: list[Latency] = []
    for frame, histogram in histograms.items():
        each = Latency(frame, histogram, _parts(times[frame]))
        if frame in slow:
            told, critical = slow[frame], _critical_times(slow[frame])
            parts = _parts(_slow_times(told)), _parts(critical)
            each = Latency(*each[:3], told, *parts, profile.origins)
        found.append(each)
    return sorted(found, key=lambda each: (-each.histogram.total, each.frame.label))


def _times_of(
    stacks: Mapping[StackPath, Times], frames: Iterable[Frame]
) -> dict[Frame, Counter[str]]:
    """Return for each frame what was done below it."""
    found: dict[Frame, Counter[str]] = {frame: Counter() for frame in frames}
    for path, times in stacks.items():
        last = path[-1]
        waits = last.label if last.name.startswith(AWAIT) else WAITING
        parts = (
            (BUSY, times.busy),
            (SCHEDULED, times.scheduled),
            (THREADS, times.thread),
            (waits, times.idle),
        )
        for frame in found.keys() & set(path):
            for what, time in parts:
                if time:
                    found[frame][what] += time
    return found


def _slow_times(slow: SlowSpans) -> dict[str, int]:
    told = slow.breakdown
    others = {
        BUSY: told.busy,
        SCHEDULED: told.scheduled,
        WAITING: told.unnamed,
        UNKNOWN: told.unknown,
    }
    return {**told.waits, **others}


def _critical_times(slow: SlowSpans) -> Counter[str]:
    found: Counter[str] = Counter()
    for path, time in slow.critical.shares.items():
        last = path[-1]
        if last == SCHEDULED_FRAME:
            found[SCHEDULED] += time
        else:
            found[f"{BEHIND} {last.label}" if SCHEDULED_FRAME in path else last.label] += time
    return found


def _parts(times: Mapping[str, int]) -> tuple[Part, ...]:
    known = sorted((-time, what) for what, time in times.items() if time > 0)
    whole = -sum(time for time, _ in known)
    return tuple(Part(what, -time, -time / whole) for time, what in known)
