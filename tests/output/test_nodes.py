"""The stacks of a profile by number."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times, is_of_loop
from tracetools.output.formats.profile_json import format_profile, parse_profile
from tracetools.output.nodes import NO_PARENT, Nodes

A = Frame("a", "a.py", 1)
B = Frame("b", "b.py", 2)


def test_stacks_have_the_numbers_of_their_parents():
    paths = [(ROOT, A, B), (ROOT,), (ROOT, A)]
    nodes = Nodes(Profile(stacks={path: Times(busy=len(path)) for path in paths}))
    assert [nodes.path(number) for number in range(len(nodes))] == paths
    assert nodes.parents == [2, NO_PARENT, 1]
    assert nodes.from_below == [0, 2, 1]
    assert [*nodes.busy] == [*nodes.depths] == [3, 1, 2]
    assert not nodes.is_ordered


def test_a_stack_whose_parent_is_missing_has_none():
    nodes = Nodes(Profile(stacks={(ROOT, A, B): Times(), (): Times()}))
    assert nodes.parents == [NO_PARENT, NO_PARENT]
    assert not nodes.is_ordered
    assert not nodes.is_whole


def test_a_stack_comes_after_what_stands_above_its_missing_parent():
    nodes = Nodes(Profile(stacks={(ROOT, A, B, A): Times(), (ROOT, A): Times()}))
    assert nodes.parents == [NO_PARENT, NO_PARENT]
    assert [*nodes.from_below] == [0, 1]
    nodes = Nodes(Profile(stacks={(ROOT, A): Times(), (ROOT, A, B, A): Times()}))
    assert [*nodes.from_below] == [1, 0]


def test_roots_are_ordered():
    nodes = Nodes(Profile(stacks={(ROOT,): Times(), (ROOT, A): Times(), (B,): Times()}))
    assert nodes.is_ordered
    assert not nodes.is_whole


def test_nothing_has_no_nodes():
    nodes = Nodes(Profile())
    assert len(nodes) == len(nodes.frames) == len(nodes.busy) == 0
    assert not nodes.is_whole


@pytest.mark.parametrize("is_read", [False, True])
@given(profile=PROFILES)
def test_numbers_lead_back_to_paths(profile, is_read):
    if is_read:
        profile = parse_profile(format_profile(profile))
    nodes = Nodes(profile)
    assert {nodes.path(number) for number in range(len(nodes))} == {*profile.stacks}
    for path, times in profile.stacks.items():
        number = nodes.number(path)
        assert nodes.path(number) == path
        assert nodes.frames[nodes.last[number]] == path[-1]
        assert nodes.are_of_loop[number] == is_of_loop(path)
        assert [getattr(nodes, name)[number] for name in Times._fields] == [*times]
        parent = nodes.parents[number]
        assert parent == NO_PARENT or nodes.path(parent) == path[:-1]
    order = [*nodes.from_below]
    assert sorted(order) == [*range(len(nodes))]
    for number, parent in enumerate(nodes.parents):
        assert parent == NO_PARENT or order.index(number) < order.index(parent)
