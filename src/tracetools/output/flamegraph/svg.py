"""A layout as SVG text.

Every text from outside, options included, passes through `escape`. Styles and script are the files
in `assets/`, copied as they are.

Each row of frames is a group, so the depth of a frame is the number of its row. Positions are
percentages within a nested `<svg>`, so the graph fits any width. Attributes have the exact counts:
`data-x` (start), `data-w` (width) and, in a differential graph, `data-d` (growth). `data-n` is the
length of the name within the title, in UTF-16 units, which scripts count in. A marked frame has the
symbol before its label in `data-m`, and the reason in its title.

A document has no ids, and no name that another one in the same page could take for its own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import accumulate, groupby, takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.layout import VANISHED_NAME
from tracetools.output.flamegraph.marks import SYMBOL, Note
from tracetools.output.flamegraph.markup import asset, escape, nonce_attribute
from tracetools.output.flamegraph.palette import (
    BACKGROUNDS,
    GROWN,
    PALETTES,
    SHRUNK,
    VANISHED,
    Colour,
    difference,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tracetools.output.flamegraph.layout import Box, Layout
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.flamegraph.palette import Palette

MARGIN = 10
"""Pixels left and right of the frames, and between them and the details below."""

FLUID_WIDTH = 1200
"""The width of a graph that fills its window, where no script runs."""

_NOTHING: Final[Mapping[Box, str]] = MappingProxyType({})


def draw(
    layout: Layout,
    options: GraphOptions,
    marks: Mapping[Box, str] = _NOTHING,
    *,
    paint: Palette | None = None,
    is_bare: bool = False,
) -> str:
    """Return the whole document, its last line ended. The same arguments give the same text.

    Args:
        layout: the frames.
        options: how it looks.
        marks: the text of each marked box, which says why it is marked; a `Note` has no sign.
        paint: the colours of frames by their names, if they are not those of a palette.
        is_bare: whether styles and script are left out, for a page that has them.
    """
    sheet = _Sheet.of(layout, options)
    return "".join(
        [
            *_head(sheet, options),
            *([] if is_bare else _style(options)),
            *_above(sheet, options),
            *_legend(layout, sheet, options),
            *_frames(layout, _pen(layout, sheet, options, marks, paint), sheet),
            *_bar(layout.left_out, sheet),
            *([] if is_bare else _script(options)),
            "</svg>\n",
        ]
    )


def style_text() -> str:
    """Return the styles exactly as they are in the document, for a hash in a security policy."""
    return f"\n{_asset('flamegraph.css')}"


def script_text() -> str:
    """Return the script exactly as it is in the document, for a hash in a security policy."""
    return f"\n{strict(graph_script(), START)}"


def graph_script() -> str:
    """Return the function `makeGraph`, which gives an `<svg>` its behaviour, and what it needs."""
    files = [_asset(name) for name in ("drawing.js", "flamegraph.js")]
    return "\n".join([_asset("model.js"), "function makeGraph(root) {", *files, "}\n"])


START: Final = 'makeGraph(document.currentScript.closest("svg"));\n'
"""Starts the graph that a script stands in."""


def strict(*scripts: str) -> str:
    """Return scripts as one that leaves no names behind."""
    return "\n".join(["(() => {", '"use strict";', "", *scripts]) + "})();\n"


# -- pixels ------------------------------------------------------------------------------------


class _Sheet(NamedTuple):
    """Sizes and positions in pixels, from the top left."""

    width: int
    height: int
    line: int
    row_height: int
    frames_top: int
    rows: int
    is_icicle: bool

    @classmethod
    def of(cls, layout: Layout, options: GraphOptions) -> _Sheet:
        line = options.font_size
        top = (3 + 2 * (options.subtitle is not None) + 2 * layout.differential) * line
        return cls(
            width=options.image_width or FLUID_WIDTH,
            height=top + layout.rows * options.frame_height + 2 * line + MARGIN,
            line=line,
            row_height=options.frame_height,
            frames_top=top,
            rows=layout.rows,
            is_icicle=options.direction == "inverted",
        )

    @property
    def frames_width(self) -> int:
        return max(1, self.width - 2 * MARGIN)

    @property
    def frames_bottom(self) -> int:
        return self.frames_top + self.rows * self.row_height

    def top_of(self, depth: int) -> int:
        """Return where the row of a depth begins. A flame has its root below, an icicle on top."""
        row = depth if self.is_icicle else self.rows - 1 - depth
        return self.frames_top + row * self.row_height + 1


# -- markup ------------------------------------------------------------------------------------


def _head(sheet: _Sheet, options: GraphOptions) -> Iterator[str]:
    """Yield the begin of the document."""
    if not options.embedded:
        yield '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{" ".join(_classes(options))}"'
        f' width="{sheet.width}" height="{sheet.height}"'
        f' viewBox="0 0 {sheet.width} {sheet.height}"'
        f' font-family="{escape(options.font_type)}" font-size="{options.font_size}"'
        f"{_settings(options)}>\n"
    )
    yield f"<title>{escape(options.heading)}</title>\n"
    if options.notes:
        yield f"<metadata>{escape(options.notes)}</metadata>\n"


def _style(options: GraphOptions) -> Iterator[str]:
    """Yield the styles."""
    yield f"<style{nonce_attribute(options.nonce)}><![CDATA[{style_text()}]]></style>\n"


def _classes(options: GraphOptions) -> Iterator[str]:
    """Yield the classes that the styles use."""
    yield "tracetools"
    if options.image_width is None:
        yield "fluid"
    if options.direction == "inverted":
        yield "inverted"
    if options.bgcolors is None:
        yield "auto"
    elif _is_dark(_background(options)):
        yield "dark"


def _settings(options: GraphOptions) -> str:
    """Return the attributes that the script reads."""
    settings = f' data-cut="{options.text_truncate_direction}"'
    if options.search is not None:
        settings += f' data-search="{escape(options.search)}"'
    if options.embedded:
        settings += ' data-embedded="true"'
    return settings


def _script(options: GraphOptions) -> Iterator[str]:
    """Yield the script, unless it is left out."""
    if not options.no_javascript:
        yield f"<script{nonce_attribute(options.nonce)}><![CDATA[{script_text()}]]></script>\n"


def _above(sheet: _Sheet, options: GraphOptions) -> Iterator[str]:
    """Yield what is above the frames: headings and buttons."""
    line = sheet.line
    colour = _hex(_background(options))
    yield f'<rect class="background" width="100%" height="100%" fill="{colour}"/>\n'
    yield (
        f'<text class="heading" x="50%" y="{2 * line}" text-anchor="middle"'
        f' font-size="{line * 4 / 3:.2f}">{escape(options.heading)}</text>\n'
    )
    if options.subtitle is not None:
        yield (
            f'<text class="subtitle" x="50%" y="{4 * line}" text-anchor="middle">'
            f"{escape(options.subtitle)}</text>\n"
        )
    yield f'<text class="button reset" {_LEFT} y="{2 * line}"/>\n'
    left_of_help = f'x="100%" dx="-{MARGIN + 2 * line}" text-anchor="end"'
    yield f'<text class="button search" {left_of_help} y="{2 * line}"/>\n'
    yield f'<text class="button help" {_RIGHT} y="{2 * line}"/>\n'


def _legend(layout: Layout, sheet: _Sheet, options: GraphOptions) -> Iterator[str]:
    """Yield what the colours of a difference mean, in a line above the frames."""
    if not layout.differential:
        return
    grown, shrunk = (SHRUNK, GROWN) if options.negate_differentials else (GROWN, SHRUNK)
    meanings = [(grown, "self time grew"), (shrunk, "self time shrank")]
    if layout.vanished:
        meanings.append((VANISHED, "vanished: only in the earlier file, as wide as there"))
    words = "".join(
        f'<tspan dx="{sheet.line}" fill="{_hex(colour)}">\u25a0</tspan><tspan dx="4">{word}</tspan>'
        for colour, word in meanings
    )
    baseline = sheet.frames_top - sheet.line
    yield f'<text class="legend" x="50%" y="{baseline}" text-anchor="middle">{words}</text>\n'


def _bar(left_out: int, sheet: _Sheet) -> Iterator[str]:
    """Yield the line below the frames, in which the script shows details and matches."""
    height = sheet.height - sheet.frames_bottom
    baseline = sheet.line + MARGIN
    yield f'<g class="bar" transform="translate(0,{sheet.frames_bottom})">\n'
    yield f'<rect class="backing" width="100%" height="{height}" fill="none"/>\n'
    yield f'<text class="details" {_LEFT} y="{baseline}">{_left_out(left_out)}</text>\n'
    yield f'<text class="matched" {_RIGHT} y="{baseline}"/>\n'
    yield "</g>\n"


def _left_out(frames: int) -> str:
    if not frames:
        return ""
    return f"{frames:,} more {'frame is' if frames == 1 else 'frames are'} not drawn"


_LEFT = f'x="{MARGIN}"'
_RIGHT = f'x="100%" dx="-{MARGIN}" text-anchor="end"'


# -- colours -----------------------------------------------------------------------------------

_WHITE = Colour(255, 255, 255)
_DARKEST_LIGHT = 128


def _background(options: GraphOptions) -> Colour:
    """Return the colour of the background: white, unless an option or a style says otherwise."""
    named = options.bgcolors
    if named is None:
        return _WHITE
    return BACKGROUNDS.get(named) or Colour._make(bytes.fromhex(named[1:]))


def _is_dark(colour: Colour) -> bool:
    """Return whether light text is easier to read on a colour, by the weights of Rec. 601."""
    return (299 * colour.red + 587 * colour.green + 114 * colour.blue) / 1000 < _DARKEST_LIGHT


def _hex(colour: Colour) -> str:
    return f"#{bytes(colour).hex()}"


# -- frames ------------------------------------------------------------------------------------

SHOWN_ROOT = "all"
"""What the root is called."""


def _frames(layout: Layout, pen: _Pen, sheet: _Sheet) -> Iterator[str]:
    """Yield the frames, row by row from the root."""
    yield f'<svg class="frames" x="{MARGIN}" width="{sheet.frames_width}">\n'
    for depth, boxes in groupby(layout.boxes, key=lambda box: box.depth):
        yield f'<g class="row" transform="translate(0,{sheet.top_of(depth)})">\n'
        yield from map(pen.frame, boxes)
        yield "</g>\n"
    yield "</svg>\n"


def _pen(
    layout: Layout,
    sheet: _Sheet,
    options: GraphOptions,
    marks: Mapping[Box, str],
    paint: Palette | None,
) -> _Pen:
    """Return what draws the frames of a layout."""
    if layout.differential:
        return _DifferencePen(layout, sheet, options, marks)
    return _Pen(layout, sheet, options, marks, paint)


class _Pen:
    """Draws frames, and has what is the same for all of them."""

    def __init__(
        self,
        layout: Layout,
        sheet: _Sheet,
        options: GraphOptions,
        marks: Mapping[Box, str],
        paint: Palette | None = None,
    ) -> None:
        self._marks = marks
        self._total = layout.total
        self._whole = max(1, layout.total - layout.vanished)
        palette = paint or PALETTES[options.colors or "hot"]
        self._fill_of = cache(lambda name: _hex(palette(name or SHOWN_ROOT)))
        self._amount = amount_formatter(
            "samples" if options.count_name is None else options.count_name, options.factor
        )
        self._letter_width = max(1, round(100 * options.font_width)) * options.font_size
        self._cuts_left = options.text_truncate_direction == "left"
        self._frames_width = sheet.frames_width
        self._rect_height = options.frame_height - 1 or 1
        self._baseline = f"{self._rect_height / 2 + 0.35 * options.font_size:.2f}"

    def frame(self, box: Box) -> str:
        """Return one frame: its title, its rectangle, and its label if one fits."""
        name = shown_name(box.name) if box.depth else SHOWN_ROOT
        left = f"{100 * box.start / self._total:.4f}%"
        width = f"{100 * box.width / self._total:.4f}%"
        title, label, symbol = self._title(box, name), self._text(box, name), ""
        mark = self._marks.get(box) if self._marks else None
        if mark is not None:
            title = f"{title[:-1]}; {mark})"
        if mark is not None and not isinstance(mark, Note):
            label, symbol = self._marked_text(box, name), f' data-m="{SYMBOL}"'
        return (
            f"<g {self._counts(box, name)}{symbol}><title>{escape(title)}</title>"
            f'<rect x="{left}" width="{width}" height="{self._rect_height}"'
            f' fill="{self._fill(box)}"/>'
            f"{self._label(left, label) if label else ''}</g>\n"
        )

    def _title(self, box: Box, name: str) -> str:
        """Return name, count and percentage. It is rounded half to even, as in inferno."""
        if not box.depth:
            return f"{name} ({self._amount(self._whole)}, 100%)"
        return f"{name} ({self._amount(box.width)}, {self._share(box.width)})"

    def _share(self, count: int) -> str:
        return f"{100 * count / self._whole:.2f}%"

    def _fill(self, box: Box) -> str:
        return self._fill_of(box.name)

    def _counts(self, box: Box, name: str) -> str:
        return f'data-x="{box.start}" data-w="{box.width}" data-n="{_units(name)}"'

    def _label(self, left: str, label: str) -> str:
        return f'<text x="{left}" y="{self._baseline}">{escape(label)}</text>'

    def _text(self, box: Box, name: str) -> str:
        return _cut(name, self._columns(box), on_left=self._cuts_left)

    def _marked_text(self, box: Box, name: str) -> str:
        """Return the symbol and as much of the name as fits behind it."""
        room = self._columns(box) - _SYMBOL_COLUMNS
        text = _cut(name, room - 1, on_left=self._cuts_left)
        if text:
            return f"{SYMBOL} {text}"
        return SYMBOL if room >= 0 else ""

    def _columns(self, box: Box) -> int:
        """Return how many monospaced letters fit into a box, with 3 pixels free on each side."""
        pixels_by_total = self._frames_width * box.width - 6 * self._total
        return max(0, pixels_by_total * 100 // (self._total * self._letter_width))


class _DifferencePen(_Pen):
    """Draws frames with their growth, as a colour and as a number in the title.

    As in inferno, growth is that of a frame's self time, and the root has none.
    """

    def __init__(
        self, layout: Layout, sheet: _Sheet, options: GraphOptions, marks: Mapping[Box, str]
    ) -> None:
        super().__init__(layout, sheet, options, marks)
        self._vanished = layout.vanished
        self._sign = -1 if options.negate_differentials else 1
        here = (box for box in layout.boxes if not self._has_vanished(box))
        self._largest = max(1, *(abs(box.delta) for box in here))

    def _title(self, box: Box, name: str) -> str:
        title = super()._title(box, name)
        if not box.depth:
            return title
        if self._has_vanished(box):
            return f"{title[:-1]}; vanished)"
        growth = self._sign * box.delta
        return f"{title[:-1]}; {'+' if growth > 0 else ''}{self._share(growth)})"

    def _fill(self, box: Box) -> str:
        if self._has_vanished(box):
            return _hex(VANISHED)
        return _hex(difference(self._sign * box.delta, self._largest))

    def _has_vanished(self, box: Box) -> bool:
        """Return whether a frame is at the right, with what only the earlier file has."""
        return box.depth > 0 and box.start >= self._total - self._vanished

    def _counts(self, box: Box, name: str) -> str:
        return f'{super()._counts(box, name)} data-d="{self._sign * box.delta}"'


# -- text --------------------------------------------------------------------------------------

_MIN_COLUMNS = 3
_SYMBOL_COLUMNS = 2
"""The symbol mostly comes from another font, in which it is wide."""

_ANNOTATION = re.compile(r"_\[[kwij]\]\Z")


def shown_name(name: str) -> str:
    """Return the name of a frame without its annotation, such as `_[k]`."""
    if name == VANISHED_NAME:
        return "(vanished)"
    return _ANNOTATION.sub("", name) if name.endswith("]") else name


def _asset(name: str) -> str:
    return asset("tracetools.output.flamegraph", name)


def _units(text: str) -> int:
    """Return the length in UTF-16 units, as scripts count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(name: str, columns: int, *, on_left: bool = False) -> str:
    """Return a name that is cut to a number of columns, with `..` for the rest, or nothing."""
    if columns < _MIN_COLUMNS:
        return ""
    if name.isascii():
        if len(name) <= columns:
            return name
        kept = columns - 2
        return f"..{name[-kept:]}" if on_left else f"{name[:kept]}.."
    widths = [_columns_of(char) for char in name]
    if sum(widths) <= columns:
        return name
    if on_left:
        return f"..{name[len(name) - _fitting(reversed(widths), columns - 2) :]}"
    return f"{name[: _fitting(widths, columns - 2)]}.."


def _fitting(widths: Iterable[int], room: int) -> int:
    """Return how many characters fit from the first one on; not all of them do."""
    return sum(1 for _ in takewhile(lambda width: width <= room, accumulate(widths)))


def _columns_of(char: str) -> int:
    """Return the columns of a character: 2 for wide ones of East Asia, 0 for combining marks."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
