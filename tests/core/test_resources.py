"""What profiles know of resources: values that add up."""

import copy
import pickle

import pytest
from hypothesis import given

from tests.strategies import RESOURCE_USES as USES
from tracetools.core.resources import (
    Holds,
    Resource,
    ResourceUse,
    Waits,
    merged_resources,
)
from tracetools.core.stacks import ROOT, Frame

LOCK = Resource("Lock", Frame("main", "app.py", 3))


@given(USES, USES, USES)
def test_uses_add_up_in_any_order(one, two, three):
    assert one.plus(two) == two.plus(one)
    assert one.plus(two).plus(three) == one.plus(two.plus(three))


@given(USES)
def test_nothing_adds_nothing(use):
    assert use.plus(ResourceUse()) == use


@given(USES)
def test_copies_are_equal(use):
    assert copy.deepcopy(use) == use
    assert pickle.loads(pickle.dumps(use)) == use


def test_the_tables_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        ResourceUse().waits[ROOT,] = Waits()


def test_the_longest_stays_the_longest():
    assert Holds(1, 5, 5, 2).plus(Holds(2, 9, 7, 1)) == Holds(3, 14, 7, 3)
    assert Waits(1, 5, 5, 1).plus(Waits(2, 9, 7, 0)) == Waits(3, 14, 7, 1)


def test_what_tasks_did_is_summed_up():
    paths = (ROOT, Frame("a")), (ROOT, Frame("b"))
    use = ResourceUse(
        lived=200,
        saturated=50,
        length_time=300,
        holds=dict(zip(paths, (Holds(1, 5, 5, 2), Holds(1, 3, 3, 0)), strict=True)),
        waits=dict.fromkeys(paths, Waits(1, 2, 2, 0)),
        getters=dict.fromkeys(paths, Waits(1, 4, 4, 1)),
    )
    assert use.held == Holds(2, 8, 5, 2)
    assert use.waited == Waits(2, 4, 2, 0)
    assert use.got_late == Waits(2, 8, 4, 2)
    assert (use.saturation, use.mean_length) == (0.25, 1.5)
    assert (ResourceUse().saturation, ResourceUse().mean_length) == (0.0, 0.0)


def test_resources_of_several_profiles_add_up():
    other = LOCK._replace(is_made=False)
    one, two = ResourceUse(count=1, size=1), ResourceUse(count=2, size=1)
    assert merged_resources([{LOCK: one}, {LOCK: two, other: one}, {}]) == {
        LOCK: ResourceUse(count=3, size=1),
        other: one,
    }


def test_a_resource_without_a_limit_has_none_when_it_is_merged():
    sizes = [ResourceUse(size=size) for size in (3, None, 5)]
    assert sizes[0].plus(sizes[1]).size is None
    assert sizes[0].plus(sizes[2]).size == 5


def test_a_label_has_the_place():
    assert LOCK.label == "Lock (app.py:3)"
    assert LOCK._replace(is_made=False).label == "Lock (first used at app.py:3)"
    assert LOCK._replace(place=Frame("the default", "")).label == "Lock (the default)"
