"""speedscope's JSON (https://github.com/jlfwong/speedscope/wiki/Importing-from-custom-sources).

Of a profile, each lens with any time becomes a profile of the file, in nanoseconds; the chosen one
opens first. Sampled and evented profiles are read. The name of a file should end in
`.speedscope.json`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.native.version import VERSION
from tracetools.core.profile import LENSES, Profile
from tracetools.output.formats.content import (
    NANOSECONDS,
    PER_NANOSECOND,
    Content,
    MalformedError,
    Sums,
    label_of,
    number_of,
    of_lens,
    ordered,
    packed_label,
    weighed,
)
from tracetools.output.formats.folded import UNKNOWN
from tracetools.output.formats.json_text import items, member, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from fractions import Fraction

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.formats.folded import Folded

__all__ = ["format_speedscope", "is_speedscope", "parse_speedscope"]

_SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_EXPORTER: Final = "tracetools"
_STACKS: Final = "stacks"
_UNITS: Final = ("nanoseconds", "microseconds", "milliseconds", "seconds", "bytes")


def is_speedscope(value: Any) -> bool:
    """Return whether a JSON value seems to be a file of speedscope."""
    return isinstance(value, dict) and "shared" in value and "profiles" in value


# -- writing -----------------------------------------------------------------------------------


def format_speedscope(
    content: Profile | Folded, unit: str, *, lens: Lens = "busy", labels: Labels = "name"
) -> str:
    """Return the text of a file; equal contents give equal text.

    `unit` is that of folded stacks. One that speedscope does not know becomes `none`.
    """
    if isinstance(content, Profile):
        name = ", ".join(content.programs) or _EXPORTER
        lenses = {each: of_lens(content, each, labels) for each in LENSES}
        shown: dict[str, Mapping[StackPath, int]] = {k: v for k, v in lenses.items() if v}
        active = [*shown].index(lens) if lens in shown else 0
        unit = NANOSECONDS
    else:
        name, active = _EXPORTER, 0
        shown = {_STACKS: weighed(content)}
    frames = _Frames()
    value = {
        "$schema": _SCHEMA,
        "exporter": f"{_EXPORTER}@{VERSION}",
        "name": name,
        "activeProfileIndex": active,
        "profiles": [_sampled(frames, each, unit, stacks) for each, stacks in shown.items()],
        "shared": {"frames": frames.rows},
    }
    return json.dumps(value, separators=(",", ":")) + "\n"


class _Frames:
    """The table of frames, each once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._index_of: dict[Frame, int] = {}

    def index(self, frame: Frame) -> int:
        found = self._index_of.get(frame)
        if found is None:
            found = self._index_of[frame] = len(self.rows)
            self.rows.append(_row(frame))
        return found


def _row(frame: Frame) -> dict[str, Any]:
    row: dict[str, Any] = {"name": frame.name}
    if frame.file is None:
        row["file"] = UNKNOWN
    elif frame.file:
        row["file"] = frame.file
        if frame.line:
            row["line"] = frame.line
    return row


def _sampled(
    frames: _Frames, name: str, unit: str, stacks: Mapping[StackPath, int]
) -> dict[str, Any]:
    in_order = ordered(stacks)
    return {
        "type": "sampled",
        "name": name,
        "unit": unit if unit in _UNITS else "none",
        "startValue": 0,
        "endValue": sum(stacks.values()),
        "samples": [[frames.index(frame) for frame in path] for path, _ in in_order],
        "weights": [weight for _, weight in in_order],
    }


# -- reading -----------------------------------------------------------------------------------


def parse_speedscope(value: Any, lens: str | None = None) -> Content:
    """Return the stacks of the JSON value of a file.

    With `lens`, they are those of the profiles of that name. Else, of a file of ours they are those
    of the profile that opens first; of any other, whose profiles are mostly threads, of all that
    have its unit. Times are in nanoseconds.

    Raises:
        MalformedError: the value makes no sense, or no profile has that name.
        NoStacksError: there is no stack with a count.
    """
    rows = items(member(value, "shared", ""), "frames", "shared")
    labels = [packed_label(_label(row, index)) for index, row in enumerate(rows)]
    profiles = items(value, "profiles", "")
    chosen = _chosen(profiles, value, lens)
    unit = text(profiles[chosen[0]], "unit", "none")
    sums = Sums()
    for index in chosen:
        _add(sums, profiles[index], labels, PER_NANOSECOND.get(unit, 1), f"profiles[{index}]")
    shown = NANOSECONDS if unit in PER_NANOSECOND else "" if unit == "none" else unit
    name = ", ".join(text(profiles[index], "name", str(index)) for index in chosen[:3])
    more = "" if len(chosen) <= 3 else f" and {len(chosen) - 3} more"  # noqa: PLR2004
    names = tuple(text(profile, "name") for profile in profiles)
    return Content(sums.folded(), shown, f"speedscope: {name}{more}", names)


