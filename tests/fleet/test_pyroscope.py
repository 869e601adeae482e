"""What is pushed to Pyroscope, field by field, against its wire format; see `push.proto`."""

from __future__ import annotations

import base64
import gzip
import json
import uuid

import pytest

from tests.fleet.servers import stub_server
from tracetools import Profile
from tracetools.core.stacks import ROOT, WAITING, Frame, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engine import EngineRefusesError, EngineUnavailableError
from tracetools.fleet.pyroscope import Pyroscope, labels_of, open_pyroscope
from tracetools.output.formats.pprof import parse_pprof
from tracetools.output.formats.wire import fields

START = 1_800_000_000 * 10**9
SOURCE = Source(
    "0123456789abcdef" * 2, "shop", "1.2", "web-1", 7, {"k8s.pod.name": "p", "0x": "y", "__z": "z"}
)
TASK, SPAN = Frame("serve", "app.py", 3), Frame("GET /items", "app.py", 9)
PROFILE = Profile(
    stacks={
        (ROOT,): Times(busy=7),
        (ROOT, WAITING): Times(busy=900),
        (ROOT, TASK): Times(busy=10, idle=50, entries=1),
        (ROOT, TASK, SPAN): Times(busy=20, scheduled=4, thread=3, entries=1),
    },
    duration=937,
    task_time=84,
    scheduled_measured=True,
    runs=1,
)
BATCH = Batch(SOURCE, START, START + 60 * 10**9, PROFILE)


def pushed(*batches: Batch, environment=None) -> tuple:
    with stub_server() as stub:
        Pyroscope(stub.url, environment or {}).send(batches)
    [request] = stub.requests
    return request, json.loads(gzip.decompress(request.body))


def unpacked(series: dict) -> bytes:
    [sample] = series["samples"]
    return gzip.decompress(base64.b64decode(sample["rawProfile"]))


def test_the_request_is_one_of_connect_in_json():
    request, value = pushed(BATCH)
    assert request.path == "/push.v1.PusherService/Push"
    headers = {name.lower(): text for name, text in request.headers.items()}
    assert headers["content-type"] == "application/json"
    assert headers["content-encoding"] == "gzip"
    assert "authorization" not in headers
    assert "x-scope-orgid" not in headers
    assert set(value) == {"series"}
    for series in value["series"]:
        assert set(series) == {"labels", "samples"}
        assert all(set(label) == {"name", "value"} for label in series["labels"])


def test_each_minute_is_a_series_of_cpu_and_one_of_wall():
    _, value = pushed(BATCH)
    labels = [{each["name"]: each["value"] for each in s["labels"]} for s in value["series"]]
    assert [each.pop("__name__") for each in labels] == ["process_cpu", "wall"]
    assert (
        labels[0]
        == labels[1]
        == {
            "_0x": "y",
            "host": "web-1",
            "k8s_pod_name": "p",
            "service_instance_id": SOURCE.instance,
            "service_name": "shop",
            "service_version": "1.2",
        }
    )


def test_labels_are_sorted_and_none_is_empty_or_reserved():
    assert labels_of(Source("a", "b")) == {"service_instance_id": "a", "service_name": "b"}
    found = labels_of(SOURCE)
    assert list(found) == sorted(found)


def test_cpu_is_busy_time_without_that_in_which_the_loop_waits():
    _, value = pushed(BATCH)
    content = parse_pprof(unpacked(value["series"][0]))
    assert content.description == "pprof: cpu"
    assert dict(content.content.packed) == {
        b"all-spans": 7,
        b"all-spans\0serve (app.py)": 10,
        b"all-spans\0serve (app.py)\0GET /items (app.py)": 23,
    }


def test_wall_is_all_time_of_tasks_with_its_states_as_frames():
    _, value = pushed(BATCH)
    content = parse_pprof(unpacked(value["series"][1]))
    assert content.description == "pprof: wall"
    assert dict(content.content.packed) == {
        b"all-spans\0serve (app.py)": 10,
        b"all-spans\0serve (app.py)\0[idle]": 50,
        b"all-spans\0serve (app.py)\0GET /items (app.py)": 23,
        b"all-spans\0serve (app.py)\0GET /items (app.py)\0[scheduled]": 4,
    }


def test_a_profile_says_when_it_is_from_and_what_its_period_is():
    _, value = pushed(BATCH)
    for series, name in zip(value["series"], (b"cpu", b"wall"), strict=True):
        data = memoryview(unpacked(series))
        read = [(number, field) for number, field, _ in fields(data)]
        texts = [bytes(field) for number, field in read if number == 6]
        numbers = {number: field for number, field in read if isinstance(field, int)}
        assert texts[0] == b""
        assert (numbers[9], numbers[10], numbers[12]) == (START, 60 * 10**9, 1)
        for kind in (1, 11):  # the type of samples, and of the period
            [inner] = [field for number, field in read if number == kind]
            pair = [texts[index] for _, index, _ in fields(inner)]
            assert pair == [name, b"nanoseconds"]


