"""The stacks of a profile by number."""

from __future__ import annotations

from hypothesis import given

from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.nodes import NO_PARENT, Nodes

A = Frame("a", "a.py", 1)
B = Frame("b", "b.py", 2)


def test_stacks_have_the_numbers_of_their_parents():
    paths = [(ROOT, A, B), (ROOT,), (ROOT, A)]
    nodes = Nodes(Profile(stacks={path: Times(busy=len(path)) for path in paths}))
    assert nodes.paths == paths
    assert nodes.parents == [2, NO_PARENT, 1]
    assert nodes.from_below == [0, 2, 1]
    assert [times.busy for times in nodes.times] == [3, 1, 2]


def test_a_stack_whose_parent_is_missing_has_none():
    nodes = Nodes(Profile(stacks={(ROOT, A, B): Times(), (): Times()}))
    assert nodes.parents == [NO_PARENT, NO_PARENT]


@given(PROFILES)
def test_numbers_lead_back_to_paths(profile):
    nodes = Nodes(profile)
    for path, number in nodes.numbers.items():
        assert nodes.paths[number] == path
        assert nodes.times[number] == profile.stacks[path]
        parent = nodes.parents[number]
        assert parent == NO_PARENT or nodes.paths[parent] == path[:-1]
