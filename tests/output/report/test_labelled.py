"""Trees with labels: their graphs are laid out as those of the same stacks packed."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.profile import LENSES
from tracetools.core.stacks import Frame
from tracetools.output.flamegraph.layout import arrange, place
from tracetools.output.flamegraph.options import make_options
from tracetools.output.formats.folded import clean_label, pack
from tracetools.output.report.labelled import LabelledTree
from tracetools.output.report.tree import Counts, GrowingTree

names = (
    st.text(max_size=3) | st.integers(0, 300).map(str) | st.sampled_from(["[idle]", "a\n", "a "])
)
paths = st.lists(names, max_size=4).map(lambda some: tuple(Frame(name, "") for name in some))
all_stacks = st.dictionaries(paths, st.builds(Counts, *[st.integers(0, 9)] * 4), max_size=12)


def tree_of(stacks):
    tree = GrowingTree()
    for path, counts in stacks.items():
        tree.add(tree.walk(path), counts)
    return tree


def packed(stacks, lens):
    states = ("idle", "scheduled") if lens == "task" else ()
    return [
        (pack((*(clean_label(frame.label) for frame in path), *leaf)), count)
        for path, counts in stacks.items()
        for leaf, count in [
            ((), getattr(counts, lens)),
            *(((f"[{state}]",), getattr(counts, state)) for state in states),
        ]
        if count
    ]


@given(all_stacks, st.booleans(), st.none() | st.integers(1, 5), st.sampled_from([0, 0.01, 20]))
def test_the_layout_is_that_of_packed_stacks(stacks, reverse, max_frames, min_width):
    options = make_options(
        {"min_width": min_width, "max_frames": max_frames, "reverse_stack_order": reverse}
    )
    tree = LabelledTree(tree_of(stacks))
    for lens in (
        each for each in LENSES if each not in {"chain", "critical"}
    ):  # which is in no tree
        expected = packed(stacks, lens)
        assert tree.has_time(lens) == bool(expected)
        if expected:
            columns = arrange(expected, reverse=reverse)
            assert tree.layout(lens, options) == place(columns, min_width, max_frames)


@given(all_stacks, all_stacks)
def test_trees_are_the_same_if_their_stacks_are(one, other):
    mine, theirs = LabelledTree(tree_of(one)), LabelledTree(tree_of(other))
    assert mine.is_same(LabelledTree(tree_of(one)))
    if mine.is_same(theirs):
        assert sorted(packed(one, "task")) == sorted(packed(other, "task"))


def test_frames_have_the_kind_of_their_label():
    tree = GrowingTree()
    tree.walk([Frame("a", "app.py", 1)])
    kind_of = LabelledTree(tree).kinds(lambda frame: "own" if frame.file else "state")
    assert [kind_of("a (app.py:1)"), kind_of("[idle]"), kind_of("all")] == ["own", "state", "state"]
