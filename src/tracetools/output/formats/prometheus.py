"""A profile as metrics, in the text format of Prometheus or as OpenMetrics.

The number of series is bounded: spans and lines beyond the heaviest are one series, ``(other)``.
Sums are exact: nanoseconds are written as seconds with nine decimals. The buckets of histograms are
those of a profile added up, so a value that is nearer than 1.6 % to a bound may be on either side.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.histogram import EMPTY, Histogram, middle_of
from tracetools.core.stacks import (
    BLOCKS_THE_LOOP,
    COLLECTIONS,
    OTHER,
    Blocks,
    Frame,
    Times,
    is_of_loop,
)
from tracetools.guest.pace import paced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath

__all__ = [
    "MOST_SERIES",
    "OPENMETRICS",
    "PROMETHEUS",
    "Choice",
    "Family",
    "Sample",
    "families_of",
    "format_families",
    "format_prometheus",
]

MOST_SERIES: Final = 50
"""How many spans and how many lines have series of their own, if nothing else is asked for."""

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The content types of both formats."""

_SECOND: Final = 10**9
_PREFIX: Final = "tracetools_"
_BOUNDS: Final = tuple(
    round(seconds * _SECOND)
    for seconds in (
        *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
        *(1, 2.5, 5, 10, 30, 60),
    )
)
"""The upper bounds of the buckets, in nanoseconds; above them is infinity."""

_UNPRINTABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff]")

_Labels = tuple[tuple[str, str], ...]


_LENGTHS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)
"""The upper bounds of the buckets of lengths."""


class Sample(NamedTuple):
    """A line.

    Attributes:
        suffix: what its name ends with.
        labels: its labels.
        value: its value; of times, in nanoseconds.
        is_time: whether it is a time, which is written in seconds.
    """

    suffix: str
    labels: _Labels
    value: int | float
    is_time: bool = False


class Family(NamedTuple):
    """A metric: its name without the end of counters, its type, what it is, and its samples."""

    name: str
    kind: str
    help: str
    samples: Sequence[Sample]


