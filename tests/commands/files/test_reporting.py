"""What is read for `tracetools report`, and what it is taken for."""

import re
from argparse import Namespace

import pytest

from tests.output.answers.profiles import SERVER
from tests.output.test_resource_findings import HELD, HOLD, LOCK, MAIN, QUEUE, WANT
from tracetools.commands import CommandError
from tracetools.commands.files.reporting import _filtered, reported
from tracetools.core.profile import Profile
from tracetools.core.resources import Resource
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.formats.content import Content
from tracetools.output.formats.folded import Folded, pack


def stacks(unit, *labels, count=5):
    return Content(Folded([(pack(labels), count)], None, 0, None, 0), unit, "stacks")


def test_profiles_merge():
    found = reported([Content(SERVER, "nanoseconds", "a profile")] * 2)
    assert (found.unit, found.is_profile) == ("ns", True)
    assert found.profile.duration == 2 * SERVER.duration


def test_stacks_of_tracetools_are_microseconds():
    found = reported([stacks("", "all-spans", "f (a.py:3)"), stacks("", "all-spans")])
    assert found.unit == "ns"
    assert found.profile.stacks == {
        (ROOT, Frame("f", "a.py", 3)): Times(busy=5000),
        (ROOT,): Times(busy=5000),
    }


@pytest.mark.parametrize(("unit", "per"), [("seconds", 10**9), ("milliseconds", 10**6)])
def test_units_of_time_are_known(unit, per):
    found = reported([stacks(unit, "main")])
    assert (found.unit, found.profile.duration) == ("ns", 5 * per)


def test_other_units_stay():
    assert reported([stacks("bytes", "main")]).unit == "bytes"
    assert reported([stacks("", "main")]).unit == "samples"


def test_what_does_not_add_up_is_refused():
    with pytest.raises(CommandError, match="in bytes and in samples"):
        reported([stacks("bytes", "main"), stacks("", "main")])


@pytest.mark.parametrize(("pattern", "kinds"), [("want", {"Lock", "Queue"}), ("hold", {"Lock"})])
def test_a_filter_leaves_the_resources_that_its_stacks_have_used(pattern, kinds):
    profile = Profile(
        stacks=dict.fromkeys((HOLD, WANT), Times()),
        resources={LOCK: HELD, Resource("Queue", MAIN): QUEUE},
    )
    found = _filtered(profile, Namespace(filter=re.compile(pattern)))
    assert {resource.kind for resource in found.resources} == kinds
