"""The options of a flame graph: their names, defaults and limits, in one place.

What may live here: values and whether they make sense. What must not: files, and drawing.
The names are those of inferno's library, so that what people know about it holds here too.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from tracetools.flamegraph.palette import PALETTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class OptionNames(TypedDict, total=False):
    """What `Flamegrapher` takes by keyword, for type checkers; `Options` explains each."""

    title: str
    subtitle: str | None
    image_width: int | None
    min_width: float
    count_name: str | None
    font_size: int
    font_type: str
    frame_height: int
    colors: str


@dataclass(frozen=True)
class Options:
    """How a flame graph looks.

    Raises:
        ValueError: A value makes no sense; the message has the value and what would.
    """

    title: str = "Flame Graph"
    """The heading, and the title of the document."""

    subtitle: str | None = None
    """A second line below the heading."""

    image_width: int | None = None
    """The width in pixels; None fills the window, and is 1200 where no script runs."""

    min_width: float = 0.01
    """Frames narrower than this percentage of all time are left out."""

    count_name: str | None = None
    """The unit of the counts; None for `µs` where every stack has the root of tracetools' own stack
    files, which count microseconds, and else for `samples`, as inferno has it."""

    font_size: int = 12
    """The size of the text in pixels; the margins follow it."""

    font_type: str = "monospace"
    """The font, or fonts by preference, as CSS names them."""

    frame_height: int = 16
    """The pixels from one row of frames to the next."""

    colors: str = "hot"
    """The palette."""

    def __post_init__(self) -> None:
        for name, (is_right, remedy) in _LIMITS.items():
            value = getattr(self, name)
            if not is_right(value):
                raise ValueError(f"{name}={value!r}: {remedy}")


def make_options(given: Mapping[str, object]) -> Options:
    """Make options of keywords, whatever they are.

    Raises:
        TypeError: There is no such option; the message has the ones there are.
        ValueError: A value makes no sense.
    """
    known = [field.name for field in fields(Options)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(f"no option {', '.join(unknown)}; there are {', '.join(known)}")
    return Options(**given)  # type: ignore[arg-type]  # __post_init__ checks the values


class _Limit(NamedTuple):
    is_right: Callable[[object], bool]
    remedy: str


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_PIXELS


def _is_percentage(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _ALL


_ALL = 100
_MAX_PIXELS = 100_000
_SIZE = f"give a whole number of pixels from 1 to {_MAX_PIXELS:,}"
_TEXT_OR_NONE = "give a text, or None"
_TEXT = _Limit(_is_text, "give a text")
_LIMITS: Mapping[str, _Limit] = {
    "title": _TEXT,
    "subtitle": _Limit(lambda value: value is None or _is_text(value), _TEXT_OR_NONE),
    "image_width": _Limit(
        lambda value: value is None or _is_size(value), f"{_SIZE}, or None to fill the window"
    ),
    "min_width": _Limit(_is_percentage, "give a percentage from 0 to 100"),
    "count_name": _Limit(lambda value: value is None or _is_text(value), _TEXT_OR_NONE),
    "font_size": _Limit(_is_size, _SIZE),
    "font_type": _TEXT,
    "frame_height": _Limit(_is_size, _SIZE),
    "colors": _Limit(
        lambda value: isinstance(value, str) and value in PALETTES,
        f"choose one of {', '.join(sorted(PALETTES))}",
    ),
}
