"""Single events of Chrome's trace format."""

import json

import pytest

from tracetools.output.formats import chrome_events as events

SLICE = events.Slice("load", "span", 3, 1_234, 10_001_002, (("at", "app.py:3"),))


def test_a_slice_has_a_beginning_and_a_length_in_microseconds():
    assert SLICE.nested() == (
        '{"name":"load","cat":"span","ph":"X","pid":1,"tid":3,"ts":1.234,"dur":9999.768'
        ',"args":{"at":"app.py:3"}}'
    )


def test_a_loose_slice_has_two_ends_with_one_number():
    begin, end = map(json.loads, SLICE.loose(10))
    assert begin == {
        "name": "load",
        "cat": "span",
        "ph": "b",
        "pid": 1,
        "tid": 3,
        "ts": 1.234,
        "id2": {"local": "0xa"},
        "args": {"at": "app.py:3"},
    }
    assert end == {
        "name": "load",
        "cat": "span",
        "ph": "e",
        "pid": 1,
        "tid": 3,
        "ts": 10001.002,
        "id2": {"local": "0xa"},
    }


def test_an_arrow_has_two_ends_with_one_number():
    start, end = map(json.loads, events.arrow("wakes", 4, (2, 5), (3, 7_000), (("by", "task"),)))
    assert start == {
        "name": "wakes",
        "cat": "wake",
        "ph": "s",
        "pid": 1,
        "tid": 2,
        "ts": 0.005,
        "id": 4,
        "args": {"by": "task"},
    }
    assert end == {
        "name": "wakes",
        "cat": "wake",
        "ph": "f",
        "pid": 1,
        "tid": 3,
        "ts": 7.0,
        "id": 4,
        "bp": "e",
    }


def test_marks_and_counters():
    assert json.loads(events.instant("late", "blocking", 2, 1_000)) == {
        "name": "late",
        "cat": "blocking",
        "ph": "i",
        "pid": 1,
        "tid": 2,
        "ts": 1.0,
        "s": "t",
    }
    assert json.loads(events.counter("ready", 0, 2)) == {
        "name": "ready",
        "cat": "counter",
        "ph": "C",
        "pid": 1,
        "tid": 0,
        "ts": 0.0,
        "args": {"tasks": 2},
    }
    assert json.loads(events.metadata("thread_name", 2, "main")) == {
        "name": "thread_name",
        "ph": "M",
        "pid": 1,
        "tid": 2,
        "args": {"name": "main"},
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "unknown"),
        ("a\nb\0c", "a b c"),
        ("\ud800x\x9b", "\ufffdx\ufffd"),
        ('"}],', '"}],'),
        ("é😀", "é😀"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
    ],
)
def test_any_name_is_safe(name, shown):
    text = events.Slice(name, "span", 1, 0, 0, (("at", name),)).nested()
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text)["name"] == json.loads(text)["args"]["at"] == shown
