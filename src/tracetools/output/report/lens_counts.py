"""The counts of the four lenses by packed stack, in one pass over the stacks of a profile.

Labels are packed as codes: short texts that sort as the labels do. So a stack takes a few bytes for
each frame, however long its labels are.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from tracetools.core.profile import IDLE, LENSES, SCHEDULED
from tracetools.core.stacks import is_of_loop
from tracetools.output.formats.folded import SEPARATOR, clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame, StackPath, Times
    from tracetools.output.frame_kinds import FrameKind

    Counts = list[tuple[bytes, int]]

_DIGITS: Final = bytes(range(0x21, 0x7F))


class Codes:
    """Codes of frames: as many letters each, sorted as the labels of the frames.

    Attributes:
        labels: the label of each code, as folded files have it.
        frames: a frame of each code.
    """

    def __init__(self, frames: Iterable[Frame], label_of: Callable[[Frame], str]) -> None:
        of_label: dict[str, list[Frame]] = {}
        for frame in frames:
            of_label.setdefault(label_of(frame), []).append(frame)
        self.labels: dict[str, str] = {}
        self.frames: dict[str, Frame] = {}
        self._codes: dict[Frame, bytes] = {}
        width = _width(len(of_label))
        for number, label in enumerate(sorted(of_label)):
            code = _code(number, width)
            self.labels[code.decode()] = label
            self.frames[code.decode()] = min(of_label[label], key=_order)
            self._codes.update(dict.fromkeys(of_label[label], code))
        self.of = self._codes.__getitem__

    def pack(self, path: StackPath) -> bytes:
        """Return a stack of these frames as packed stacks are, with codes for labels."""
        return SEPARATOR.join(map(self.of, path))

    def kinds(self, kind_of: Callable[[Frame], FrameKind]) -> Callable[[str], FrameKind]:
        """Return a function from labels to the kinds of their frames."""
        kinds = {self.labels[code]: kind_of(frame) for code, frame in self.frames.items()}
        return lambda label: kinds.get(label, "state")


def clean_label_of(frame: Frame) -> str:
    """Return the label of a frame as a folded file has it."""
    return clean_label(frame.label)


def _order(frame: Frame) -> tuple[str, str, int]:
    return frame.name, frame.file or "", frame.line


def _width(number: int) -> int:
    width = 1
    while len(_DIGITS) ** width < number:
        width += 1
    return width


def _code(number: int, width: int) -> bytes:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return bytes(reversed(digits))


class LensStacks:
    """Packed stacks and their counts for each lens, and what their codes mean."""

    def __init__(self, codes: Codes, counts: dict[Lens, Counts]) -> None:
        self.codes = codes
        self.counts = counts


def stacks_by_lens(
    stacks: Iterable[tuple[StackPath, Times]],
    transform: Callable[[StackPath], StackPath],
    label_of: Callable[[Frame], str] = clean_label_of,
    is_of_loop: Callable[[StackPath], bool] = is_of_loop,
) -> LensStacks:
    """Return the counts of the stacks of a profile, by lens; zeros are left out.

    They are those of `Profile.lens`. Stacks that are equal once they are transformed may be there
    several times.
    """
    shown = [(transform(path), path, times) for path, times in stacks]
    frames = set(chain.from_iterable(path for path, _, _ in shown))
    codes = Codes(frames | {IDLE, SCHEDULED}, label_of)
    counts: dict[Lens, Counts] = {lens: [] for lens in LENSES}
    leaves = tuple(SEPARATOR + codes.of(state) for state in (IDLE, SCHEDULED))
    for path, original, times in shown:
        if any(times[:4]):
            packed = codes.pack(path)
            _add(counts, packed, times, leaves, is_loop=is_of_loop(original))
    return LensStacks(codes, counts)


def _add(
    counts: dict[Lens, Counts],
    packed: bytes,
    times: Times,
    leaves: tuple[bytes, ...],
    *,
    is_loop: bool,
) -> None:
    hot = times.busy + times.thread
    if hot:
        counts["busy"].append((packed, hot))
        if not is_loop:
            counts["task"].append((packed, hot))
    if times.idle:
        counts["idle"].append((packed, times.idle))
        counts["task"].append((packed + leaves[0], times.idle))
    if times.scheduled:
        counts["scheduled"].append((packed, times.scheduled))
        counts["task"].append((packed + leaves[1], times.scheduled))
