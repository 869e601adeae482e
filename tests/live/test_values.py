"""The values of a dump, and their JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.live.values import (
    Blocked,
    Deadlock,
    Dump,
    Holder,
    LoopDump,
    TaskDump,
    Wait,
)
from tracetools.output.formats.content import MalformedError

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
NUMBERS = st.integers(0, 9)
FRAMES = st.builds(Frame, TEXTS, st.none() | TEXTS, NUMBERS)
SOME_FRAMES = st.lists(FRAMES, max_size=2).map(tuple)
SOME_NUMBERS = st.lists(NUMBERS, max_size=3).map(tuple)
WAITS = st.builds(
    Wait,
    awaits=st.none() | FRAMES,
    since=st.none() | NUMBERS,
    resource=st.none() | st.builds(Resource, TEXTS, FRAMES, st.booleans()),
    instance=NUMBERS,
    is_queue=st.booleans(),
    holders=st.lists(
        st.builds(Holder, NUMBERS, st.none() | NUMBERS, st.none() | FRAMES), max_size=2
    ).map(tuple),
    tasks=SOME_NUMBERS,
    rule=st.sampled_from(["all", "any", "unknown"]),
    has_deadline=st.booleans(),
)
TASKS = st.builds(
    TaskDump,
    number=NUMBERS,
    name=TEXTS,
    function=FRAMES,
    parent=st.none() | NUMBERS,
    state=st.sampled_from(["running", "ready", "waiting"]),
    spans=SOME_FRAMES,
    functions=SOME_FRAMES,
    wait=st.none() | WAITS,
)
LOOPS = st.builds(
    LoopDump,
    backend=TEXTS,
    thread=TEXTS,
    tasks=st.lists(TASKS, max_size=2).map(tuple),
    blocked=st.none() | st.builds(Blocked, SOME_FRAMES, NUMBERS, st.booleans()),
    problem=TEXTS,
)
DUMPS = st.builds(
    Dump,
    pid=NUMBERS,
    program=TEXTS,
    python=TEXTS,
    when=st.integers(0, 1 << 62),
    loops=st.lists(LOOPS, max_size=2).map(tuple),
    deadlocks=st.lists(st.builds(Deadlock, SOME_NUMBERS, SOME_NUMBERS), max_size=2).map(tuple),
)


@given(DUMPS)
def test_json_says_all_of_a_dump(dump):
    assert Dump.from_json(dump.to_json()) == dump
    assert Dump.from_json(dump.to_json().encode()) == dump


def test_json_leaves_out_what_says_nothing():
    task = TaskDump(1, "Task-1", Frame("main", "app.py", 3), state="ready")
    dump = Dump(7, "app.py", "3.13.0", 5, (LoopDump("asyncio", "MainThread", (task,)),))
    assert json.loads(dump.to_json()) == {
        "version": 1,
        "pid": 7,
        "program": "app.py",
        "python": "3.13.0",
        "when": 5,
        "loops": [
            {
                "backend": "asyncio",
                "thread": "MainThread",
                "tasks": [
                    {
                        "number": 1,
                        "name": "Task-1",
                        "function": ["main", "app.py", 3],
                        "state": "ready",
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON"),
        ("[]", "it is no dump of tasks"),
        ("{}", "it is no dump of tasks"),
        ('{"version": 2, "loops": []}', "a dump of version 2"),
        ('{"version": 1, "loops": {}}', "loops is {}, which is no list"),
        ('{"version": 1, "loops": [3]}', "3 is no object"),
        ('{"version": 1, "pid": -1, "loops": []}', "-1 is no number"),
        ('{"version": 1, "pid": true, "loops": []}', "True is no number"),
        ('{"version": 1, "program": 1, "loops": []}', "program is 1, which is no text"),
        ('{"version": 1, "loops": [{"tasks": [{"function": ["f"]}]}]}', "no frame"),
        ('{"version": 1, "loops": [{"tasks": [{"function": ["f", "", 0.5]}]}]}', "no frame"),
        ('{"version": 1, "loops": [{"blocked": {"is_exact": 1}}]}', "neither true nor false"),
        (
            '{"version": 1, "loops": [{"tasks": [{"function": ["f", "", 1], "state": "x"}]}]}',
            "state is 'x', and not one of running, ready, waiting",
        ),
        ('{"version": 1, "pid": NaN, "loops": []}', "NaN is no number"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_dump_is_refused(text, message):
    with pytest.raises(MalformedError, match=message):
        Dump.from_json(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = ["loops", "tasks", "function", "state", "wait", "rule", "holders", "blocked", "deadlocks"]


@given(st.data())
def test_of_hostile_json_only_our_error_escapes(data):
    def damaged(value):
        if isinstance(value, dict) and value:
            key = data.draw(st.sampled_from([*sorted(value), *NAMES]))
            value[key] = damaged(value[key]) if key in value else data.draw(JSON)
        elif isinstance(value, list) and value:
            index = data.draw(st.integers(0, len(value) - 1))
            value[index] = damaged(value[index])
        else:
            value = data.draw(JSON)
        return value

    text = json.dumps(damaged(json.loads(data.draw(DUMPS).to_json())))
    try:
        found = Dump.from_json(text)
    except MalformedError:
        return
    assert isinstance(found, Dump)
