"""A profile of folded stacks, with as much as they say; for their answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.origins import guessed_origin
from tracetools.core.profile import IDLE, SCHEDULED, Profile
from tracetools.core.stacks import DEEPER, Frame, StackPath, Times, is_of_loop
from tracetools.output.answers.data import Answers
from tracetools.output.answers.of_profile import answers_of
from tracetools.output.frame_kinds import AWAIT, kinds_by_guess

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tracetools.core.origins import Origin

__all__ = ["answers_of_stacks", "profile_of_stacks"]

_STATES: Final = {IDLE.name: "idle", SCHEDULED.name: "scheduled"}


_MOST_DEEP: Final = 2_000
"""How many frames a stack has. What is known of each of them takes as much memory as it is deep."""

_UNSAID: Final = "Folded stacks do not say: give a profile."


def answers_of_stacks(profile: Profile) -> Answers:
    """Return the answers of a profile of stacks, with what they cannot say."""
    found = answers_of(profile)
    return Answers(
        replace(found.blocks, note=_UNSAID),
        found.waits if found.waits.whole else replace(found.waits, note=_UNSAID),
        found.computes,
        found.late if found.late.whole else replace(found.late, note=_UNSAID),
    )


def profile_of_stacks(stacks: Mapping[StackPath, int]) -> Profile:
    """Return a profile of stacks whose counts are nanoseconds, or of any other unit.

    All of it is busy time, but for leaves ``[idle]`` and ``[scheduled]``, and for awaits, which are
    idle. Files of well-known packages are libraries. Nothing is known of blocking steps. What is
    deeper than 2,000 frames is charged to ``(deeper)``.
    """
    found: dict[StackPath, Times] = {}
    truncated = False
    for path, count in stacks.items():
        last = path[-1].name if path else ""
        state = _STATES.get(last) or ("idle" if last.startswith(AWAIT) else "busy")
        above = path[:-1] if last in _STATES else path
        is_cut = len(above) > _MOST_DEEP
        truncated = truncated or is_cut
        above = (*above[:_MOST_DEEP], DEEPER) if is_cut else above
        known = found.get(above, Times())
        found[above] = known._replace(**{state: getattr(known, state) + count})
    lived = sum(sum(each) for path, each in found.items() if not is_of_loop(path))
    return Profile(
        stacks=found,
        duration=sum(each.busy for each in found.values()),
        task_time=lived,
        runs=1,
        samples=1,
        truncated=truncated,
        scheduled_measured=any(each.scheduled for each in found.values()),
        origins=_guessed({frame for path in found for frame in path}),
    )


def _guessed(frames: set[Frame]) -> dict[str, Origin]:
    kind_of = kinds_by_guess()
    origins: dict[str, Origin] = {}
    for frame in frames:
        if frame.file:
            is_library = kind_of(Frame("f", frame.file, frame.line)) == "library"
            origin = "library" if is_library else guessed_origin(frame.file)
            if origin != "own":
                origins[frame.file] = origin
    return origins
