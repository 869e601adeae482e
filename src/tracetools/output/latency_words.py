"""What is said of how long spans lasted: sentences for terminals and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.origins import guessed_origin
from tracetools.output.answers.words import percent
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Frame
    from tracetools.output.latencies import Latency, Part

__all__ = ["largest_saving", "listed_parts", "sentences_on", "verdict", "what_is_not_kept"]

_MOST_PARTS: Final = 4
_LEAST_SHARE: Final = 0.005
_MUCH_THE_SAME: Final = 0.8


def sentences_on(each: Latency) -> Iterator[str]:
    """Yield what the time of spans was: of all of them, then of the slow ones that were kept."""
    if each.parts:
        yield f"in all: {listed_parts(each.parts)}"
    slow, count = each.slow, each.slow.breakdown.count
    if count:
        mean = amount(slow.breakdown.duration // count)
        which = "the slowest one" if count == 1 else f"the slowest {count:,}"
        yield f"{which} ({mean} on average): {listed_parts(each.slow_parts)}{_beside(each)}"
        if each.critical_parts != each.slow_parts:
            yield f"what explains that: {listed_parts(each.critical_parts)}"
        if saving := largest_saving(each):
            frame, share = saving
            yield f"without {frame.label} they would take {percent(share)} less at most"


def what_is_not_kept(profile: Profile) -> str:
    """Return how many slow spans were not kept; nothing if none were not."""
    if not profile.not_kept:
        return ""
    were = "1 more slow span was" if profile.not_kept == 1 else f"{profile.not_kept:,} more were"
    return f"{were} not kept: too many at once, or too soon after another one"


def listed_parts(parts: Sequence[Part], most: int = _MOST_PARTS) -> str:
    """Return the largest parts with their shares, such as ``61 % await Lock (app.py:3)``."""
    shown = [part for part in parts if part.share >= _LEAST_SHARE][:most]
    return ", ".join(f"{percent(part.share)} {part.what}" for part in shown)


def verdict(each: Latency) -> str:
    """Return what made the slow ones slow: the largest part of their time, and what is behind."""
    told = each.slow.breakdown
    mean = amount(told.duration // max(1, told.count))
    reason = f"of the slowest ({mean}): {listed_parts(each.slow_parts, 1)}"
    saving = largest_saving(each)
    if saving is None:
        return reason
    frame, share = saving
    return f"{reason}; without {frame.label} {percent(share)} less at most"


def largest_saving(each: Latency) -> tuple[Frame, float] | None:
    """Return the frame without which the slow ones would be faster by the most, and its share.

    Of frames that would save much the same, it is the one that explains the others: that which
    stands highest in a graph, of the program's own files if there is one.
    """
    critical = each.slow.critical
    above: set[Frame] = set()
    height: dict[Frame, int] = {}
    for path in critical.shares:
        begin = path.index(each.frame) + 1 if each.frame in path else 0
        above.update(path[:begin])
        for index, frame in enumerate(path[begin:]):
            height[frame] = max(index, height.get(frame, 0))
    below = {
        frame: saved
        for frame, saved in critical.savings.items()
        if frame in height and frame not in above and frame.file != "" and saved > 0
    }
    if not below or not critical.duration:
        return None
    enough = _MUCH_THE_SAME * max(below.values())

    def key(frame: Frame) -> tuple[bool, int, int, str]:
        file = frame.file or ""
        is_own = each.origins.get(file, guessed_origin(file)) == "own"
        return is_own and file != "", height[frame], below[frame], frame.label

    roots = (frame for frame, saved in below.items() if saved >= enough)
    frame = max(roots, key=key)
    return frame, below[frame] / critical.duration


def _beside(each: Latency) -> str:
    """Return how much of the waiting was for children and threads."""
    told = each.slow.breakdown
    parts = ((told.children, "for child tasks"), (told.threads, "for threads"))
    shares = [(time / max(1, told.duration), what) for time, what in parts]
    said = [f"{percent(share)} {what}" for share, what in shares if share >= _LEAST_SHARE]
    return f"; of that {' and '.join(said)}" if said else ""
