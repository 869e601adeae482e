"""A layout as SVG text: the one place that knows pixels, and the one that escapes.

What may live here: how boxes and options become markup. What must not: which frames there are, and
how the graph behaves. Every text from outside, options included, passes through `_text`; styles and
script are the files in `assets/`, into which nothing is ever pasted.

Frames stand in one group for each row, so a frame's depth is the number of its row, and in a nested
`<svg>` in percentages, so that the graph fits any width. The exact counts stand beside them, as
`data-x` (start) and `data-w` (width); `data-n` is the length of the name within the title, in the
UTF-16 units that scripts count in.
"""

from __future__ import annotations

import pkgutil
import re
import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from tracetools.flamegraph.palette import PALETTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tracetools.flamegraph.layout import Box, Layout
    from tracetools.flamegraph.options import Options
    from tracetools.flamegraph.palette import Colour

MARGIN = 10
"""Pixels left and right of the frames, and between them and the details below."""

FLUID_WIDTH = 1200
"""The width of a graph that fills its window, where no script makes it do so."""


def draw(layout: Layout, options: Options) -> str:
    """Give the whole document, its last line ended: same arguments, same text."""
    sheet = _Sheet.of(layout, options)
    palette = PALETTES[options.colors]
    return "".join(
        [
            *_head(sheet, options),
            *_surroundings(sheet, options),
            *_frames(layout, palette, sheet, options),
            *_script(options),
            "</svg>\n",
        ]
    )


# -- pixels ------------------------------------------------------------------------------------


class _Sheet(NamedTuple):
    """Where things stand, in pixels from the top left."""

    width: int
    height: int
    frames_bottom: int
    baseline: int
    """Of the details, below the frames."""

    @classmethod
    def of(cls, layout: Layout, options: Options) -> _Sheet:
        lines_above = 3 if options.subtitle is None else 5
        bottom = lines_above * options.font_size + layout.rows * options.frame_height
        return cls(
            width=options.image_width or FLUID_WIDTH,
            height=bottom + 2 * options.font_size + MARGIN,
            frames_bottom=bottom,
            baseline=bottom + options.font_size + MARGIN,
        )

    @property
    def frames_width(self) -> int:
        return max(1, self.width - 2 * MARGIN)


# -- markup ------------------------------------------------------------------------------------


def _head(sheet: _Sheet, options: Options) -> Iterator[str]:
    """Open the document."""
    fluid = " fluid" if options.image_width is None else ""
    if not options.embedded:
        yield '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tracetools{fluid}"'
        f' width="{sheet.width}" height="{sheet.height}"'
        f' viewBox="0 0 {sheet.width} {sheet.height}"'
        f' font-family="{_text(options.font_type)}" font-size="{options.font_size}">\n'
    )
    yield f"<title>{_text(options.heading)}</title>\n"
    yield f"<style{_nonce(options)}>{_asset('flamegraph.css')}</style>\n"


def _script(options: Options) -> Iterator[str]:
    """Give the script, if there is to be one."""
    if not options.no_javascript:
        yield f"<script{_nonce(options)}>{_asset('flamegraph.js')}</script>\n"


def _nonce(options: Options) -> str:
    return "" if options.nonce is None else f' nonce="{_text(options.nonce)}"'


def _surroundings(sheet: _Sheet, options: Options) -> Iterator[str]:
    """Draw what is not a frame: headings, and the places where the script writes."""
    line = options.font_size
    left, middle, right = f'x="{MARGIN}"', 'x="50%"', f'x="100%" dx="-{MARGIN}"'
    yield '<rect class="background" width="100%" height="100%" fill="#fff"/>\n'
    yield (
        f'<text class="heading" {middle} y="{2 * line}" text-anchor="middle"'
        f' font-size="{line * 4 / 3:.2f}">{_text(options.heading)}</text>\n'
    )
    if options.subtitle is not None:
        yield (
            f'<text class="subtitle" {middle} y="{4 * line}" text-anchor="middle">'
            f"{_text(options.subtitle)}</text>\n"
        )
    yield f'<text class="button reset" {left} y="{2 * line}"/>\n'
    yield f'<text class="button search" {right} y="{2 * line}" text-anchor="end"/>\n'
    yield f'<text class="details" {left} y="{sheet.baseline}"/>\n'
    yield f'<text class="matched" {right} y="{sheet.baseline}" text-anchor="end"/>\n'


