"""The options of a flame graph: names, defaults and limits.

The names are those of inferno's library. Options that inferno does not have say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, get_args

from tracetools.output.flamegraph.palette import BACKGROUNDS, PALETTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Direction = Literal["straight", "inverted"]
"""Whether stacks grow up from the root (a flame) or down (an icicle)."""

Side = Literal["left", "right"]


class GraphKeywords(TypedDict, total=False):
    """The keyword arguments of `Flamegrapher`, for type checkers. `GraphOptions` explains them."""

    title: str | None
    subtitle: str | None
    image_width: int | None
    frame_height: int
    min_width: float
    max_frames: int | None
    font_type: str
    font_size: int
    font_width: float
    count_name: str | None
    factor: float
    colors: str | None
    bgcolors: str | None
    direction: Direction | None
    reverse_stack_order: bool
    flame_chart: bool
    negate_differentials: bool
    text_truncate_direction: Side
    notes: str
    search: str | None
    no_javascript: bool
    nonce: str | None
    embedded: bool


@dataclass(frozen=True)
class GraphOptions:
    """How a flame graph looks.

    Raises:
        ValueError: A value makes no sense; the message has the value and what would.
    """

    title: str | None = None
    """The heading and the title of the document. None for `Flame Graph`, `Icicle Graph` or `Flame
    Chart`."""

    subtitle: str | None = None
    """A second line below the heading."""

    image_width: int | None = None
    """The width in pixels. None fills the window; without a script that is 1200."""

    frame_height: int = 16
    """The pixels from one row of frames to the next."""

    min_width: float = 0.01
    """Frames narrower than this percentage of all time are left out."""

    max_frames: int | None = 20_000
    """How many frames are drawn at most, the widest ones; None for all. Browsers need seconds for
    100,000 frames. Not in inferno."""

    font_type: str = "monospace"
    """The font as CSS names it, or several in order of preference."""

    font_size: int = 12
    """The size of the text in pixels. Margins depend on it."""

    font_width: float = 0.61
    """The average width of a letter, as a ratio to the font size. Labels are cut by it until a
    script measures them. In inferno it is 0.59, a little less than in monospaced fonts."""

    count_name: str | None = None
    """The unit of the counts. Times (`ns`, `µs` or `us`, `ms`, `s`) are shown in the unit that
    fits. None for `µs` if every stack has the root of tracetools' own stack files, which count
    microseconds; else for `samples`, as in inferno."""

    factor: float = 1
    """The counts that are shown are multiplied by this. Percentages and widths stay."""

    colors: str | None = None
    """The palette. The colour of a frame depends on its name alone, so it is the same in every
    graph. None for `lens` if tracetools' own stacks end in states of tasks; else for `hot`."""

    bgcolors: str | None = None
    """The background: `yellow`, `blue`, `green`, `grey` or `#rrggbb`. None follows the reader's
    colour scheme, light or dark."""

    direction: Direction | None = None
    """`inverted` for an icicle, with the root on top; `straight` for a flame. None for an icicle in
    reports, and else for a flame."""

    reverse_stack_order: bool = False
    """Whether stacks are merged from their leaves, which are then next to the root. So one sees
    all callers of a function together."""

    flame_chart: bool = False
    """Whether stacks stay in the order of the file, from left to right, and only neighbours are
    merged: for files in the order of time. In inferno the order is from right to left."""

    negate_differentials: bool = False
    """Whether growth and shrinking are exchanged, in sign and colour."""

    text_truncate_direction: Side = "right"
    """The side at which a label is cut. inferno's script cuts on the left; the labels of tracetools
    begin with what matters most."""

    notes: str = ""
    """A text that is kept in the metadata of the file and not shown."""

    search: str | None = None
    """A regular expression to search for when the graph opens. Not in inferno."""

    no_javascript: bool = False
    """Whether the script is left out: a picture with titles, and nothing to click."""

    nonce: str | None = None
    """The nonce of scripts and styles for a content security policy. For hashes, see
    `Flamegrapher.csp_sources`. Not in inferno."""

    embedded: bool = False
    """Whether the SVG is for an HTML page: without XML declaration, and without use of the page's
    URL, keys and history. Not in inferno."""

    def __post_init__(self) -> None:
        for name, (is_right, remedy) in _LIMITS.items():
            value = getattr(self, name)
            if not is_right(value):
                raise ValueError(f"{name}={_shown(value)}: {remedy}")

    @property
    def heading(self) -> str:
        """The title, or the default one."""
        if self.title is not None:
            return self.title
        if self.flame_chart:
            return "Flame Chart"
        return "Icicle Graph" if self.direction == "inverted" else "Flame Graph"


