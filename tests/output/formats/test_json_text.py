"""JSON of others, which may be hostile."""

import pytest

from tracetools.output.formats import json_text
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.json_text import items, load, member, text


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"{", "no JSON"),
        (b"NaN", "NaN is no number"),
        (b"[-Infinity]", "-Infinity is no number"),
        (b"1" * 5000, "no JSON"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_what_makes_no_sense_is_refused(data, said):
    with pytest.raises(MalformedError, match=said):
        load(data)


def test_a_byte_order_mark_is_ignored():
    assert load(b"\xef\xbb\xbf[1]") == [1]


@pytest.mark.parametrize("value", [None, [], {}, {"a": 1}, {"a": None}])
def test_what_is_missing_is_named_with_its_place(value):
    with pytest.raises(MalformedError, match=r"^b\.a is no object$"):
        member(value, "a", "b")
    with pytest.raises(MalformedError, match=r"^a is no list$"):
        items(value, "a", "")
    assert text(value, "a", "x") == "x"


def test_what_is_there_is_returned():
    value = {"a": {"b": [1]}, "c": "d"}
    assert member(value, "a", "") == {"b": [1]}
    assert items(value["a"], "b", "a") == [1]
    assert text(value, "c") == "d"


@pytest.mark.parametrize("many", ["[],", '{"a":1},', "1,"])
def test_a_text_that_takes_many_times_its_size_is_refused_unread(monkeypatch, many):
    monkeypatch.setattr(json_text, "_MOST_VALUES", 1000)
    monkeypatch.setattr(json_text, "_MOST_LISTS", 900)
    assert load(f"[{many * 800}1]".encode())
    with pytest.raises(MalformedError, match="more values than any profile"):
        load(f"[{many * 1001}1]".encode())
