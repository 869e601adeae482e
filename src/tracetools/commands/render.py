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
from tracetools.core.errors import GraphFileError, NoStacksError, StackFileError
from tracetools.core.profile import LENSES, Profile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.formats.folded import Folded

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "draw folded stacks or a profile: a flame graph (SVG) or a report (HTML)"

_STANDARD: Final = Path("-")
_SNIFFED_BYTES: Final = 64
_ALL: Final = "all"
_DRAWN: Final = (".svg", ".html", ".htm")


# -- flags -------------------------------------------------------------------------------------


def _percent(text: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _whole_or_all(text: str) -> int | str:
    return _ALL if text == _ALL else _whole(text)


_FLAGS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "title": (("--title",), {"help": "the heading (default: what the graph is)"}),
    "subtitle": (("--subtitle",), {"help": "a second line below the heading"}),
    "notes": (("--notes",), {"help": "a text that is kept in the file and not shown"}),
    "image_width": (
        ("--image-width", "--width"),
        {"type": _whole, "metavar": "PIXELS", "help": "the width (default: fill the window)"},
    ),
    "frame_height": (
        ("--frame-height", "--height"),
        {"type": _whole, "metavar": "PIXELS", "help": "the height of a row (default: 16)"},
    ),
    "min_width": (
        ("--min-width", "--minwidth"),
        {
            "type": _percent,
            "metavar": "PERCENT",
            "help": "leave narrower frames out (default: 0.01 percent of all)",
        },
    ),
    "max_frames": (
        ("--max-frames",),
        {
            "type": _whole_or_all,
            "metavar": "N",
            "help": "draw the N widest frames, or `all` (default: 20,000)",
        },
    ),
    "font_type": (("--font-type", "--fonttype"), {"metavar": "FONT", "help": "as CSS names it"}),
    "font_size": (
        ("--font-size", "--fontsize"),
        {"type": _whole, "metavar": "PIXELS", "help": "default: 12"},
    ),
    "font_width": (
        ("--font-width", "--fontwidth"),
        {"type": _number, "metavar": "RATIO", "help": "a letter's, by the size (default: 0.61)"},
    ),
    "count_name": (
        ("--count-name", "--countname"),
        {
            "metavar": "UNIT",
            "help": "of the counts; ns, µs, ms or s are shown in the unit that fits "
            "(default: µs for files of tracetools, else samples)",
        },
    ),
    "factor": (("--factor",), {"type": _number, "help": "multiply the counts that are shown"}),
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
    # What others need for colours that stay the same, and for labels cut on the right, is how they
    # always are here.
    for spelling in ("--hash", "--deterministic", "--truncate-text-right"):
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
    if is_page:
        _check_page(given)
    _check_target(target, given)
    inputs = [_read(path, options) for path in given.files]
    if given.lens and not any(isinstance(one.content, Profile) for one in inputs):
        raise CommandError("--lens chooses from a profile, and folded stacks hold but one lens")
    text = _page(inputs, options) if is_page else _graph(inputs, given, options)
    _write(target, text.encode())
    return 0


def _options(given: argparse.Namespace) -> GraphOptions:
    from tracetools.output.flamegraph.options import make_options  # noqa: PLC0415  # draws nothing yet

    flags = {name: getattr(given, name) for name in _FLAGS}
    chosen = {name: value for name, value in flags.items() if value is not None}
    if given.max_frames == _ALL:
        chosen["max_frames"] = None
    try:
        return make_options(chosen)
    except ValueError as error:
        name, _, fault = str(error).partition("=")
        remedy = fault.partition(", or None")[0]  # which nobody can give here
        raise CommandError(f"{_FLAGS[name][0][0]} {remedy}") from error


def _check_page(given: argparse.Namespace) -> None:
    """Refuse what a report cannot show."""
    for is_asked, what in (
        (given.before is not None, "difference"),
        (given.flame_chart, "flame chart"),
    ):
        if is_asked:
            raise CommandError(f"a report shows no {what}: choose an -o that ends in .svg")


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
    from tracetools.output.formats.files import explain, write_atomically  # noqa: PLC0415

    try:
        if target == _STANDARD:
            _write_out(data)
        else:
            write_atomically(target, data)
    except BrokenPipeError:  # the reader has seen enough
        raise
    except (OSError, ValueError) as error:
        shown = "to standard output" if target == _STANDARD else target
        raise GraphFileError(f"cannot write {shown}: {explain(error)}") from error


def _write_out(data: bytes) -> None:
    if sys.stdout is None:
        raise GraphFileError("cannot write to standard output: it is closed; name a file with -o")
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError:  # what is left in the buffer would fail once more, at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


# -- reading -----------------------------------------------------------------------------------


class _Input(NamedTuple):
    """What one file holds: folded stacks, or a profile."""

    path: Path
    content: Folded | Profile

    @property
    def name(self) -> str:
        """The file as messages and headings name it."""
        return _source(self.path)

    def stacks(self, lens: Lens) -> Folded:
        """Return the folded stacks, those of a profile as one lens shows it."""
        if not isinstance(self.content, Profile):
            return self.content
        from tracetools.output.formats.folded import Folded, pack_clean  # noqa: PLC0415
        from tracetools.output.stack_file import fold  # noqa: PLC0415

        packed = pack_clean(fold(self.content, lens))
        if not packed:
            raise NoStacksError(
                f"{self.name}: this profile has no {lens} time: choose another --lens"
            )
        return Folded(packed, None, bad=0, first_bad=None, vanished=0)


def _source(path: Path) -> str:
    return "standard input" if path == _STANDARD else str(path)


def _read(path: Path, options: GraphOptions) -> _Input:
    """Read a file of either kind; which it is is seen from how it begins."""
    from tracetools.output.formats.files import explain  # noqa: PLC0415
    from tracetools.output.formats.folded import parse_folded  # noqa: PLC0415
    from tracetools.output.formats.profile_json import is_profile, load_profile  # noqa: PLC0415

    source = _source(path)
    try:
        with _opened(path) as opened:
            start = opened.read(_SNIFFED_BYTES)
            file = _Again(start, opened)
            if is_profile(start):
                return _Input(path, load_profile(file, source))
            folded = parse_folded(file, source, keep_order=options.flame_chart)
    except FileNotFoundError as error:
        raise StackFileError(f"no file {source}: check the path") from error
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read {source}: {explain(error)}") from error
    return _Input(path, folded)


def _opened(path: Path) -> Any:
    return open(0, "rb", closefd=False) if path == _STANDARD else path.open("rb")


class _Again:
    """A file that begins with what was read of it to see what it is; a pipe cannot go back."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        """Return at most so many bytes, all with a negative size; none at the end."""
        start, self._start = self._start, b""
        return start + self._rest.read(size if size < 0 else size - len(start))


# -- drawing -----------------------------------------------------------------------------------


def _graph(inputs: Sequence[_Input], given: argparse.Namespace, options: GraphOptions) -> str:
    from tracetools.output.flamegraph.flamegrapher import earlier_counts, render_packed  # noqa: PLC0415
    from tracetools.output.flamegraph.marks import marks_of  # noqa: PLC0415

    lens: Lens = given.lens or "busy"
    stacks = [one.stacks(lens) for one in inputs]
    counts = [each for one in stacks for each in one.packed]
    before = _sum_of_before(inputs, stacks)
    if given.before is not None:
        earlier = _read(given.before, options)
        for one in stacks:
            before = earlier_counts(earlier.stacks(lens), earlier.name, one)
    profiles = [one.content for one in inputs if isinstance(one.content, Profile)]
    return render_packed(counts, before, options, marks_of(profiles, lens))


def _sum_of_before(inputs: Sequence[_Input], stacks: Sequence[Folded]) -> dict[bytes, int] | None:
    """Add up the first counts of differential files; all files are such, or none is."""
    differential = [one.packed_before is not None for one in stacks]
    if not any(differential):
        return None
    if not all(differential):
        name = inputs[differential.index(True)].name
        raise CommandError(
            f"{name} has two counts in each line and another file has one: draw them apart"
        )
    sums: dict[bytes, int] = {}
    for one in stacks:
        for stack, count in (one.packed_before or {}).items():
            sums[stack] = sums.get(stack, 0) + count
    return sums


def _page(inputs: Sequence[_Input], options: GraphOptions) -> str:
    from tracetools.output.report.of_profile import report_of_profile  # noqa: PLC0415
    from tracetools.output.report.of_stacks import report_of_stacks  # noqa: PLC0415

    profiles = [one.content for one in inputs if isinstance(one.content, Profile)]
    if profiles and len(inputs) > 1:
        raise CommandError("a report shows one profile: give it alone")
    if profiles:
        return report_of_profile(profiles[0], options)
    names = [one.path.name if one.path != _STANDARD else one.name for one in inputs]
    if len(set(names)) < len(names):
        names = [one.name for one in inputs]
    graphs: dict[str, dict[tuple[str, ...], int]] = {}
    for name, one in zip(names, inputs, strict=True):
        folded = one.stacks("busy")
        if folded.packed_before is not None:
            raise CommandError("a report shows no difference: choose an -o that ends in .svg")
        graph = graphs.setdefault(name, {})
        for stack, count in folded.stacks.items():
            graph[stack] = graph.get(stack, 0) + count
    return report_of_stacks(graphs, options)
