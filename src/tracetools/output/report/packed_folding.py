"""Folds frames of libraries in packed stacks of labels, as `own_first` does in paths of frames.

Folded text may have millions of distinct frames in its tree, so its stacks stay packed. Each is
taken apart once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import IMPORTING, ROOT
from tracetools.output.folding import CALLERS, FOLDED, fold_libraries
from tracetools.output.formats.stack_table import SEPARATOR
from tracetools.output.frame_kinds import frame_of_label, is_of_import, kinds_by_guess
from tracetools.output.start_up import START_UP

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.output.frame_kinds import FrameKind

_IMPORT: Final = b"<frozen importlib"
_START_UP: Final = START_UP.label.encode()
_IMPORTING: Final = IMPORTING.label.encode()
_ROOT_LABEL: Final = ROOT.label.encode()
_ROOT: Final = _ROOT_LABEL + SEPARATOR


class _Known(NamedTuple):
    """What is known of a label; `family` is the same for frames that fold alike."""

    frame: Frame
    kind: FrameKind
    family: Frame | None
    is_import: bool


class PackedFolding:
    """Folds packed stacks, and remembers the labels that they have."""

    def __init__(self) -> None:
        self._kind_of = kinds_by_guess()
        self._known: dict[bytes, _Known] = {}
        self._names: dict[tuple[Frame, ...], bytes] = {}
        self._plain: set[bytes] = set()
        """Labels that stay where they are."""

    def kind_of(self, label: str) -> FrameKind:
        """Return the kind of a frame of a graph by its label."""
        if label == START_UP.label:
            return "state"
        return self._kind_of(frame_of_label(label))

    def own_first(self, packed: bytes) -> bytes:
        """Return a stack in which frames of libraries are folded, and start-up is apart."""
        known = self._known
        labels = packed.split(SEPARATOR)
        if self._plain.issuperset(labels):
            return packed
        folded: list[bytes] = []
        run: list[bytes] = []
        caller = False
        for label in labels:
            found = known.get(label) or self._learn(label)
            if found.family is not None:
                run.append(label)
                continue
            if run:
                folded.append(self._one_for(run))
                run = []
            folded.append(label)
            caller = found.kind in CALLERS
        if run:
            folded.append(run[0] if len(run) == 1 and caller else self._one_for(run))
        return SEPARATOR.join(self._apart(folded))

    def all_frames(self, packed: bytes) -> bytes:
        """Return a stack with all its frames, and start-up apart."""
        if not packed.startswith(_ROOT):
            return b"" if packed == _ROOT_LABEL else packed
        if _IMPORT in packed or _IMPORTING in packed:
            return SEPARATOR.join(self._apart(packed.split(SEPARATOR)))
        return packed.removeprefix(_ROOT)

    def _learn(self, label: bytes) -> _Known:
        frame = frame_of_label(label.decode())
        kind = self._kind_of(frame)
        family = frame if kind in FOLDED else None
        known = _Known(frame, kind, family, is_of_import(frame))
        self._known[label] = known
        if family is None and not known.is_import and label != _ROOT_LABEL:
            self._plain.add(label)
        return known

    def _one_for(self, run: list[bytes]) -> bytes:
        """Return the label of the frame that stands for several."""
        frames = tuple(dict.fromkeys([self._known[label].frame for label in run]))
        name = self._names.get(frames)
        if name is None:
            folded = fold_libraries((ROOT, *frames), self._kind_of)
            name = self._names[frames] = folded[-1].label.encode(errors="replace")
        return name

    def _apart(self, labels: list[bytes]) -> list[bytes]:
        """Do for labels what `start_up_apart` does for frames, and leave out the root."""
        if labels[0] != _ROOT_LABEL:
            return labels
        for depth, label in enumerate(labels):
            if (self._known.get(label) or self._learn(label)).is_import:
                return [_START_UP, *labels[depth + (label == _IMPORTING) :]]
        return labels[1:]
