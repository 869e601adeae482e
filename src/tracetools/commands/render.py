"""`tracetools render`: its flags. `files.drawing` does what they ask for."""

from __future__ import annotations

import argparse
import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import values
from tracetools.core.profile import LENSES

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "draw a profile or stacks of any tool: a flame graph (SVG) or a report (HTML)"

# -- flags -------------------------------------------------------------------------------------

_FLAGS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "title": (("--title",), {"help": "the heading (default: what the graph is)"}),
    "subtitle": (("--subtitle",), {"help": "a second line below the heading"}),
    "notes": (("--notes",), {"help": "a text that is kept in the file and not shown"}),
    "image_width": (
        ("--image-width", "--width"),
        {"type": values.whole, "metavar": "PIXELS", "help": "the width (default: fill the window)"},
    ),
    "frame_height": (
        ("--frame-height", "--height"),
        {"type": values.whole, "metavar": "PIXELS", "help": "the height of a row (default: 16)"},
    ),
    "min_width": (
        ("--min-width", "--minwidth"),
        {
            "type": values.percent,
            "metavar": "PERCENT",
            "help": "leave narrower frames out (default: 0.01 percent of all)",
        },
    ),
    "max_frames": (
        ("--max-frames",),
        {
            "type": values.whole_or_all,
            "metavar": "N",
            "help": "draw the N widest frames, or `all` (default: 20,000)",
        },
    ),
    "font_type": (("--font-type", "--fonttype"), {"metavar": "FONT", "help": "as CSS names it"}),
    "font_size": (
        ("--font-size", "--fontsize"),
        {"type": values.whole, "metavar": "PIXELS", "help": "default: 12"},
    ),
    "font_width": (
        ("--font-width", "--fontwidth"),
        {
            "type": values.number,
            "metavar": "RATIO",
            "help": "a letter's, by the size (default: 0.61)",
        },
    ),
    "count_name": (
        ("--count-name", "--countname"),
        {
            "metavar": "UNIT",
            "help": "of the counts; ns, µs, ms or s are shown in the unit that fits "
            "(default: µs for files of tracetools, else samples)",
        },
    ),
    "factor": (
        ("--factor",),
        {"type": values.number, "help": "multiply the counts that are shown"},
    ),
    "colors": (
        ("--colors", "--color", "-c"),
        {
            "metavar": "PALETTE",
            "help": "hot, blue, python, colorblind, lens, ... (default: hot; lens for task time)",
        },
    ),
    "bgcolors": (
        ("--bgcolors",),
        {
            "metavar": "COLOUR",
            "help": "yellow, blue, green, grey or #rrggbb (default: as the reader's scheme)",
        },
    ),
    "text_truncate_direction": (
        ("--truncate",),
        {"choices": ["left", "right"], "help": "the side where labels are cut (default: right)"},
    ),
    "search": (("--search",), {"metavar": "REGEX", "help": "what is searched as it opens"}),
    "nonce": (("--nonce",), {"help": "of a content security policy"}),
    "direction": (
        ("--inverted", "-i"),
        {"action": "store_const", "const": "inverted", "help": "an icicle: the root on top"},
    ),
    "reverse_stack_order": (
        ("--reverse",),
        {"action": "store_const", "const": True, "help": "merge stacks from their leaves"},
    ),
    "flame_chart": (
        ("--flame-chart", "--flamechart"),
        {
            "action": "store_const",
            "const": True,
            "help": "keep the order of the file, from left to right",
        },
    ),
    "negate_differentials": (
        ("--negate",),
        {"action": "store_const", "const": True, "help": "change growth and shrinking over"},
    ),
    "no_javascript": (
        ("--no-javascript",),
        {"action": "store_const", "const": True, "help": "a picture without a script"},
    ),
    "embedded": (
        ("--embedded",),
        {"action": "store_const", "const": True, "help": "SVG to stand within an HTML page"},
    ),
}
"""Flags by the name of their option, each with the spellings that other tools have for it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a profile, or stacks of any tool (see `tracetools convert --help`); several add up; "
        "- is standard input",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="what to write: .svg or .html; - is standard output (default: FILE.svg)",
    )
    parser.add_argument(
        "--html", action="store_true", help="write a report, whatever the name of OUT"
    )
    parser.add_argument(
        "--lens",
        choices=LENSES,
        help="which time of a profile the graph shows (default: busy); a report has them all",
    )
    parser.add_argument(
        "--before",
        type=Path,
        metavar="FILE",
        help="earlier stacks: the graph shows by how much each frame has grown since",
    )
    looks = parser.add_argument_group("how it looks")
    for name, (spellings, how) in _FLAGS.items():
        looks.add_argument(*spellings, dest=name, **how)
    # What others need for colours that stay the same, and for labels cut on the right, is how they
    # always are here.
    for spelling in ("--hash", "--deterministic", "--truncate-text-right"):
        looks.add_argument(spelling, action="store_true", help=argparse.SUPPRESS)


def run(given: argparse.Namespace) -> int:
    """Draw a graph or a report.

    Returns:
        0.

    Raises:
        CommandError: the options make no sense together.
        StackFileError, NoStacksError, GraphFileError: a file cannot be read or written.
    """
    from tracetools.commands.files.drawing import draw  # `--help` does not need it

    flags = {name: getattr(given, name) for name in _FLAGS}
    chosen = {name: value for name, value in flags.items() if value is not None}
    if given.max_frames == values.ALL:
        chosen["max_frames"] = None
    with _no_collections():
        draw(given, chosen, {name: spellings[0] for name, (spellings, _) in _FLAGS.items()})
    return 0


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage meanwhile: all that is read lives until the end, and nothing is freed."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
