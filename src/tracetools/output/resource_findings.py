"""What stands out of locks, semaphores, limiters and queues, and what is said of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.resources import COULD_STEP, ITSELF, UNKNOWN_HOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.core.profile import Profile
    from tracetools.core.resources import Resource, ResourceUse
    from tracetools.core.stacks import Frame, StackPath

__all__ = [
    "ResourceFinding",
    "convoys",
    "full_queues",
    "growing_queues",
    "held_over_awaits",
    "sentence",
    "telling",
    "used_up",
]

_LEAST_PART: Final = 100
"""Tasks that wait are reported from this fraction (1/100) of the recording on."""

_SATURATED: Final = 0.05
_MIN_LEFT: Final = 100
"""A queue grows if at least so many items are left in it, half of the most that it had."""

_MIN_WAITS: Final = 20
_MIN_WAITING: Final = 3
_MANY_TIMES: Final = 3
"""A convoy: at least so many waits, so many at a time, each so many times as long as a hold."""


class ResourceFinding(NamedTuple):
    """What was found: perhaps by whom, in half a sentence, and how much time is concerned."""

    path: StackPath | None
    text: str
    weight: int
    many: int


def telling(profile: Profile) -> list[tuple[Resource, ResourceUse]]:
    """Return the resources that tasks have waited for, those with the longest waits first."""
    waited = [
        (resource, use)
        for resource, use in profile.resources.items()
        if use.waited.total or _left(use)
    ]
    return sorted(waited, key=lambda item: (-item[1].waited.total, item[0].label))


def sentence(use: ResourceUse, amount: Callable[[int], str]) -> str:
    """Return what was done with a resource, in half a sentence."""
    parts = []
    waited, held = use.waited, use.held
    if waited.count:
        at_once = f", up to {use.most_waiting:,} at once" if use.most_waiting > 1 else ""
        given_up = f", {waited.given_up:,} gave up" if waited.given_up else ""
        parts.append(
            f"waited for {_times(waited.count)}, {amount(waited.max)} at most{at_once}{given_up}"
        )
    if held.count:
        blocker = _blocker(use)
        over = "" if blocker is None else f", over {blocker.label}"
        parts.append(
            f"held {_times(held.count)}, {amount(held.max)} at most, most by {_most_of(use)}{over}"
        )
    if use.saturated and use.saturation >= 0.01:  # noqa: PLR2004  # a percent
        taken = "taken" if use.size in (None, 1) else f"all {use.size:,} taken"
        what = "full" if use.is_queue else taken
        parts.append(f"{what} for {100 * use.saturation:.0f} % of the time")
    if use.is_queue:
        parts.append(f"{use.items:,} items put, {use.taken:,} taken{''.join(_left(use))}")
        parts.append(f"{use.mean_length:,.1f} in it on average, {use.lengths.max:,} at most")
    if use.getters:
        late = use.got_late
        parts.append(f"empty {_times(late.count)}, for {amount(late.max)} at most")
    return "; ".join(parts)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _most_of(use: ResourceUse) -> str:
    path = max(use.holds, key=lambda path: (use.holds[path].total, path[-1].label))
    return path[-1].label


def _left(use: ResourceUse) -> list[str]:
    """Return that items were left in a queue, if they are many."""
    left = use.items - use.taken
    if left < _MIN_LEFT or 2 * left < use.lengths.max:
        return []
    return [f", {left:,} left"]


def _blocker(use: ResourceUse) -> Frame | None:
    """Return the await of holders for which others waited longest, if it is most of the waits."""
    by_await: dict[Frame, int] = {}
    for path, waits in use.blockers.items():
        by_await[path[-1]] = by_await.get(path[-1], 0) + waits.total
    known = {frame: total for frame, total in by_await.items() if _is_await(frame)}
    if not known:
        return None
    frame = max(known, key=lambda frame: (known[frame], frame.label))
    return frame if 2 * known[frame] >= sum(by_await.values()) else None


def _is_await(frame: Frame) -> bool:
    return frame not in (COULD_STEP, ITSELF, UNKNOWN_HOLDER) and frame.name.startswith("await ")


# -- rules ---------------------------------------------------------------------------------------


def _contended(profile: Profile) -> Iterator[tuple[Resource, ResourceUse]]:
    """Yield the resources that tasks have waited for so long that it is worth a report."""
    for resource, use in profile.resources.items():
        if use.waited.total and _LEAST_PART * use.waited.total >= profile.duration:
            yield resource, use


def held_over_awaits(profile: Profile, amount: Callable[[int], str]) -> Iterator[ResourceFinding]:
    """Find locks that a task holds while it awaits something else, and others wait for them."""
    for resource, use in _contended(profile):
        if use.size != 1 or use.is_queue:
            continue
        for path, waits in use.blockers.items():
            if _is_await(path[-1]) and _LEAST_PART * waits.total >= profile.duration:
                yield ResourceFinding(
                    path[:-1],
                    f"{resource.label} was held over {path[-1].label}: others waited"
                    f" {amount(waits.total)} for it, {_times(waits.count)}",
                    min(waits.total, profile.duration),
                    waits.count,
                )


def used_up(profile: Profile, amount: Callable[[int], str]) -> Iterator[ResourceFinding]:
    """Find semaphores and limiters all of whose tokens are taken for long."""
    for resource, use in _contended(profile):
        is_told = resource.kind == "CapacityLimiter" and bool(profile.limiters)
        if use.is_queue or use.size in (None, 1) or is_told or use.saturation < _SATURATED:
            continue
        yield ResourceFinding(
            None,
            f"{resource.label}: all {use.size:,} were taken for {100 * use.saturation:.0f} % of"
            f" the time; up to {use.most_waiting:,} tasks waited at once, {_in_all(use, amount)}",
            min(use.waited.total, profile.duration),
            use.waited.count,
        )


def full_queues(profile: Profile, amount: Callable[[int], str]) -> Iterator[ResourceFinding]:
    """Find queues that are full for long, so that tasks wait to put an item."""
    for resource, use in _contended(profile):
        if use.is_queue and use.saturation >= _SATURATED:
            yield ResourceFinding(
                None,
                f"{resource.label} was full for {100 * use.saturation:.0f} % of the time; tasks"
                f" waited {_times(use.waited.count)} to put an item, {_in_all(use, amount)}",
                min(use.waited.total, profile.duration),
                use.waited.count,
            )


def growing_queues(profile: Profile, _: Callable[[int], str]) -> Iterator[ResourceFinding]:
    """Find queues in which many items were left."""
    for resource, use in profile.resources.items():
        for left in _left(use):
            yield ResourceFinding(
                None,
                f"{resource.label}: {use.items:,} items put, {use.taken:,} taken{left}",
                0,
                use.items - use.taken,
            )


def convoys(profile: Profile, amount: Callable[[int], str]) -> Iterator[ResourceFinding]:
    """Find locks that are held for a short time again and again, with a line of tasks waiting."""
    for resource, use in _contended(profile):
        waited, held = use.waited, use.held
        is_line = use.size == 1 and not use.is_queue and use.most_waiting >= _MIN_WAITING
        if not is_line or waited.count < _MIN_WAITS or not held.count:
            continue
        mean_wait, mean_hold = waited.total // waited.count, held.total // held.count
        if mean_wait >= _MANY_TIMES * mean_hold and 2 * held.max <= waited.max:
            yield ResourceFinding(
                None,
                f"{resource.label}: {waited.count:,} waits of {amount(mean_wait)} on average for"
                f" holds of {amount(mean_hold)}, up to {use.most_waiting:,} tasks in line",
                min(waited.total, profile.duration),
                waited.count,
            )


def _in_all(use: ResourceUse, amount: Callable[[int], str]) -> str:
    return f"{amount(use.waited.total)} in all"
