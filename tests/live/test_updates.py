"""Updates, as values and as JSON."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.updates import (
    Await,
    Finding,
    Latency,
    LoopUpdate,
    ResourceUpdate,
    StackUpdate,
    Update,
    User,
)
from tracetools.output.formats.content import MalformedError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
NUMBERS = st.integers(0, 1 << 60)
FRAMES = st.builds(Frame, TEXTS, st.none() | TEXTS, NUMBERS)


def some(values):
    return st.lists(values, max_size=2).map(tuple)


def built(kind, **given):
    """Build a value of what is given, and of numbers."""
    return st.builds(kind, **dict.fromkeys(kind._fields, NUMBERS) | given)


LATENCIES = st.builds(Latency, *[NUMBERS] * 5)
USERS = st.builds(User, FRAMES, st.none() | FRAMES, NUMBERS)
LOOPS = built(
    LoopUpdate,
    backend=TEXTS,
    thread=TEXTS,
    delays=LATENCIES,
    stepping=st.none() | FRAMES,
    functions=some(FRAMES),
)
STACKS = built(
    StackUpdate,
    frame=FRAMES,
    latency=LATENCIES,
    awaits=some(st.builds(Await, FRAMES, NUMBERS)),
    is_of_loop=st.booleans(),
)
RESOURCES = built(
    ResourceUpdate,
    resource=st.builds(Resource, TEXTS, FRAMES, st.booleans()),
    size=st.none() | NUMBERS,
    is_queue=st.booleans(),
    holders=some(USERS),
    waiters=some(USERS),
)
FINDINGS = st.builds(
    Finding, st.booleans(), FRAMES, st.none() | FRAMES, NUMBERS, NUMBERS, NUMBERS, TEXTS
)
UPDATES = st.builds(
    Update,
    NUMBERS,
    st.booleans(),
    NUMBERS,
    loops=some(LOOPS),
    stacks=some(STACKS),
    hidden=NUMBERS,
    resources=st.none() | some(RESOURCES),
    findings=some(FINDINGS),
    errors=some(TEXTS),
    missing=NUMBERS,
)


@settings(max_examples=25)
@given(UPDATES)
def test_json_brings_back_what_was_said(update):
    assert Update.from_json(update.to_json().encode()) == update


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "[1,2]",
        "[1,[]]",
        "[true,[1,true,1,[],[],0,null,[],[],0]]",
        "[1,[1,true,1,[],[],0,null,[],[],0,0]]",
        "[1,[9223372036854775808,true,1,[],[],0,null,[],[],0]]",
        "[1,[-1,true,1,[],[],0,null,[],[],0]]",
        "[1,[true,true,1,[],[],0,null,[],[],0]]",
        "[1,[1,1,1,[],[],0,null,[],[],0]]",
        "[1,[1,true,1,{},[],0,null,[],[],0]]",
        "[1,[1,true,1,[1],[],0,null,[],[],0]]",
        "[1,[1,true,1,[],[],0,null,[],[1],0]]",
        "[1,[NaN,true,1,[],[],0,null,[],[],0]]",
    ],
)
def test_what_is_no_update_is_refused(text):
    with pytest.raises(MalformedError):
        Update.from_json(text.encode())


def test_an_update_of_another_version_is_refused_with_what_to_do():
    _, update = json.loads(Update(1, True, 1).to_json())
    with pytest.raises(MalformedError, match=r"version 2.*the same tracetools on both sides"):
        Update.from_json(json.dumps([2, update]).encode())


@settings(max_examples=25)
@given(st.recursive(st.none() | st.integers() | TEXTS, st.lists, max_leaves=20))
def test_nothing_but_our_own_error_escapes(value):
    with contextlib.suppress(MalformedError):
        Update.from_json(json.dumps([1, value]).encode())
