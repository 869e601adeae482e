"""The graphs of the lenses in a report: their headings, explanations and options."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.marks import NO_MARKS, Marks
from tracetools.output.formats.folded import pack
from tracetools.output.report.labelled import clean_label_of
from tracetools.output.report.page import Graph
from tracetools.output.report.pictures import PackedStacks, TreeStacks, draw_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import Frame, StackPath
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.labelled import LabelledTree
    from tracetools.output.report.pictures import Picture, Stacks
    from tracetools.output.report.transforms import KindOf

ORDER: Final[tuple[Lens, ...]] = ("busy", "idle", "task", "scheduled", "chain", "critical")
"""The order in which a report shows them. It opens with the first one that has any time."""


class Words(NamedTuple):
    """The key of a graph in the page's address, its heading, and what its numbers are."""

    key: str
    heading: str
    explanation: str = ""


_WORDS: Final[dict[Lens, Words]] = {
    "task": Words(
        "task",
        "Task",
        "All time of all tasks: busy as the stack itself, idle and scheduled as its leaves"
        " [idle] and [scheduled].",
    ),
    "busy": Words(
        "busy",
        "Busy",
        (
            "The loop's time: what kept it busy, and how long it waited for events. While one step"
            " runs, no other task can. Time in worker threads comes on top."
        ),
    ),
    "idle": Words(
        "idle",
        "Idle",
        "What tasks waited for. A hundred tasks that wait for a second make a hundred seconds.",
    ),
    "scheduled": Words(
        "scheduled",
        "Scheduled",
        "Where tasks could step and did not yet, because others blocked the loop.",
    ),
    "chain": Words(
        "chain",
        "Who ended waits",
        "What tasks waited for, and on top of it who ended that: the stack of what another task did"
        " just then, and its line.",
    ),
    "critical": Words(
        "critical",
        "Critical paths",
        "What explains each moment of the slow spans that were kept, in whichever task; other spans"
        " are not in it. The tooltip of a frame says how much less they would take without it, at"
        " most.",
    ),
}


_NO_TITLES: Final[Mapping[Lens, str]] = MappingProxyType({})
_IN_NO_TREE: Final = ("chain", "critical")


class Variant(NamedTuple):
    """Stacks as they are drawn.

    Attributes:
        of_lens: returns the stacks of a lens; None if they have no time.
        marks_of: returns the marks of a lens in them.
    """

    of_lens: Callable[[Lens], Stacks | None]
    marks_of: Callable[[Lens], Marks]


def no_marks(_: Lens) -> Marks:
    """Return no marks, for stacks of which nothing more is known."""
    return NO_MARKS


def make_variant(
    tree: LabelledTree,
    kind_of: KindOf,
    options: GraphOptions,
    marks: Callable[[Lens], Marks] = no_marks,
    **others: Mapping[StackPath, int],
) -> Variant:
    """Return the stacks of a tree as they are drawn; reversed, they have no marks.

    `others` are those of lenses that are in no tree, by the name of the lens.
    """
    kinds = tree.kinds(kind_of)

    def of_lens(lens: Lens) -> Stacks | None:
        if lens in _IN_NO_TREE:
            return _packed(others[lens], kind_of) if others.get(lens) else None
        return TreeStacks(tree, lens, kinds) if tree.has_time(lens) else None

    return Variant(of_lens, no_marks if options.reverse_stack_order else marks)


def _packed(stacks: Mapping[StackPath, int], kind_of: KindOf) -> PackedStacks:
    frames = {frame for path in stacks for frame in path}
    kinds = {clean_label_of(frame): kind_of(frame) for frame in sorted(frames, key=_in_order)}
    counts = [(pack(tuple(map(clean_label_of, path))), n) for path, n in stacks.items()]
    return PackedStacks(counts, lambda label: kinds.get(label, "state"))


def _in_order(frame: Frame) -> tuple[str, str, int]:
    return frame.name, frame.file or "", frame.line


def graphs_with_time(
    variants: Sequence[Variant], options: GraphOptions, titles: Mapping[Lens, str] = _NO_TITLES
) -> list[Graph]:
    """Return a graph for each lens that has any time.

    Args:
        variants: stacks in which frames of libraries are folded, and the same as they are; the
            first alone if no frame is folded.
        options: of all graphs; each has an equal part of `max_frames`.
        titles: what the graph of a lens shows, where its total alone does not say that.
    """
    drawn = {lens: [found for each in variants if (found := each.of_lens(lens))] for lens in ORDER}
    options = options_of_page(options, sum(map(len, drawn.values())))
    return [
        draw_graph(
            _WORDS[lens],
            stacks,
            [each.marks_of(lens) for each in variants],
            options,
            titles.get(lens, ""),
        )
        for lens, stacks in drawn.items()
        if stacks
    ]


def options_of_page(options: GraphOptions, graphs: int) -> GraphOptions:
    """Return the options of one of the graphs of a page: an icicle, unless something else is asked.

    So the root of each is in sight at once.
    """
    most = options.max_frames
    return replace(
        options,
        max_frames=None if most is None else max(1, most // max(1, graphs)),
        direction=options.direction or "inverted",
        subtitle=None,
        notes="",
    )


def draw_graph(
    words: Words,
    variants: Sequence[Stacks],
    marks: Sequence[Marks],
    options: GraphOptions,
    title: str = "",
) -> Graph:
    """Return a graph of a lens, drawn with frames of libraries folded, and with all.

    Without a title, its heading and its total are the title.
    """
    options = replace(options, title=words.heading)
    pictures = [
        draw_picture(stacks, options, of_stacks, title)
        for stacks, of_stacks in zip(variants, marks)  # noqa: B905  # there may be more marks
    ]
    return Graph(
        **words._asdict(),
        svg=pictures[0].svg,
        whole_svg=pictures[1].svg if len(pictures) > 1 else None,
        kinds=_kinds(pictures, options),
        mark=marks[0].legend if any(picture.is_marked for picture in pictures) else "",
    )


def _kinds(pictures: list[Picture], options: GraphOptions) -> frozenset[str]:
    """Return the kinds of frames that a legend explains: none with a palette of other colours."""
    if options.colors:
        return frozenset()
    return frozenset(kind for picture in pictures for kind in picture.kinds)
