"""Marks on the frames of a graph that blocked the loop.

The path of a blocking step goes down to a function and a line, which a graph may not draw. So a
mark goes to the deepest frame that is drawn of the path. A frame that gets several marks has the
sum of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tracetools.core.labels import LabelPath, label_path
from tracetools.core.stacks import Blocks
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.output.flamegraph.layout import Box

SYMBOL: Final = "\u26a0"
"""The sign before the name of a marked frame: a warning sign, in the colour of the text."""

_HOT: Final = ("busy", "task")
_show_time = amount_formatter("ns")


@dataclass(frozen=True)
class Marks:
    """Blocking steps.

    Attributes:
        blocks: how many there are and how long they took, by labels as in a folded file.
        threshold: the blocking threshold, in nanoseconds; None if it is not known.
    """

    blocks: Mapping[LabelPath, Blocks] = field(default_factory=dict)
    threshold: int | None = None

    @property
    def legend(self) -> str:
        """What the symbol means, in one line."""
        return f"{SYMBOL} blocked the loop" + (
            "" if self.threshold is None else f" for longer than {_show_time(self.threshold)}"
        )


NO_MARKS: Final = Marks()


def marks_of(profiles: Iterable[Profile], lens: Lens = "busy", labels: Labels = "name") -> Marks:
    """Return the marks of profiles, for their graph of one lens.

    Only busy time blocks a loop, so graphs without any have no marks. A step that something else
    delayed, such as a collection of garbage, has none either.
    """
    if lens not in _HOT:
        return NO_MARKS
    summed: dict[LabelPath, Blocks] = {}
    thresholds: list[int] = []
    for profile in profiles:
        if profile.blocking_threshold is not None:
            thresholds.append(profile.blocking_threshold)
        for path, blocks in profile.blocking.items():
            if blocks.count and not blocks.is_innocent(profile.blocking_threshold):
                stack = tuple(map(clean_label, label_path(path, labels)))
                summed[stack] = summed.get(stack, Blocks()).plus(blocks)
    return Marks(summed, min(thresholds, default=None))


def place_marks(boxes: Sequence[Box], marks: Marks) -> dict[Box, Blocks]:
    """Return the blocking steps of each box that is marked.

    Args:
        boxes: those of a layout of stacks from their roots, with children sorted by name.
        marks: if no frame of a path is drawn, the root of the graph gets its mark.
    """
    placed: dict[Box, Blocks] = {}
    if marks.blocks:
        rows: dict[tuple[int, str], list[Box]] = defaultdict(list)
        for box in boxes:
            rows[box.depth, box.name].append(box)
        for stack, blocks in marks.blocks.items():
            box = _deepest(rows, boxes[0], stack)
            placed[box] = placed.get(box, Blocks()).plus(blocks)
    return placed


def _deepest(rows: Mapping[tuple[int, str], list[Box]], root: Box, stack: LabelPath) -> Box:
    """Return the box of the deepest frame of a stack that is drawn."""
    found = root
    for depth, name in enumerate(stack, start=1):
        row = rows.get((depth, name), [])
        index = bisect_left(row, found.start, key=lambda box: box.start)
        if index == len(row) or row[index].start >= found.start + found.width:
            break
        found = row[index]
    return found


def sentence_of(blocks: Blocks) -> str:
    """Return a sentence on the blocking steps of a frame, at least one."""
    if blocks.count == 1:
        return f"blocked the loop once, for {_show_time(blocks.total)}"
    return (
        f"blocked the loop {blocks.count:,} times, {_show_time(blocks.total)} in all, "
        f"at most {_show_time(blocks.max)}"
    )
