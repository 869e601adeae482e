"""Packed stacks of codes: they mean the same as labels do, and sort as they do."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.profile import LENSES
from tracetools.core.stacks import Frame
from tracetools.output.formats.folded import SEPARATOR, clean_label
from tracetools.output.report.packing import PackedTree
from tracetools.output.report.tree import Counts, Tree

names = st.text(max_size=3) | st.integers(0, 300).map(str)
paths = st.lists(names, max_size=4).map(lambda some: tuple(Frame(name, "") for name in some))


def labels_of(packed, stack):
    codes = stack.decode().split(SEPARATOR.decode()) if stack else []
    return tuple(packed.labels[code] for code in codes)


@given(st.dictionaries(paths, st.builds(Counts, *[st.integers(0, 9)] * 4), max_size=9))
def test_stacks_have_the_counts_of_each_lens_and_sort_by_their_labels(stacks):
    tree = Tree()
    for path, counts in stacks.items():
        tree.add(tree.walk(path), counts)
    packed = PackedTree(tree)
    for lens in LENSES:
        rows = packed.of_lens(lens)
        states = ("idle", "scheduled") if lens == "task" else ()
        expected = sorted(
            ((*(clean_label(frame.label) for frame in path), *leaf), count)
            for path, counts in stacks.items()
            for leaf, count in [
                ((), getattr(counts, lens)),
                *(((f"[{state}]",), getattr(counts, state)) for state in states),
            ]
            if count
        )
        assert sorted((labels_of(packed, stack), count) for stack, count in rows) == expected
        ordered = [labels_of(packed, stack) for stack, _ in sorted(rows)]
        assert ordered == sorted(ordered)


def test_there_are_codes_for_any_number_of_labels():
    tree = Tree()
    for number in range(10_000):
        tree.add(tree.walk([Frame(str(number), "")]), Counts(busy=1))
    packed = PackedTree(tree)
    assert len({*packed.labels.values()}) == 10_002
    assert {len(code) for code in packed.labels} == {3}


def test_frames_have_the_kind_of_their_label():
    tree = Tree()
    tree.walk([Frame("a", "app.py", 1)])
    kind_of = PackedTree(tree).kinds(lambda frame: "own" if frame.file else "state")
    assert [kind_of("a (app.py:1)"), kind_of("[idle]"), kind_of("all")] == ["own", "state", "state"]