def make_options(given: Mapping[str, object]) -> GraphOptions:
    """Return the options of keyword arguments.

    Raises:
        TypeError: There is no such option; the message has the ones there are.
        ValueError: A value makes no sense.
    """
    known = [field.name for field in fields(GraphOptions)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(f"no option {', '.join(unknown)}; there are {', '.join(known)}")
    return GraphOptions(**given)  # type: ignore[arg-type]  # __post_init__ checks the values


class _Limit(NamedTuple):
    is_right: Callable[[object], bool]
    remedy: str

    def or_none(self, otherwise: str) -> _Limit:
        return _Limit(
            lambda value: value is None or self.is_right(value), f"{self.remedy}, or {otherwise}"
        )


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "(a number of thousands of digits)"


def _is_whole(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def _is_number(value: object, least: float, most: float) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and least <= value <= most  # which no NaN is
    )


def _one_of(*choices: str) -> _Limit:
    return _Limit(
        lambda value: isinstance(value, str) and value in choices,
        f"choose one of {', '.join(sorted(choices))}",
    )


def _is_background(value: object) -> bool:
    return isinstance(value, str) and (
        value in BACKGROUNDS or re.fullmatch("#[0-9A-Fa-f]{6}", value) is not None
    )


def _is_nonce(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[A-Za-z0-9+/_-]+={0,2}", value) is not None


_MAX_PIXELS = 100_000
_MAX_FRAMES = 10_000_000
_MAX_FACTOR = 1e18
_PIXELS = _Limit(
    lambda value: _is_whole(value, _MAX_PIXELS),
    f"give a whole number of pixels from 1 to {_MAX_PIXELS:,}",
)
_TEXT = _Limit(lambda value: isinstance(value, str), "give a text")
_SWITCH = _Limit(lambda value: isinstance(value, bool), "give True or False")
_LIMITS: Mapping[str, _Limit] = {
    "title": _TEXT.or_none("None for what the graph is"),
    "subtitle": _TEXT.or_none("None"),
    "image_width": _PIXELS.or_none("None to fill the window"),
    "frame_height": _PIXELS,
    "min_width": _Limit(lambda value: _is_number(value, 0, 100), "give a percentage from 0 to 100"),
    "max_frames": _Limit(
        lambda value: _is_whole(value, _MAX_FRAMES),
        f"give a whole number from 1 to {_MAX_FRAMES:,}",
    ).or_none("None for all"),
    "font_type": _TEXT,
    "font_size": _PIXELS,
    "font_width": _Limit(
        lambda value: _is_number(value, 0.01, 10), "give a number from 0.01 to 10"
    ),
    "count_name": _TEXT.or_none("None to see it from the file"),
    "factor": _Limit(
        lambda value: _is_number(value, 1 / _MAX_FACTOR, _MAX_FACTOR), "give a number above 0"
    ),
    "colors": _one_of(*PALETTES).or_none("None to see it from the file"),
    "bgcolors": _Limit(
        _is_background, f"choose one of {', '.join(sorted(BACKGROUNDS))}, or give #rrggbb"
    ).or_none("None for the reader's colour scheme"),
    "direction": _one_of(*get_args(Direction)).or_none("None for what is usual there"),
    "reverse_stack_order": _SWITCH,
    "flame_chart": _SWITCH,
    "negate_differentials": _SWITCH,
    "text_truncate_direction": _one_of(*get_args(Side)),
    "notes": _TEXT,
    "search": _TEXT.or_none("None"),
    "no_javascript": _SWITCH,
    "nonce": _Limit(_is_nonce, "give letters of base64").or_none("None"),
    "embedded": _SWITCH,
}