def test_samples_have_the_task_and_the_span_as_labels():
    _, value = pushed(BATCH)
    data = memoryview(unpacked(value["series"][0]))
    texts = [bytes(field) for number, field, _ in fields(data) if number == 6]
    found = set()
    for number, field, _ in fields(data):
        if number == 2:
            for inner, label, _ in fields(field):
                if inner == 3:
                    found.add(tuple(texts[index] for _, index, _ in fields(label)))
    assert found == {(b"task", b"serve"), (b"span", b"serve"), (b"span", b"GET /items")}


def test_the_id_of_a_sample_is_a_uuid_that_is_the_same_each_time():
    ids = [
        [sample["ID"] for series in pushed(BATCH)[1]["series"] for sample in series["samples"]]
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert len({uuid.UUID(each) for each in ids[0]}) == 2


def test_several_minutes_are_one_request_and_empty_ones_are_none():
    later = Batch(SOURCE, START + 1, START + 2, PROFILE)
    _, value = pushed(BATCH, Batch(SOURCE, 5, 6, Profile()), later)
    assert len(value["series"]) == 4
    with stub_server() as stub:
        Pyroscope(stub.url, {}).send([Batch(SOURCE, 5, 6, Profile())])
    assert stub.requests == []


# ---------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("environment", "header", "value"),
    [
        ({"TOKEN": "s3cret"}, "authorization", "Bearer s3cret"),
        ({"USER": "me", "PASSWORD": "p:w"}, "authorization", "Basic bWU6cDp3"),
        ({"TENANT": "team-a"}, "x-scope-orgid", "team-a"),
    ],
)
def test_secrets_come_from_the_environment(environment, header, value):
    named = {f"TRACETOOLS_PYROSCOPE_{name}": text for name, text in environment.items()}
    request, _ = pushed(BATCH, environment=named)
    assert {name.lower(): text for name, text in request.headers.items()}[header] == value


def test_a_secret_that_no_header_can_have_is_refused_and_not_repeated():
    with pytest.raises(EngineRefusesError, match="Authorization") as caught:
        Pyroscope("http://a", {"TRACETOOLS_PYROSCOPE_TOKEN": "s3cret\r\nX: y"})
    assert "s3cret" not in str(caught.value)


def test_it_is_opened_by_its_url(monkeypatch):
    monkeypatch.setenv("TRACETOOLS_PYROSCOPE_TENANT", "team-a")
    with stub_server() as stub:
        engine = open_pyroscope(f"pyroscope+{stub.url}")
        engine.send([BATCH])
        engine.close()
    assert stub.requests[0].headers["X-Scope-OrgID"] == "team-a"


# ---------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_it_will_never_take(status):
    with (
        stub_server((status, {}, b'{"message": "profile is too old"}')) as stub,
        pytest.raises(EngineRefusesError, match=f"answers {status}.*too old"),
    ):
        Pyroscope(stub.url, {}).send([BATCH])


@pytest.mark.parametrize(
    ("status", "headers", "said", "retry_after"),
    [
        (429, {"Retry-After": "7"}, "answers 429", 7.0),
        (503, {"Retry-After": "3"}, "answers 503", 3.0),
        (500, {}, "answers 500", None),
        (404, {"Retry-After": "3"}, "answers 404", None),
        (401, {}, "set TRACETOOLS_PYROSCOPE_TOKEN", None),
        (403, {}, "set TRACETOOLS_PYROSCOPE_TOKEN", None),
        (302, {"Location": "https://other/"}, "redirects to 'https://other/': give that URL", None),
    ],
)
def test_what_may_be_taken_later(status, headers, said, retry_after):
    with (
        stub_server((status, headers, b"")) as stub,
        pytest.raises(EngineUnavailableError, match=said) as caught,
    ):
        Pyroscope(stub.url, {}).send([BATCH])
    assert caught.value.retry_after == retry_after
    assert len(stub.requests) == 1  # no redirect is followed


@pytest.mark.parametrize("body", [b"", b"<html>Welcome!</html>", b"[1]", b"[" * 90_000])
def test_a_server_that_is_no_pyroscope(body):
    with (
        stub_server((200, {}, body)) as stub,
        pytest.raises(EngineUnavailableError, match="does not answer as Pyroscope does"),
    ):
        Pyroscope(stub.url, {}).send([BATCH])
