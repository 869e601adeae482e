"""The builder of flame graphs: from a stack file to a graph file."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tracetools.core.errors import GraphFileError, NoStacksError, StackFileError, TracetoolsError
from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.output.flamegraph.amounts import unit_of
from tracetools.output.flamegraph.iframe import iframe_of_svg
from tracetools.output.flamegraph.layout import arrange, lay_out, place, tabled
from tracetools.output.flamegraph.marks import NO_MARKS, Marks, marks_of, place_marks
from tracetools.output.flamegraph.markup import csp_source
from tracetools.output.flamegraph.options import make_options
from tracetools.output.flamegraph.svg import draw, script_text, style_text
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.folded import pack, read_folded
from tracetools.output.formats.names import suffix_of, with_suffix
from tracetools.output.formats.stack_table import leaves_of, roots_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self, Unpack

    from tracetools.core.labels import LabelPath, Labels
    from tracetools.core.profile import Lens, Profile
    from tracetools.output.flamegraph.layout import Layout, Packed
    from tracetools.output.flamegraph.options import GraphKeywords, GraphOptions
    from tracetools.output.formats.folded import Folded

StrPath = str | os.PathLike[str]


class Flamegrapher:
    """Makes an interactive SVG of a folded stack file.

    `Flamegrapher("stack.folded").write_flamegraph()` writes `stack.svg` beside it. The methods
    `with_...` change this object and return it, so they can be chained. No file is read or written
    before `write_flamegraph`.

    Args:
        stack_file: See `with_stack_file`.
        graph_file: See `with_graph_file`.
        before_file: See `with_before_file`.
        **options: Those of `GraphOptions`, which has the names of inferno's library.

    Raises:
        TypeError: There is no such option.
        ValueError: An option has a value that makes no sense.
    """

    def __init__(
        self,
        stack_file: StrPath | None = None,
        graph_file: StrPath | None = None,
        before_file: StrPath | None = None,
        **options: Unpack[GraphKeywords],
    ) -> None:
        self._options = make_options(options)
        self._stack_file: Path | None = None
        self._graph_file: Path | None = None
        self._before_file: Path | None = None
        self._marks = NO_MARKS
        if stack_file is not None:
            self.with_stack_file(stack_file)
        if graph_file is not None:
            self.with_graph_file(graph_file)
        if before_file is not None:
            self.with_before_file(before_file)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._stack_file!s}, {self._graph_file!s})"

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the graph; None, which stands for `repr`, without one."""
        try:
            text = self._draw(self._checked_stack_file(), replace(self._options, embedded=True))
        except TracetoolsError:
            return None
        return iframe_of_svg(text, self._options.heading)

    @staticmethod
    def csp_sources() -> dict[str, str]:
        """Return what a content security policy must allow for graphs, by directive.

        There are `script-src` and `style-src`, each with the SHA-256 hash that is the same for all
        graphs of this version of tracetools: for pages and servers that cannot give a nonce.
        """
        return {
            "script-src": csp_source(script_text()),
            "style-src": csp_source(style_text()),
        }

    @property
    def options(self) -> GraphOptions:
        """All options: those that were given, and the defaults of the others."""
        return self._options

    @property
    def stack_file(self) -> Path | None:
        """The stack file that would be read now; None if none was given."""
        return None if self._stack_file is None else _find_stack_file(self._stack_file)

    @property
    def graph_file(self) -> Path | None:
        """The graph file that would be written now; None if no file was given."""
        if self._graph_file is not None:
            return self._graph_file
        return None if self.stack_file is None else with_suffix(self.stack_file, ".svg")

    def with_stack_file(self, path: StrPath) -> Self:
        """Choose the file to read. If there is none, it is the one with the suffix `.folded`."""
        self._stack_file = _named(path, StackFileError)
        return self

    def with_graph_file(self, path: StrPath) -> Self:
        """Choose the file to write, with the suffix `.svg`. Else it has the stack file's name."""
        self._graph_file = with_suffix(_named(path, GraphFileError), ".svg")
        return self

    def with_before_file(self, path: StrPath) -> Self:
        """Choose an earlier stack file. The graph then shows how much each frame has grown.

        Widths are those of the stack file. Stacks of the earlier file alone stand at the right,
        below a frame `(vanished)`, as wide as they were.
        """
        self._before_file = _named(path, StackFileError)
        return self

    def with_marks_of(self, profile: Profile, lens: Lens = "busy", labels: Labels = "name") -> Self:
        """Mark the frames that blocked the loop, by the profile of the same recording.

        The second line of the graph then says what the mark means. Only graphs with busy time have
        marks, and reversed graphs and flame charts do not. Of critical paths, the title of each
        frame says what the slow spans would save without it, at most.

        Args:
            profile: of the same recording.
            lens: which time the stack file has.
            labels: what its labels show.
        """
        self._marks = marks_of([profile], lens, labels)
        return self

    def write_flamegraph(self) -> Path:
        """Draw the stack file, replace the graph file at once, and return its path.

        Raises:
            StackFileError: The stack file is not given, is missing or cannot be read; or a flame
                chart should show a difference.
            NoStacksError: The stack file has no stacks.
            GraphFileError: The folder of the graph file is missing, or the file cannot be written.
                A graph that was there before is untouched, whatever the error.
        """
        stack_file = self._checked_stack_file()
        graph_file = self._checked_graph_file(stack_file)
        text = self._draw(stack_file, self._options)
        try:
            write_atomically(graph_file, text.encode())
        except (OSError, ValueError) as error:
            raise GraphFileError(f"cannot write graph {graph_file}: {explain(error)}") from error
        return graph_file

    def _draw(self, stack_file: Path, options: GraphOptions) -> str:
        folded = _read(stack_file, keep_order=options.flame_chart)
        before = folded.packed_before
        if self._before_file is not None:
            before_file = _check_readable(_find_stack_file(self._before_file))
            before = earlier_counts(_read(before_file), str(before_file), folded)
        return render_packed(folded.packed, before, options, self._marks)

    def _checked_stack_file(self) -> Path:
        """Return the stack file, if it can be read."""
        if self.stack_file is None:
            raise StackFileError("no stack file given: call with_stack_file(path) first")
        return _check_readable(self.stack_file)

    def _checked_graph_file(self, stack_file: Path) -> Path:
        """Return the graph file, if it seems that it can be written."""
        graph_file = self._graph_file or with_suffix(stack_file, ".svg")
        if not os.path.isdir(graph_file.parent):  # Path.is_dir raises on some paths
            raise GraphFileError(
                f"no folder {graph_file.parent} for the graph {graph_file.name}: create it first"
            )
        if os.path.exists(graph_file) and graph_file.samefile(stack_file):
            raise GraphFileError(
                f"graph {graph_file} would replace its stack file: choose another graph file"
            )
        return graph_file


