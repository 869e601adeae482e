"""The resources of a profile, as part of its JSON. Round trips stand in `test_profile_json`."""

import json

import pytest

from tracetools import Profile, StackFileError
from tracetools.core.resources import Resource, ResourceUse, Waits
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.formats.profile_json import format_profile, parse_profile

A, B = Frame("a", "a.py", 1), Frame("b", "b.py", 2)
USE = ResourceUse(count=1, waits={(ROOT, B): Waits(1, 2, 2, 0)})
GOOD = Profile(resources={Resource("Lock", A): USE, Resource("Lock", A, is_made=False): USE})


def changed(index=0, **what):
    text = json.loads(format_profile(GOOD))
    text["resources"][index].update(what)
    return json.dumps(text)


def without(key):
    text = json.loads(format_profile(GOOD))
    del text["resources"][0][key]
    return json.dumps(text)


def test_frames_of_resources_are_in_the_table():
    text = json.loads(format_profile(GOOD))
    assert {name for name, _, _ in text["frames"]} == {"a", "b", "all-spans"}
    assert parse_profile(json.dumps(text)) == GOOD


def test_a_profile_without_them_has_none():
    text = json.loads(format_profile(GOOD))
    del text["resources"]
    assert parse_profile(json.dumps(text)).resources == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (changed(kind=1), "resource 0 has not all keys"),
        (changed(place=True), "resource 0 has not all keys"),
        (changed(place=-1), "resource 0 has not all keys"),
        (changed(place=9), "resource 0 refers to a frame that is not there"),
        (changed(is_made=1), "resource 0 has not all keys"),
        (changed(size=1.5), "resource 0 has not all keys"),
        (changed(lived=-1), "resource 0 has not all keys"),
        (changed(waits={}), "resource 0 has not all keys"),
        (changed(waits=[[[9], 1, 1, 1, 1]]), "waits of resource 0, row 0 refers"),
        (changed(holds=[[[0], 1, 1]]), "holds of resource 0, row 0 is not"),
        (changed(lengths=[1, 1, 1]), '"lengths" is not'),
        (changed(1, is_made=False), "resource 1 is there twice"),
        *((without(key), "resource 0 has not all keys") for key in ("size", "items", "getters")),
    ],
)
def test_the_error_names_what_is_wrong(text, complaint):
    with pytest.raises(StackFileError, match=complaint):
        parse_profile(text)


@pytest.mark.parametrize("row", [None, [], 1, "x"])
def test_a_row_is_an_object(row):
    text = json.loads(format_profile(GOOD)) | {"resources": [row]}
    with pytest.raises(StackFileError, match="resource 0 has not all keys"):
        parse_profile(json.dumps(text))