def _chosen(profiles: list[Any], value: Any, lens: str | None) -> list[int]:
    """Return the indexes of the profiles to read, at least one."""
    if not profiles:
        raise MalformedError("profiles is empty")
    names = [text(profile, "name") for profile in profiles]
    if lens is not None and set(names) != {_STACKS}:
        found = [index for index, name in enumerate(names) if name == lens]
        if not found:
            raise MalformedError(f"no profile is named {lens!r}; there are {', '.join(names)}")
        return found
    active = value.get("activeProfileIndex")
    if not isinstance(active, int) or not 0 <= active < len(profiles):
        active = 0
    if text(value, "exporter").startswith(f"{_EXPORTER}@"):
        return [active]
    unit = text(profiles[active], "unit", "none")
    same = [i for i, profile in enumerate(profiles) if text(profile, "unit", "none") == unit]
    return [active, *(index for index in same if index != active)]


def _label(row: Any, index: int) -> str:
    name = text(row, "name")
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise MalformedError(f"shared.frames[{index}] has no name")
    line = row.get("line")
    if isinstance(line, bool) or not isinstance(line, int) or not 0 < line < 1 << 63:
        line = 0
    return label_of(name, text(row, "file"), line)


def _add(sums: Sums, profile: Any, labels: Sequence[bytes], scale: int, where: str) -> None:
    kind = text(profile, "type")
    if kind == "sampled":
        _add_samples(sums, profile, labels, scale, where)
    elif kind == "evented":
        _add_events(sums, profile, labels, scale, where)
    else:
        raise MalformedError(f"{where}.type is neither sampled nor evented")


def _add_samples(sums: Sums, profile: Any, labels: Sequence[bytes], scale: int, where: str) -> None:
    samples, weights = items(profile, "samples", where), items(profile, "weights", where)
    if len(samples) != len(weights):
        raise MalformedError(f"{where} has {len(samples)} samples and {len(weights)} weights")
    for index, (stack, weight) in enumerate(zip(samples, weights, strict=True)):
        at = f"{where}.samples[{index}]"
        if not isinstance(stack, list):
            raise MalformedError(f"{at} is no list")
        value = number_of(weight, f"{where}.weights[{index}]") * scale
        sums.add(_named(stack, labels, at), value, at)


def _named(stack: Iterable[Any], labels: Sequence[bytes], where: str) -> list[bytes]:
    return [labels[_index(each, len(labels), where)] for each in stack]


def _index(value: Any, length: int, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < length:
        raise MalformedError(f"{where} refers to a frame that is not there")
    return value


def _add_events(sums: Sums, profile: Any, labels: Sequence[bytes], scale: int, where: str) -> None:
    """Add the time between every two events to the stack that is open then."""
    opened: list[bytes] = []
    last: int | Fraction = 0
    for index, event in enumerate(items(profile, "events", where)):
        at = f"{where}.events[{index}]"
        if not isinstance(event, dict):
            raise MalformedError(f"{at} is no object")
        now = number_of(event.get("at"), f"{at}.at")
        if index and now < last:
            raise MalformedError(f"{at}.at goes back in time")
        if opened and now > last:
            sums.add(opened, (now - last) * scale, at)
        last = now
        _follow(opened, event, labels, at)
    if opened:
        raise MalformedError(f"{where} ends with {len(opened)} frames open")


def _follow(opened: list[bytes], event: dict[str, Any], labels: Sequence[bytes], at: str) -> None:
    """Open or close a frame."""
    label = labels[_index(event.get("frame"), len(labels), at)]
    if event.get("type") == "O":
        opened.append(label)
    elif event.get("type") == "C":
        if not opened or opened[-1] != label:
            raise MalformedError(f"{at} closes a frame that is not the innermost")
        opened.pop()
    else:
        raise MalformedError(f"{at}.type is neither O nor C")
