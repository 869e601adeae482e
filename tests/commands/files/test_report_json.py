"""The keys of the JSON stay the same."""

import json

from hypothesis import given

from tests.output.answers.profiles import DIGEST, MS, SERVER
from tests.output.test_resource_findings import HELD, LOCK, MAIN, QUEUE, S
from tests.strategies import PROFILES
from tracetools.commands.files.report_json import about_json, answers_json
from tracetools.commands.terminal.stack_rows import Row, rows_of
from tracetools.core.profile import Profile
from tracetools.core.resources import Resource

ANSWER_KEYS = [
    *("kind", "file", "line", "function", "what", "total", "max", "count", "share", "for_whom"),
    *("is_own", "sentence", "stacks"),
]


def test_what_was_recorded():
    assert about_json(SERVER, unit="ns", is_profile=True) == {
        "tracetools-report": 1,
        "kind": "profile",
        "unit": "ns",
        "programs": ["uvicorn"],
        "backends": ["asyncio"],
        "pythons": ["3.13.0"],
        "start": 0,
        "totals": {
            "duration": 1500 * MS,
            "busy": 1390 * MS,
            "own": 110 * MS,
            "waiting": 100 * MS,
            "task_time": 0,
            "idle": 12300 * MS,
            "scheduled": 481 * MS,
            "thread_time": 0,
            "runs": 1,
            "merged": 1,
            "samples": 700,
            "not_kept": 0,
        },
        "laws": {
            "loop": {"parts": [1390 * MS, 110 * MS], "whole": 1500 * MS, "holds": True},
            "tasks": {"parts": [1390 * MS, 12781 * MS], "whole": 0, "holds": False},
        },
    }


def test_answers():
    found = answers_json(SERVER, [Row(DIGEST, 7, 5, steps=3)])
    assert list(found) == ["answers", "lints", "resources", "edges", "table", "latencies"]
    assert list(found["answers"]) == ["blocks", "waits", "computes", "late"]
    for group in found["answers"].values():
        assert list(group) == ["heading", "whole", "of_what", "note", "answers", "quiet"]
        for answer in (*group["answers"], *group["quiet"]):
            assert list(answer) == ANSWER_KEYS
    assert (
        found["answers"]["blocks"]["answers"][0]["stacks"][0][-1] == "blocks the loop (app.py:22)"
    )
    assert found["table"] == [
        {
            "frame": "digest",
            "file": "app.py",
            "line": 11,
            "total": 7,
            "self": 5,
            "idle": 0,
            "scheduled": 0,
            "thread": 0,
            "steps": 3,
            "entries": 0,
        }
    ]


def test_lints():
    [lint, *_] = answers_json(SERVER, [])["lints"]
    assert list(lint) == ["kind", "finding", "why", "remedy", "weight", "stack"]


def test_resources():
    profile = Profile(resources={LOCK: HELD, Resource("Queue", MAIN): QUEUE}, duration=S)
    first, second = answers_json(profile, [])["resources"]
    assert (first["name"], second["name"]) == ("Lock (app.py:17)", "Queue (app.py:1)")
    assert (first["kind"], first["file"], first["line"]) == ("Lock", "app.py", 17)
    assert (first["function"], first["is_made"], first["size"]) == ("main", True, 1)
    assert (first["saturation"], second["mean_length"], second["longest"]) == (1.0, 1.5, 2)
    assert first["holds"][0] == {
        "stack": ["all-spans", "main (app.py:1)", "hold (app.py:6)"],
        "count": 1,
        "total": 300 * MS,
        "max": 300 * MS,
        "rest": 300 * MS,
    }
    assert first["blockers"][0]["stack"][-1] == "await sleep (app.py:7)"
    assert first["waits"][0]["given_up"] == 1
    assert second["getters"] == []


@given(PROFILES)
def test_any_profile_is_json(profile):
    rows = rows_of(profile.lens("busy"), profile.stacks, "total")
    about = about_json(profile, unit="ns", is_profile=True)
    assert json.loads(json.dumps({**about, **answers_json(profile, rows)}))["laws"]["loop"]["holds"]
