"""Frames that blocked the loop: which ones a graph marks, and what it says of each.

What may live here: from what a profile says of blocking to boxes and sentences. What must not: how
a mark looks.

A profile names what held the loop more exactly than a graph can draw it, down to a function and a
line below the task's innermost span. So a mark goes to the deepest frame that is drawn of its
stack, and frames with several marks tell of all of them together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tracetools.core.labels import label_path
from tracetools.core.stacks import Blocks
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracetools.core.labels import LabelPath, Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.output.flamegraph.layout import Box

SYMBOL: Final = "\u26a0"
"""Stands before the name of a marked frame: a warning sign, of a text's own colour."""

_HOT: Final = ("busy", "task")
_show_time = amount_formatter("ns")


@dataclass(frozen=True)
class Marks:
    """Steps that blocked the loop.

    Attributes:
        blocks: how many and how long, by what held the loop, labelled as in a folded file.
        limit: how long each took at least, in nanoseconds; None if nobody said.
    """

    blocks: Mapping[LabelPath, Blocks] = field(default_factory=dict)
    limit: int | None = None

    @property
    def legend(self) -> str:
        """What the symbol means, in one line."""
        return f"{SYMBOL} blocked the loop" + (
            "" if self.limit is None else f" for longer than {_show_time(self.limit)}"
        )


NO_MARKS: Final = Marks()


def marks_of(profiles: Iterable[Profile], lens: Lens = "busy", labels: Labels = "name") -> Marks:
    """Collect what profiles say of blocking, for a graph of theirs through that lens.

    Only busy time blocks a loop, so graphs that show none of it have no marks.
    """
    if lens not in _HOT:
        return NO_MARKS
    summed: dict[LabelPath, Blocks] = {}
    limits: list[int] = []
    for profile in profiles:
        limits += [] if profile.blocking_limit is None else [profile.blocking_limit]
        for path, blocks in profile.blocking.items():
            if blocks.count:
                stack = tuple(map(clean_label, label_path(path, labels)))
                summed[stack] = summed.get(stack, Blocks()).plus(blocks)
    return Marks(summed, min(limits, default=None))


def place_marks(boxes: Sequence[Box], marks: Marks) -> dict[Box, Blocks]:
    """Give what is to be said of each box that is marked.

    Args:
        boxes: those of a layout, stacks growing from their roots, children sorted by name.
        marks: where nothing is drawn of a stack, the box below all others has its mark.
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
    """Follow a stack from the root for as long as it is drawn."""
    found = root
    for depth, name in enumerate(stack, start=1):
        row = rows.get((depth, name), [])
        index = bisect_left(row, found.start, key=lambda box: box.start)
        if index == len(row) or row[index].start >= found.start + found.width:
            break
        found = row[index]
    return found


def sentence_of(blocks: Blocks) -> str:
    """Say of a frame what the steps were that blocked the loop in it, at least one."""
    if blocks.count == 1:
        return f"blocked the loop once, for {_show_time(blocks.total)}"
    return (
        f"blocked the loop {blocks.count:,} times, {_show_time(blocks.total)} in all, "
        f"{_show_time(blocks.worst)} at worst"
    )
