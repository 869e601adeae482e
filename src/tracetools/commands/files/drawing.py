"""What `tracetools render` does: reads stack files and profiles, draws them, writes the result."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.commands import UsageError
from tracetools.commands.files.inputs import STANDARD, lens_of, read_input, source_of
from tracetools.commands.terminal.progress import pulse
from tracetools.core.errors import GraphFileError, NoStacksError, StackFileError
from tracetools.core.profile import Profile
from tracetools.output.flamegraph.flamegrapher import earlier_counts, render_packed
from tracetools.output.flamegraph.marks import marks_of
from tracetools.output.flamegraph.options import make_options
from tracetools.output.formats.content import PER_NANOSECOND, no_time, scaled
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.folded import Folded, pack_clean
from tracetools.output.formats.names import with_suffix
from tracetools.output.report.of_profile import report_of_profile
from tracetools.output.report.of_stacks import report_of_stacks
from tracetools.output.stack_file import fold

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from tracetools.core.profile import Lens
    from tracetools.output.flamegraph.layout import Packed
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.formats.content import Content

__all__ = ["draw"]

_DRAWN: Final = (".svg", ".html", ".htm")


def draw(
    given: argparse.Namespace, options: Mapping[str, object], flag_of: Mapping[str, str]
) -> None:
    """Read all files, draw them, and replace the graph or the report at once.

    Args:
        given: the command line: files, output, lens and the like.
        options: the options of the graph that were given.
        flag_of: the flag of each option, for messages.

    Raises:
        UsageError: the options make no sense together.
        StackFileError, NoStacksError, GraphFileError: a file cannot be read or written.
    """
    graph_options = _options(options, flag_of)
    target = _target(given)
    is_page = given.html or target.suffix in (".html", ".htm")
    if is_page:
        _check_page(given)
    _check_target(target, given)
    inputs = [_read(path, given, graph_options) for path in given.files]
    lens_of(given.lens, [one.read for one in inputs])
    graph_options = _with_unit(inputs, graph_options)
    with pulse(f"drawing {source_of(target)}"):
        text = _page(inputs, graph_options) if is_page else _graph(inputs, given, graph_options)
    _write(target, text.encode())
    if target != STANDARD:
        print(f"Written: {target}", file=sys.stderr)


def _options(options: Mapping[str, object], flag_of: Mapping[str, str]) -> GraphOptions:
    try:
        return make_options(options)
    except ValueError as error:
        name, _, fault = str(error).partition("=")
        remedy = fault.partition(", or None")[0]  # which nobody can give here
        raise UsageError(f"{flag_of[name]} {remedy}") from error


def _check_page(given: argparse.Namespace) -> None:
    """Refuse what a report cannot show."""
    for is_asked, what in (
        (given.before is not None, "difference"),
        (given.flame_chart, "flame chart"),
    ):
        if is_asked:
            raise UsageError(f"a report shows no {what}: choose an -o that ends in .svg")


def _target(given: argparse.Namespace) -> Path:
    """Return the file to write: the given one, or one beside the file to read."""
    if given.output is not None:
        return Path(given.output)
    first: Path = given.files[0]
    if first == STANDARD:
        return STANDARD
    if first.name in ("", ".."):
        raise StackFileError(f"{first} is a folder: give the path of a file")
    if len(given.files) > 1:
        raise UsageError("several files make one graph: name it with -o")
    return with_suffix(first, ".html" if given.html else ".svg")


def _check_target(target: Path, given: argparse.Namespace) -> None:
    """Refuse a file that cannot be written, before anything is read."""
    if target == STANDARD:
        return
    if target.suffix not in _DRAWN and not given.html and not _is_special(target):
        raise GraphFileError(f"unclear what {target} should be: end it in .svg or .html")
    if not os.path.isdir(target.parent):  # Path.is_dir raises on some paths
        raise GraphFileError(f"no folder {target.parent} for {target.name}: create it first")
    for path in (*given.files, *([given.before] if given.before else [])):
        if os.path.exists(target) and os.path.exists(path) and target.samefile(path):
            raise GraphFileError(f"{target} would replace what it is drawn from: choose another -o")


def _is_special(path: Path) -> bool:
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _write(target: Path, data: bytes) -> None:
    try:
        if target == STANDARD:
            _write_out(data)
        else:
            write_atomically(target, data)
    except BrokenPipeError:  # the reader closed it
        raise
    except (OSError, ValueError) as error:
        shown = "to standard output" if target == STANDARD else target
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
    """The content of one file: folded stacks, or a profile."""

    path: Path
    read: Content

    @property
    def name(self) -> str:
        """The file as messages and headings name it."""
        return source_of(self.path)

    @property
    def content(self) -> Folded | Profile:
        """What it holds."""
        return self.read.content

    def stacks(self, lens: Lens) -> Folded:
        """Return the folded stacks; those of a profile are of one lens, in microseconds."""
        if not isinstance(self.content, Profile):
            return self.content
        packed = pack_clean(fold(self.content, lens))
        if not packed:
            raise NoStacksError(f"{self.name}: {no_time(lens)}")
        return Folded(packed, None, bad=0, first_bad=None, vanished=0)


def _read(path: Path, given: argparse.Namespace, options: GraphOptions) -> _Input:
    """Read a file. Where it is not alone, its times are in microseconds, as those of others are."""
    content = read_input(path, lens=given.lens, keep_order=options.flame_chart)
    is_alone = len(given.files) == 1 and given.before is None
    if is_alone or isinstance(content.content, Profile) or content.unit not in PER_NANOSECOND:
        return _Input(path, content)
    packed = [*scaled(content.content.packed, content.unit, "microseconds")]
    folded = replace(content.content, packed=packed)
    return _Input(path, content._replace(content=folded, unit="microseconds"))


def _with_unit(inputs: Sequence[_Input], options: GraphOptions) -> GraphOptions:
    """Choose the unit that all files have, if they say so and none was given."""
    units = {_unit(one.read) for one in inputs}
    if options.count_name is None and len(units) == 1 and units != {""}:
        return replace(options, count_name=units.pop())
    return options


def _unit(content: Content) -> str:
    return "microseconds" if isinstance(content.content, Profile) else content.unit


# -- drawing -----------------------------------------------------------------------------------


def _graph(inputs: Sequence[_Input], given: argparse.Namespace, options: GraphOptions) -> str:
    lens: Lens = given.lens or "busy"
    stacks = [one.stacks(lens) for one in inputs]
    counts = [each for one in stacks for each in one.packed]
    before = _sum_of_before(inputs, stacks)
    if given.before is not None:
        earlier = _read(given.before, given, options)
        for one in stacks:
            before = earlier_counts(earlier.stacks(lens), earlier.name, one)
    profiles = [one.content for one in inputs if isinstance(one.content, Profile)]
    return render_packed(counts, before, options, marks_of(profiles, lens))


def _sum_of_before(inputs: Sequence[_Input], stacks: Sequence[Folded]) -> dict[bytes, int] | None:
    """Return the sums of the first counts of differential files. All files are such, or none is."""
    differential = [one.packed_before is not None for one in stacks]
    if not any(differential):
        return None
    if not all(differential):
        name = inputs[differential.index(True)].name
        raise UsageError(
            f"{name} has two counts in each line and another file has one: draw them apart"
        )
    sums: dict[bytes, int] = {}
    for one in stacks:
        for stack, count in (one.packed_before or {}).items():
            sums[stack] = sums.get(stack, 0) + count
    return sums


def _page(inputs: Sequence[_Input], options: GraphOptions) -> str:
    profiles = [one.content for one in inputs if isinstance(one.content, Profile)]
    if profiles and len(inputs) > 1:
        raise UsageError("a report shows one profile: give it alone")
    if profiles:
        return report_of_profile(profiles[0], options)
    names = [one.path.name if one.path != STANDARD else one.name for one in inputs]
    if len(set(names)) < len(names):
        names = [one.name for one in inputs]
    graphs: dict[str, Packed] = {}
    for name, one in zip(names, inputs, strict=True):
        folded = one.stacks("busy")
        if folded.packed_before is not None:
            raise UsageError("a report shows no difference: choose an -o that ends in .svg")
        graphs[name] = [*graphs[name], *folded.packed] if name in graphs else folded.packed
    return report_of_stacks(graphs, options)
