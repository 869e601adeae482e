"""Marks on the frames of a graph that blocked the loop, and notes on what frames would save.

The path of a blocking step goes down to a function and a line. A mark is on the frame of that
function. If functions were not recorded it is on the innermost frame around it, and says that the
step was somewhere within. No other frame is ever marked: what a graph does not draw has no mark.

In a graph of critical paths, frames have no marks but notes: what they would save at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tracetools.core.labels import LabelPath, label_path
from tracetools.core.slow_spans import SPAN, critical_savings, merged_slow
from tracetools.core.stacks import BLOCKS_THE_LOOP, Blocks
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.core.slow_spans import Saving
    from tracetools.core.stacks import StackPath
    from tracetools.output.flamegraph.layout import Box

SYMBOL: Final = "\u26a0"
"""The sign before the name of a marked frame: a warning sign, in the colour of the text."""


class Note(str):
    """What the title of a frame says beside its numbers, without the sign before its name."""

    __slots__ = ()


_HOT: Final = ("busy", "task")
_show_time = amount_formatter("ns")


@dataclass(frozen=True)
class Marks:
    """Blocking steps, and notes on frames.

    Attributes:
        blocks: how many there are and how long they took, by labels as in a folded file: the stacks
            of the functions that blocked.
        threshold: the blocking threshold, in nanoseconds; None if it is not known.
        within: the same by the innermost stacks that are known, where functions were not recorded.
        notes: a sentence on a frame, by the labels of its stack. It gets no sign.
    """

    blocks: Mapping[LabelPath, Blocks] = field(default_factory=dict)
    threshold: int | None = None
    within: Mapping[LabelPath, Blocks] = field(default_factory=dict)
    notes: Mapping[LabelPath, str] = field(default_factory=dict)

    @property
    def legend(self) -> str:
        """What the symbol means, or what notes are, in one line."""
        if self.notes:
            return "only slow spans that were kept; a tooltip says what a frame would save at most"
        return f"{SYMBOL} blocked the loop" + (
            "" if self.threshold is None else f" for longer than {_show_time(self.threshold)}"
        )


NO_MARKS: Final = Marks()


def marks_of(
    profiles: Iterable[Profile],
    lens: Lens = "busy",
    labels: Labels = "name",
    transform: Callable[[StackPath], StackPath] = tuple,
) -> Marks:
    """Return the marks of profiles, for their graph of one lens.

    Only busy time blocks a loop, so graphs without any have no marks. A step that something else
    delayed, such as a collection of garbage, has none either. Critical paths have notes instead.
    `transform` is what was made of each stack before it was drawn.
    """
    if lens == "critical":
        return Marks(notes=_notes_of(profiles, labels, transform))
    if lens not in _HOT:
        return NO_MARKS
    exact: dict[LabelPath, Blocks] = {}
    within: dict[LabelPath, Blocks] = {}
    thresholds: list[int] = []
    for profile in profiles:
        if profile.blocking_threshold is not None:
            thresholds.append(profile.blocking_threshold)
        for path, blocks in profile.blocking.items():
            if blocks.count and not blocks.is_innocent(profile.blocking_threshold):
                known = _known(path, profile)
                stack = tuple(map(clean_label, label_path(transform(known), labels)))
                summed = exact if _is_at_fault(known, path) else within
                if len(known) > 1 and (summed is exact or not profile.samples):
                    summed[stack] = summed.get(stack, Blocks()).plus(blocks)
    return Marks(exact, min(thresholds, default=None), within)


def _known(path: StackPath, profile: Profile) -> StackPath:
    """Return the innermost stack of a profile that has a path, without the line at the end."""
    depths = range(len(path), 1, -1)
    return next((path[:depth] for depth in depths if path[:depth] in profile.stacks), path[:1])


def _is_at_fault(known: StackPath, path: StackPath) -> bool:
    """Return whether a stack ends in the function that has the line of a path."""
    return len(known) == len(path) - (path[-1].name == BLOCKS_THE_LOOP)


def _notes_of(
    profiles: Iterable[Profile], labels: Labels, transform: Callable[[StackPath], StackPath]
) -> dict[LabelPath, str]:
    """Return what frames would save. Where two frames have one label, they have no note."""
    notes: dict[LabelPath, str | None] = {}
    slow = [profile.slow for profile in profiles]
    for stack, saving in critical_savings(merged_slow(slow)).items():
        shown = transform(stack)
        if shown[-1] == stack[-1]:  # it stands for no other frames
            labelled = tuple(map(clean_label, label_path(shown, labels)))
            note = sentence_on(saving, is_span=len(stack) == SPAN + 1)
            notes[labelled] = note if notes.get(labelled, note) == note else None
    return {labelled: note for labelled, note in notes.items() if note}


def place_marks(boxes: Sequence[Box], marks: Marks) -> dict[Box, str]:
    """Return a sentence for each box that is marked, or a `Note`.

    Args:
        boxes: those of a layout of stacks from their roots, with children sorted by name.
        marks: one whose frame is not drawn has no box.
    """
    rows: dict[tuple[int, str], list[Box]] = defaultdict(list)
    if marks.blocks or marks.within or marks.notes:
        for box in boxes:
            rows[box.depth, box.name].append(box)
    placed: dict[Box, str] = {}
    for stacks, say in ((marks.within, sentence_within), (marks.blocks, sentence_of)):
        for stack, blocks in stacks.items():
            found = _find(rows, boxes[0], stack)
            if found is not None:
                placed[found] = say(blocks)
    for stack, note in marks.notes.items():
        found = _find(rows, boxes[0], stack)
        if found is not None:
            placed[found] = Note(note)
    return placed


def _find(rows: Mapping[tuple[int, str], list[Box]], root: Box, stack: LabelPath) -> Box | None:
    """Return the box of a stack, if it is drawn."""
    found = root
    for depth, name in enumerate(stack, start=1):
        row = rows.get((depth, name), [])
        index = bisect_left(row, found.start, key=lambda box: box.start)
        if index == len(row) or row[index].start >= found.start + found.width:
            return None
        found = row[index]
    return found if stack else None


def sentence_on(saving: Saving, *, is_span: bool) -> str:
    """Return a sentence on what a frame would save, or on the slow spans themselves."""
    if is_span:
        return "1 was kept" if saving.count == 1 else f"{saving.count:,} were kept"
    share = 100 * saving.saved / max(1, saving.duration)
    less = f"{_show_time(saving.saved)} ({share:.1f}%) less at most"
    return f"without it, wherever it is, they would take {less}"


def sentence_of(blocks: Blocks) -> str:
    """Return a sentence on the blocking steps of a frame, at least one."""
    return f"blocked the loop {_amounts(blocks)}"


def sentence_within(blocks: Blocks) -> str:
    """Return a sentence on the blocking steps of functions that were not recorded."""
    return f"somewhere within, the loop was blocked {_amounts(blocks)}"


def _amounts(blocks: Blocks) -> str:
    if blocks.count == 1:
        return f"once, for {_show_time(blocks.total)}"
    return (
        f"{blocks.count:,} times, {_show_time(blocks.total)} in all, "
        f"at most {_show_time(blocks.max)}"
    )