def earlier_counts(before: Folded, source: str, after: Folded) -> dict[bytes, int]:
    """Return the earlier counts of a difference of two files; `source` names the earlier one.

    Raises:
        StackFileError: One of the two is itself a difference.
    """
    if after.packed_before is not None or before.packed_before is not None:
        raise StackFileError(
            f"{source}: two files make a difference, but one of them has two counts in each line: "
            "give that one alone"
        )
    return dict(before.packed)


def render(stacks: Mapping[LabelPath, int], options: GraphOptions, marks: Marks = NO_MARKS) -> str:
    """Return the SVG of stacks with positive counts, at least one."""
    counts = [(pack(stack), count) for stack, count in stacks.items()]
    return render_packed(counts, None, options, marks)


def render_packed(
    counts: Packed,
    before: Mapping[bytes, int] | None,
    options: GraphOptions,
    marks: Marks = NO_MARKS,
) -> str:
    """Return the SVG of packed stacks; `before` has the first counts of a differential graph.

    Raises:
        StackFileError: A flame chart should show a difference, which has no meaning in its order.
    """
    if before is not None and options.flame_chart:
        raise StackFileError("a flame chart shows no difference: leave one of the two out")
    if before is None and not options.flame_chart:
        counts = tabled(counts) or counts
    options = _settle(options, counts)
    layout = _lay_out(counts, before, options)
    marked = {} if _is_rearranged(options) else place_marks(layout.boxes, marks)
    if marked:
        lines = filter(None, (options.subtitle, marks.legend))
        options = replace(options, subtitle=" \u00b7 ".join(lines))
    return draw(layout, options, marked)


def _lay_out(counts: Packed, before: Mapping[bytes, int] | None, options: GraphOptions) -> Layout:
    is_chart, reverse = options.flame_chart, options.reverse_stack_order
    if before is None and not is_chart:
        return lay_out(counts, options.min_width, options.max_frames, reverse=reverse)
    columns = arrange(counts, before, is_chart=is_chart, reverse=reverse)
    return place(columns, options.min_width, options.max_frames)


def _is_rearranged(options: GraphOptions) -> bool:
    """Return whether a frame is not one stack from its root."""
    return options.reverse_stack_order or options.flame_chart


def _settle(options: GraphOptions, counts: Packed) -> GraphOptions:
    """Choose the options that were not given by what the stacks are."""
    unit = unit_of(root.decode() for root in roots_of(counts))
    if options.count_name is None:
        options = replace(options, count_name=unit)
    if options.colors is None and unit == unit_of(()) and _STATES & leaves_of(counts):
        options = replace(options, colors="lens")
    return options


_STATES = frozenset(state.label.encode() for state in (IDLE, SCHEDULED))
"""The last frames of stacks of the lens `task`."""


def _named(path: StrPath, error: type[Exception]) -> Path:
    """Return the path of a file, which must have a name."""
    named = Path(path)
    if named.name in ("", ".."):
        raise error(f"{os.fspath(path)!r} names no file: give the path of one")
    return named


def _find_stack_file(path: Path) -> Path:
    """Return the path itself if it exists, else the one that an instrument would write."""
    is_there = os.path.exists(path)  # Path.exists raises on some paths
    if is_there and not os.path.isdir(path):
        return path
    written = with_suffix(path, ".folded")
    is_meant = os.path.exists(written) or not (is_there or suffix_of(path))
    return written if is_meant else path


def _check_readable(stack_file: Path) -> Path:
    try:
        is_folder = stat.S_ISDIR(stack_file.stat().st_mode)
    except FileNotFoundError as error:
        raise StackFileError(
            f"no stack file {stack_file}: record one first, or check the path"
        ) from error
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read stack file {stack_file}: {explain(error)}") from error
    if is_folder:
        raise StackFileError(f"{stack_file} is a folder: give the path of a file")
    return stack_file


def _read(stack_file: Path, *, keep_order: bool = False) -> Folded:
    try:
        return read_folded(stack_file, keep_order=keep_order)
    except NoStacksError as error:
        if stack_file.name.endswith(".profile.json"):
            raise StackFileError(
                f"{stack_file} is a profile and no stack file: draw it by `tracetools render`"
            ) from error
        raise