def _frames(
    layout: Layout, palette: Callable[[str], Colour], sheet: _Sheet, options: Options
) -> Iterator[str]:
    """Draw the frames, row by row from the root."""
    pen = _Pen(layout.total, palette, sheet, options)
    yield f'<svg class="frames" x="{MARGIN}" width="{sheet.frames_width}">\n'
    for depth, boxes in groupby(layout.boxes, key=lambda box: box.depth):
        top = sheet.frames_bottom - (depth + 1) * options.frame_height + 1
        yield from _row(boxes, top, pen)
    yield "</svg>\n"


def _row(boxes: Iterable[Box], top: int, pen: _Pen) -> Iterator[str]:
    yield f'<g class="row" transform="translate(0,{top})">\n'
    for box in boxes:
        yield pen.frame(box)
    yield "</g>\n"


class _Pen:
    """Draws frames; holds what is the same for all of them."""

    def __init__(
        self, total: int, palette: Callable[[str], Colour], sheet: _Sheet, options: Options
    ) -> None:
        self._total = total
        self._palette = palette
        self._unit = options.count_name or "samples"
        self._font_size = options.font_size
        self._frames_width = sheet.frames_width
        self._rect_height = options.frame_height - 1 or 1
        self._baseline = f"{self._rect_height / 2 + 0.35 * options.font_size:.2f}"

    def frame(self, box: Box) -> str:
        """Draw one frame: its title for the pointer, its rectangle, its label."""
        name = _shown_name(box)
        left = f"{100 * box.start / self._total:.4f}%"
        width = f"{100 * box.width / self._total:.4f}%"
        colour = "#{:02x}{:02x}{:02x}".format(*self._palette(box.name or name))
        label = _cut(name, self._columns(box))
        return (
            f'<g data-x="{box.start}" data-w="{box.width}" data-n="{_units(name)}">'
            f"<title>{_text(self._title(box, name))}</title>"
            f'<rect x="{left}" width="{width}" height="{self._rect_height}" rx="2"'
            f' fill="{colour}"/>'
            f'<text x="{left}" y="{self._baseline}">{_text(label)}</text></g>\n'
        )

    def _title(self, box: Box, name: str) -> str:
        """Give name, count and share; the share is rounded to even, as both references do."""
        share = f"{100 * box.width / self._total:.2f}%" if box.depth else "100%"
        return f"{name} ({box.width:,} {self._unit}, {share})"

    def _columns(self, box: Box) -> int:
        """How many letters of a monospaced font fit into a box, 3 pixels spared on each side."""
        pixels_by_total = self._frames_width * box.width - 6 * self._total
        return max(0, pixels_by_total * 100 // (self._total * _GLYPH_WIDTH * self._font_size))


# -- text --------------------------------------------------------------------------------------

_GLYPH_WIDTH = 61
"""The width of a letter, in hundredths of the font size: a little more than monospaced fonts."""

_MIN_COLUMNS = 3
_ANNOTATION = re.compile(r"_\[[kwij]\]\Z")
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_BLANKS = "\t\n\v\f\r"
_ESCAPES = str.maketrans(
    {
        **{chr(code): "\ufffd" for code in (*range(0x20), *range(0xD800, 0xE000))},
        **dict.fromkeys("\ufffe\uffff", "\ufffd"),
        **dict.fromkeys(_BLANKS, " "),
        **_MARKUP,
    }
)


def _text(text: str) -> str:
    """Make any text safe in XML, between tags and in attributes alike.

    What XML 1.0 has no place for (control characters, surrogates, U+FFFE and U+FFFF) is replaced
    one for one, since a single such character makes browsers refuse the whole document.
    """
    return text.translate(_ESCAPES)


def _asset(name: str) -> str:
    """Give a file of `assets/` as a CDATA section, in which it stands as it was written."""
    data = pkgutil.get_data("tracetools.flamegraph", f"assets/{name}") or b""
    return f"<![CDATA[\n{data.decode()}]]>"


def _shown_name(box: Box) -> str:
    """The name of a frame for people: the root is `all`; an annotation as `_[k]` is left away."""
    return _ANNOTATION.sub("", box.name) if box.depth else "all"


def _units(text: str) -> int:
    """Count UTF-16 units, as scripts do."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(name: str, columns: int) -> str:
    """Cut a name to that many columns, `..` standing for the rest; too few columns hold nothing."""
    if columns < _MIN_COLUMNS:
        return ""
    widths = [1] * len(name) if name.isascii() else [_columns_of(char) for char in name]
    if sum(widths) <= columns:
        return name
    room, length = columns - 2, 0
    while widths[length] <= room:
        room -= widths[length]
        length += 1
    return f"{name[:length]}.."


def _columns_of(char: str) -> int:
    """How many columns a character takes: two for the wide ones of East Asia, none for marks."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
