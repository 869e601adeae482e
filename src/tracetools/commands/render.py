"""`tracetools render`: draws stack files and profiles, as a graph or as a report.

What may live here: flags, which file is what, and what goes where. What must not: how anything is
read, laid out or drawn.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.commands import CommandError
from tracetools.errors import GraphFileError, NoStacksError, StackFileError
from tracetools.profile import LENSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.flamegraph.options import Options
    from tracetools.profile import Lens, Profile

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "draw folded stacks or a profile: a flame graph (SVG) or a report (HTML)"

_STANDARD: Final = Path("-")
_SNIFFED_BYTES: Final = 64
_ALL: Final = "all"
_DRAWN: Final = (".svg", ".html", ".htm")


# -- flags -------------------------------------------------------------------------------------


def _width_in_percent(text: str) -> float:
    return float(text.removesuffix("%"))


def _count_or_all(text: str) -> int | str:
    return _ALL if text == _ALL else int(text)


_FLAGS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "title": (("--title",), {"help": "the heading (default: what the graph is)"}),
    "subtitle": (("--subtitle",), {"help": "a second line below the heading"}),
    "notes": (("--notes",), {"help": "a text that is kept in the file and not shown"}),
    "image_width": (
        ("--image-width", "--width"),
        {"type": int, "metavar": "PIXELS", "help": "the width (default: fill the window)"},
    ),
    "frame_height": (
        ("--frame-height", "--height"),
        {"type": int, "metavar": "PIXELS", "help": "the height of a row (default: 16)"},
    ),
    "min_width": (
        ("--min-width", "--minwidth"),
        {
            "type": _width_in_percent,
            "metavar": "PERCENT",
            "help": "leave narrower frames out (default: 0.01 percent of all)",
        },
    ),
    "max_frames": (
        ("--max-frames",),
        {
            "type": _count_or_all,
            "metavar": "N",
            "help": "draw the N widest frames, or `all` (default: 20,000)",
        },
    ),
    "font_type": (("--font-type", "--fonttype"), {"metavar": "FONT", "help": "as CSS names it"}),
    "font_size": (
        ("--font-size", "--fontsize"),
        {"type": int, "metavar": "PIXELS", "help": "default: 12"},
    ),
    "font_width": (
        ("--font-width", "--fontwidth"),
        {"type": float, "metavar": "RATIO", "help": "a letter's, by the size (default: 0.61)"},
    ),
    "count_name": (
        ("--count-name", "--countname"),
        {
            "metavar": "UNIT",
            "help": "of the counts; ns, µs, ms or s are shown in the unit that fits "
            "(default: µs for files of tracetools, else samples)",
        },
    ),
    "factor": (("--factor",), {"type": float, "help": "multiply the counts that are shown"}),
    "colors": (
        ("--colors", "--color", "-c"),
        {"metavar": "PALETTE", "help": "hot, blue, python, colorblind, lens, ... (default: hot)"},
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
        help="folded stacks, or a profile (.profile.json); several add up; - is standard input",
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
    # What others need for colours that stay the same is how colours always are here.
    for spelling in ("--hash", "--deterministic"):
        looks.add_argument(spelling, action="store_true", help=argparse.SUPPRESS)


# -- the command -------------------------------------------------------------------------------


def run(given: argparse.Namespace) -> int:
    """Read all files, draw them, and write the graph or the report at once.

    Returns:
        0.

    Raises:
        CommandError: what was asked for makes no sense together.
        StackFileError, NoStacksError, GraphFileError: a file cannot be read or written.
    """
    options = _options(given)
    target = _target(given)
    is_page = given.html or target.suffix in (".html", ".htm")
    if is_page and given.before is not None:
        raise CommandError("a report shows no difference: choose an -o that ends in .svg")
    _check_target(target, given)
    inputs = [_read(path, given.lens or "busy", options) for path in given.files]
    text = _page(inputs, options) if is_page else _graph(inputs, given.before, options)
    _write(target, text.encode())
    return 0


def _options(given: argparse.Namespace) -> Options:
    from tracetools.flamegraph.options import make_options  # noqa: PLC0415  # draws nothing yet

    flags = {name: getattr(given, name) for name in _FLAGS}
    chosen = {name: value for name, value in flags.items() if value is not None}
    if given.max_frames == _ALL:
        chosen["max_frames"] = None
    try:
        return make_options(chosen)
    except ValueError as error:
        name = str(error).partition("=")[0]
        raise CommandError(f"{_FLAGS[name][0][0]}: {error}") from error


def _target(given: argparse.Namespace) -> Path:
    """Choose the file to write where none was given."""
    if given.output is not None:
        return Path(given.output)
    first: Path = given.files[0]
    if first == _STANDARD:
        return _STANDARD
    if first.name in ("", ".."):
        raise StackFileError(f"{first} is a folder: give the path of a file")
    if len(given.files) > 1:
        raise CommandError("several files make one graph: name it with -o")
    stem = first.name.removesuffix(".profile.json")
    stem = stem if stem != first.name else first.stem
    return first.with_name(f"{stem}.html" if given.html else f"{stem}.svg")


def _check_target(target: Path, given: argparse.Namespace) -> None:
    """Find out what can be known to fail before anything is read."""
    if target == _STANDARD:
        return
    if target.suffix not in _DRAWN and not given.html and not _is_special(target):
        raise GraphFileError(f"cannot tell what {target} should be: end it in .svg or .html")
    if not os.path.isdir(target.parent):  # Path.is_dir raises on some paths
        raise GraphFileError(f"no folder {target.parent} for {target.name}: create it first")
    for path in (*given.files, *([given.before] if given.before else [])):
        if os.path.exists(target) and os.path.exists(path) and target.samefile(path):
            raise GraphFileError(f"{target} would replace what it is drawn from: choose another -o")


def _is_special(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _write(target: Path, data: bytes) -> None:
    from tracetools.formats.files import explain, write_atomically  # noqa: PLC0415

    if target == _STANDARD:
        sys.stdout.buffer.write(data)
        return
    try:
        write_atomically(target, data)
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write {target}: {explain(error)}") from error


# -- reading -----------------------------------------------------------------------------------


class _Input(NamedTuple):
    """What one file holds: packed stacks with their counts, and the profile if it is one."""

    name: str
    counts: Sequence[tuple[bytes, int]]
    before: Mapping[bytes, int] | None
    profile: Profile | None


def _read(path: Path, lens: Lens, options: Options) -> _Input:
    """Read a file of either kind; which it is is seen from how it begins."""
    from tracetools.formats.files import explain  # noqa: PLC0415
    from tracetools.formats.folded import parse_folded  # noqa: PLC0415

    source = "standard input" if path == _STANDARD else str(path)
    try:
        with _opened(path) as file:
            if _is_profile(file.peek(_SNIFFED_BYTES)[:_SNIFFED_BYTES]):
                return _input_of_profile(file.read(), source, lens)
            folded = parse_folded(file, source, keep_order=options.flame_chart)
    except FileNotFoundError as error:
        raise StackFileError(f"no file {source}: check the path") from error
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read {source}: {explain(error)}") from error
    return _Input(path.name, folded.packed, folded.packed_before, None)


def _opened(path: Path) -> Any:
    return open(0, "rb", closefd=False) if path == _STANDARD else path.open("rb")


def _is_profile(first_bytes: bytes) -> bool:
    from tracetools.formats.profile_json import is_profile  # noqa: PLC0415

    return is_profile(first_bytes)


def _input_of_profile(data: bytes, source: str, lens: Lens) -> _Input:
    from tracetools.formats.folded import format_folded, parse_folded  # noqa: PLC0415
    from tracetools.formats.profile_json import parse_profile  # noqa: PLC0415
    from tracetools.stack_file import fold  # noqa: PLC0415

    profile = parse_profile(data, source)
    text = format_folded(fold(profile, lens))
    if not text:
        raise NoStacksError(f"{source}: this profile has no {lens} time: choose another --lens")
    folded = parse_folded(text.encode().splitlines(keepends=True), source)
    return _Input(Path(source).name, folded.packed, None, profile)


# -- drawing -----------------------------------------------------------------------------------


def _graph(inputs: Sequence[_Input], before_file: Path | None, options: Options) -> str:
    from tracetools.flamegraph.flamegrapher import render_packed  # noqa: PLC0415

    counts = [each for one in inputs for each in one.counts]
    before = _sum_of_before(inputs)
    if before_file is not None:
        if before is not None:
            raise CommandError("--before: the other file has two counts in each line already")
        earlier = _read(before_file, "busy", options)
        if earlier.before is not None:
            raise CommandError(f"--before {before_file}: it has two counts in each line itself")
        before = dict(earlier.counts)
    return render_packed(counts, before, options)


def _sum_of_before(inputs: Sequence[_Input]) -> dict[bytes, int] | None:
    """Add up the first counts of differential files; all files are such, or none is."""
    differential = [one for one in inputs if one.before is not None]
    if not differential:
        return None
    if len(differential) < len(inputs):
        raise CommandError(
            f"{differential[0].name} has two counts in each line and another file has one: "
            "draw them apart"
        )
    sums: dict[bytes, int] = {}
    for one in differential:
        for stack, count in (one.before or {}).items():
            sums[stack] = sums.get(stack, 0) + count
    return sums


def _page(inputs: Sequence[_Input], options: Options) -> str:
    from tracetools.formats.folded import unpack  # noqa: PLC0415
    from tracetools.report.of_profile import report_of_profile  # noqa: PLC0415
    from tracetools.report.of_stacks import report_of_stacks  # noqa: PLC0415

    if _sum_of_before(inputs) is not None:
        raise CommandError("a report shows no difference: choose an -o that ends in .svg")
    profiles = [one.profile for one in inputs if one.profile is not None]
    if profiles and len(inputs) > 1:
        raise CommandError("a report shows one profile: give it alone")
    if profiles:
        return report_of_profile(profiles[0], options)
    graphs: dict[str, dict[tuple[str, ...], int]] = {}
    for one in inputs:
        stacks = graphs.setdefault(one.name, {})
        for packed, count in one.counts:
            stacks[unpack(packed)] = stacks.get(unpack(packed), 0) + count
    return report_of_stacks(graphs, options)