class Choice:
    """What has series of its own: the heaviest at first, then what comes, while there is room.

    Whoever asks several times keeps one. So nothing moves from one series to another meanwhile, and
    no counter goes down.

    Args:
        most: how many spans, and how many lines that block the loop, have series of their own.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._chosen: dict[str, dict[Frame, None]] = {}

    def among(self, kind: str, frames: Iterable[Frame]) -> Collection[Frame]:
        """Return those of one kind that are chosen, of frames that come the heaviest first."""
        chosen = self._chosen.setdefault(kind, {})
        for frame in frames:
            if len(chosen) >= self._most:
                break
            chosen[frame] = None
        return chosen


def format_prometheus(
    profile: Profile, *, openmetrics: bool = False, most: int = MOST_SERIES
) -> str:
    """Return the metrics of a profile. Equal profiles give equal text.

    All but the utilisation are counters, of what was recorded up to now.

    Args:
        profile: what was recorded.
        openmetrics: whether it is OpenMetrics 1.0, which ends with ``# EOF``; else the text format
            of Prometheus, 0.0.4.
        most: how many spans, and how many lines that block the loop, have series of their own.
    """
    return format_families(families_of(profile, Choice(most)), openmetrics=openmetrics)


def format_families(families: Iterable[Family], *, openmetrics: bool = False) -> str:
    """Return metrics as text; see `format_prometheus`."""
    lines = [line for family in families for line in _lines(family, openmetrics)]
    return "\n".join([*lines, "# EOF\n"] if openmetrics else [*lines, ""])


def families_of(profile: Profile, choice: Choice, whole: Frame | None = None) -> Iterator[Family]:
    """Yield the metrics of a profile.

    Args:
        profile: what was recorded.
        choice: what has series of its own.
        whole: a span to which the time of all spans and tasks within it belongs.
    """
    spans = _Spans(profile, choice, whole)
    yield from _of_loops(profile)
    yield Family(
        "task_seconds",
        "counter",
        "Time of tasks by their innermost span or task, and by what they did.",
        [
            Sample("_total", (*span, ("state", state)), getattr(times, state), is_time=True)
            for span, times in spans.times.items()
            for state in ("busy", "scheduled", "idle", "thread")
            if getattr(times, state)
        ],
    )
    yield Family(
        "span_duration_seconds",
        "histogram",
        "How long spans and tasks lasted.",
        [each for span, found in spans.latencies.items() for each in _times(found, span)],
    )
    yield from _blocking(profile, choice)
    yield Family(
        "scheduling_delay_seconds",
        "histogram",
        "From when a task could step until it did.",
        [*_times(profile.scheduling_delay)] if profile.scheduling_delay.count else [],
    )
    yield Family(
        "ready_tasks",
        "histogram",
        "How many tasks could step whenever one more could, that one included.",
        [*_counts(profile.queue)] if profile.queue.count else [],
    )


def _of_loops(profile: Profile) -> Iterator[Family]:
    states = {
        "tasks": profile.busy,
        "callbacks": profile.callbacks,
        "waiting": profile.waiting,
        "own": profile.own - profile.callbacks - profile.waiting,
    }
    yield Family(
        "loop_seconds",
        "counter",
        "Time of event loops by what they did: steps of tasks, callbacks, waiting for events, own"
        " work.",
        [Sample("_total", (("state", each),), time, is_time=True) for each, time in states.items()],
    )
    ratio = 1 - profile.waiting / profile.duration if profile.duration else 0.0
    yield Family(
        "loop_utilization_ratio",
        "gauge",
        "The part of the recording in which event loops did not wait for events.",
        [Sample("", (), ratio)],
    )
    yield Family(
        "collecting_seconds",
        "counter",
        "Time in which event loops stood still for collections of garbage.",
        [Sample("_total", (), profile.collecting, is_time=True)],
    )


def _blocking(profile: Profile, choice: Choice) -> Iterator[Family]:
    lines: dict[Frame, Blocks] = {}
    for path, blocks in profile.blocking.items():
        if path and blocks.count:
            line = _line_of(path)
            lines[line] = blocks.plus(lines.get(line, Blocks()))
    order = sorted(lines, key=lambda line: (-lines[line].total, line.label))
    chosen = choice.among("blocking", order)
    shown: dict[_Labels, Blocks] = {}
    for line in order:
        labels = _named("function", line if line in chosen else OTHER)
        shown[labels] = lines[line].plus(shown.get(labels, Blocks()))
    counts = [Sample("_total", labels, each.count) for labels, each in shown.items()]
    times = [Sample("_total", labels, each.total, is_time=True) for labels, each in shown.items()]
    yield Family("blocking_steps", "counter", "Steps that blocked an event loop.", counts)
    yield Family("blocking_seconds", "counter", "How long these steps took.", times)


def _line_of(path: StackPath) -> Frame:
    """Return the function that blocks, at the line that does."""
    last = path[-1]
    if last.name != BLOCKS_THE_LOOP or len(path) == 1:
        return last
    return last._replace(name=path[-2].name)


class _Spans:
    """What is known of spans and tasks, by their labels; of the heaviest, and of all others."""

    def __init__(self, profile: Profile, choice: Choice, whole: Frame | None) -> None:
        times = _by_frame(profile, whole)
        latencies: dict[Frame, Histogram] = {}
        for path, found in paced(profile.latencies.items()):
            if path and found.buckets and whole not in path[:-1]:
                latencies[path[-1]] = found.plus(latencies.get(path[-1], EMPTY))
        frames = {*times, *latencies}

        def weight(frame: Frame) -> tuple[int, str]:
            spent = times.get(frame, Times())
            lived = latencies.get(frame, EMPTY).total
            return -(lived + sum(spent[:_NUMBERS])), frame.label

        order = sorted(frames, key=weight)
        labels = {frame: _named("span", frame) for frame in choice.among("span", order)}
        other = _named("span", OTHER)
        self.times: dict[_Labels, Times] = {}
        self.latencies: dict[_Labels, Histogram] = {}
        for frame in order:
            name = labels.get(frame, other)
            if frame in times:
                self.times[name] = times[frame].plus(self.times.get(name, Times()))
            if frame in latencies:
                self.latencies[name] = latencies[frame].plus(self.latencies.get(name, EMPTY))


_NUMBERS: Final = 4
"""How many numbers of `Times` are times."""


def _by_frame(profile: Profile, whole: Frame | None) -> dict[Frame, Times]:
    """Return the times of all stacks by their innermost span or task, each time once."""
    found: dict[Frame, Times] = {}
    for path, times in paced(profile.stacks.items()):
        if any(times[:_NUMBERS]) and not is_of_loop(path):
            frame = (
                whole if whole is not None and whole in path else _innermost(path, profile.stacks)
            )
            found[frame] = times.plus(found.get(frame, Times()))
    return found


def _innermost(path: StackPath, stacks: Mapping[StackPath, Times]) -> Frame:
    for depth in range(len(path), 1, -1):
        known = stacks.get(path[:depth])
        if known is not None and known.entries and path[depth - 1] not in COLLECTIONS:
            return path[depth - 1]
    return path[1]


# -- text ------------------------------------------------------------------------------------------


def _named(name: str, frame: Frame) -> _Labels:
    return ((name, frame.name), ("location", frame.location if frame.file != "" else ""))


def _times(found: Histogram, labels: _Labels = ()) -> Iterator[Sample]:
    """Yield the cumulative buckets, the sum and the count of times."""
    return _histogram(found, labels, _BOUNDS, _bound, is_time=True)


def _counts(found: Histogram, labels: _Labels = ()) -> Iterator[Sample]:
    return _histogram(found, labels, _LENGTHS, lambda length: repr(float(length)), is_time=False)


def _histogram(
    found: Histogram,
    labels: _Labels,
    bounds: Iterable[int],
    written: Callable[[int], str],
    *,
    is_time: bool,
) -> Iterator[Sample]:
    values = sorted(found.buckets.items())
    below = at = 0
    for bound in bounds:
        while at < len(values) and middle_of(values[at][0]) <= bound:
            below += values[at][1]
            at += 1
        yield Sample("_bucket", (*labels, ("le", written(bound))), below)
    yield Sample("_bucket", (*labels, ("le", "+Inf")), found.count)
    yield Sample("_sum", labels, found.total, is_time)
    yield Sample("_count", labels, found.count)


def _bound(nanoseconds: int) -> str:
    """Return a bound in seconds, always with a point, as OpenMetrics has them."""
    return repr(nanoseconds / _SECOND)


def _seconds(nanoseconds: int) -> str:
    """Return exact seconds."""
    whole, rest = divmod(abs(nanoseconds), _SECOND)
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}{whole}.{rest:09d}"


def _lines(family: Family, openmetrics: bool) -> Iterable[str]:
    if not family.samples:
        return
    name = _PREFIX + family.name
    is_counter = family.kind == "counter"
    described = name if openmetrics or not is_counter else f"{name}_total"
    yield f"# HELP {described} {family.help}"
    yield f"# TYPE {described} {family.kind}"
    if openmetrics and family.name.endswith("_seconds"):
        yield f"# UNIT {described} seconds"
    for sample in family.samples:
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels)
        value = _seconds(int(sample.value)) if sample.is_time else repr(sample.value)
        yield f"{name}{sample.suffix}{labels and f'{{{labels}}}'} {value}"


def _escaped(text: str) -> str:
    """Return the value of a label; what cannot be shown becomes a blank."""
    text = _UNPRINTABLE.sub(" ", text)
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
