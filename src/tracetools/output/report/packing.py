"""Packed stacks of a tree, for the layout of graphs.

Labels are packed as codes: short texts that sort as the labels do. So a stack takes a few bytes for
each frame, however long its labels are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.output.formats.folded import SEPARATOR, clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame
    from tracetools.output.frame_kinds import FrameKind
    from tracetools.output.report.tree import Tree

_DIGITS: Final = bytes(range(0x21, 0x7F))


def clean_label_of(frame: Frame) -> str:
    """Return the label of a frame as a folded file has it."""
    return clean_label(frame.label)


class PackedTree:
    """The stacks of a tree with codes for labels.

    Attributes:
        labels: the label of each code.
    """

    def __init__(self, tree: Tree, label_of: Callable[[Frame], str] = clean_label_of) -> None:
        frames = {*tree.frames[1:], IDLE, SCHEDULED}
        label_of_frame = {frame: label_of(frame) for frame in frames}
        codes = _codes(label_of_frame.values())
        self.labels = {code.decode(): label for label, code in codes.items()}
        self._frames = frames
        self._label_of_frame = label_of_frame
        self._tree = tree
        self._leaves = [SEPARATOR + codes[label_of_frame[state]] for state in (IDLE, SCHEDULED)]
        self._packed = [b""]
        for parent, frame in zip(tree.parents[1:], tree.frames[1:], strict=True):
            code = codes[label_of_frame[frame]]
            self._packed.append(self._packed[parent] + SEPARATOR + code if parent else code)

    def kinds(self, kind_of: Callable[[Frame], FrameKind]) -> Callable[[str], FrameKind]:
        """Return a function from labels to the kinds of their frames."""
        ordered = sorted(self._frames, key=lambda frame: (frame.name, frame.file or "", frame.line))
        kinds = {self._label_of_frame[frame]: kind_of(frame) for frame in ordered}
        return lambda label: kinds.get(label, "state")

    def of_lens(self, lens: Lens) -> list[tuple[bytes, int]]:
        """Return the packed stacks of a lens and their counts, as in `Profile.lens`."""
        own = [getattr(counts, lens) for counts in self._tree.counts]
        rows = [(packed, count) for packed, count in zip(self._packed, own, strict=True) if count]
        if lens == "task":
            for packed, counts in zip(self._packed, self._tree.counts, strict=True):
                for leaf, count in zip(self._leaves, counts[1:3], strict=True):
                    if count:
                        rows.append((packed + leaf if packed else leaf[1:], count))
        return rows


def _codes(labels: Iterable[str]) -> dict[str, bytes]:
    """Return a code for each label."""
    ordered = sorted(set(labels))
    width = 1
    while len(_DIGITS) ** width < len(ordered):
        width += 1
    return {label: _code(number, width) for number, label in enumerate(ordered)}


def _code(number: int, width: int) -> bytes:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return bytes(reversed(digits))
