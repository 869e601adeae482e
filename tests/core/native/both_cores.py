"""Both cores: the same face, and equal profiles."""

import inspect
from dataclasses import replace
from types import MemberDescriptorType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cores import load
from tests.strategies import PROGRAMS

MODULES = (
    "tests.strategies",
    "tracetools.core.native",
    "tracetools.instruments.stepped",
    "tracetools.output.formats.profile_json",
    "tracetools",
)
PYTHON = load(pure=True, modules=MODULES)
NATIVE = load(pure=False, modules=MODULES)


def profile_of(core, program, **options):
    profile, _ = core.strategies.run(program, **options)
    return core.profile_json.format_profile(replace(profile, start=0))


def test_each_core_is_what_it_is_called():
    assert PYTHON.native.native is None
    assert PYTHON.native.why_not == "TRACETOOLS_PURE is set"
    assert NATIVE.native.native is not None
    assert NATIVE.native.why_not == ""


@given(PROGRAMS, st.booleans())
@settings(max_examples=1000, deadline=None)
def test_both_cores_make_equal_profiles(program, awaits):
    found = [profile_of(core, program, awaits=awaits) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


@given(PROGRAMS)
@settings(max_examples=300, deadline=None)
def test_both_cores_make_equal_profiles_of_few_and_short_stacks(program):
    bounds = {"max_stacks": 3, "max_depth": 3, "snapshots": True}
    found = [profile_of(core, program, **bounds) for core in (PYTHON, NATIVE)]
    assert found[0] == found[1]


OF_THE_REFERENCE = {
    *("account_type", "begin_other_step", "end_other_step"),
    *("stacks", "stack_columns", "tasks", "task_columns", "task_rows"),  # of a `Moment`
}
"""What C code has without an attribute."""

OF_EVERY_TUPLE = {"count", "index"}


def face(thing):
    """Return the public names of a class."""
    return {name for name in dir(thing) if not name.startswith("_")}


@pytest.mark.parametrize("name", PYTHON.native.references)
def test_both_cores_have_the_same_face(name):
    reference, counterpart = PYTHON.native.references[name], getattr(NATIVE.native.native, name)
    assert inspect.isclass(reference) == inspect.isclass(counterpart)
    assert face(reference) - face(counterpart) <= OF_THE_REFERENCE | OF_EVERY_TUPLE
    for method in face(reference) & face(counterpart):
        known = getattr(reference, method)
        if type(known) is not MemberDescriptorType:  # else objects may have a method there
            assert callable(known) == callable(getattr(counterpart, method)), method
