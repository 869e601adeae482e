"""The tree of a page: the same stacks and counts as the transforms of paths give."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.profile import Profile
from tracetools.core.stacks import IMPORTING, ROOT, Frame, Times, is_of_loop
from tracetools.output.frame_kinds import is_of_import, kinds_of
from tracetools.output.nodes import Nodes
from tracetools.output.report.transforms import all_frames, own_first, variants_of
from tracetools.output.report.tree import Counts, GrowingTree
from tracetools.output.report.tree import tree_of as tree_of_nodes

FRAMES = [
    Frame("a", "app.py", 1),
    Frame("b", "app.py", 2),
    Frame("GET /", ""),
    Frame("Router.app", "starlette/routing.py", 3),
    Frame("Route.handle", "starlette/routing.py", 4),
    Frame("dumps", "json/__init__.py", 5),
    Frame("_find_and_load", "<frozen importlib._bootstrap>", 6),
    Frame("await Event.wait", "app.py", 7),
    IMPORTING,
]
KIND_OF = kinds_of(
    {"starlette/routing.py": "library", "json/__init__.py": "runtime"}
    | {"<frozen importlib._bootstrap>": "runtime"}
)
paths = st.lists(st.sampled_from(FRAMES), max_size=7).map(lambda some: (ROOT, *some))
paths |= st.lists(st.sampled_from(FRAMES), min_size=1, max_size=4).map(tuple)
all_counts = st.builds(Counts, *[st.integers(0, 9)] * 4)


def tree_of(stacks):
    tree = GrowingTree()
    for path, counts in stacks.items():
        tree.add(tree.walk(path), counts)
    return tree


def summed(stacks):
    sums = Counter()
    for path, counts in stacks:
        for lens, count in zip(Counts._fields, counts, strict=True):
            if count:
                sums[path, lens] += count
    return sums


@pytest.mark.parametrize("index", [0, 1])
@given(stacks=st.dictionaries(paths, all_counts, max_size=12))
def test_a_variant_has_the_stacks_that_its_transform_makes_of_each(index, stacks):
    transform = [lambda path: own_first(path, KIND_OF), all_frames][index]
    variant = variants_of(tree_of(stacks), KIND_OF)[index]
    expected = summed((transform(path), counts) for path, counts in stacks.items())
    assert summed(variant.rows()) == expected


def test_a_stack_is_one_node_and_its_counts_add_up():
    tree = GrowingTree()
    for _ in range(2):
        tree.add(tree.walk(FRAMES[:2]), Counts(1, 2, 3, 4))
    assert len(tree) == 3
    assert tree.used() == FRAMES[:2]
    assert [*tree.rows()] == [((FRAMES[0], FRAMES[1]), Counts(2, 4, 6, 8))]


PLAIN = [frame for frame in FRAMES if not is_of_import(frame)]
plain_paths = st.lists(st.sampled_from(PLAIN), max_size=7).map(lambda some: (ROOT, *some))


@given(stacks=st.dictionaries(plain_paths, all_counts, max_size=12))
def test_trees_below_one_root_without_imports_are_cut_at_it(stacks):
    variant = variants_of(tree_of(stacks), KIND_OF)[1]
    assert summed(variant.rows()) == summed((path[1:], each) for path, each in stacks.items())


@given(stacks=st.lists(paths, max_size=12), is_whole=st.booleans())
def test_the_tree_of_a_profile_has_its_stacks(stacks, is_whole):
    if is_whole:
        stacks = [path[:depth] for path in stacks for depth in range(1, 1 + len(path))]
    times = {
        path: Times(busy=number, idle=number % 3, thread=number % 2)
        for number, path in enumerate(stacks, 1)
    }
    nodes = Nodes(Profile(stacks=times))
    tree, places = tree_of_nodes(nodes)
    assert [tree.path(place) for place in places] == [*times]
    assert dict(tree.rows()) == {
        path: Counts(busy, each.idle, task=0 if is_of_loop(path) else busy)
        for path, each in times.items()
        for busy in [each.busy + each.thread]
    }
    assert all(parent < node for node, parent in enumerate(tree.parents[1:], 1))
