"""Python's marshal: what Python writes is read, and nothing takes memory or time at its word."""

import contextlib
import marshal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import mutated, relaxed
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.marshal_data import load

TEXTS = st.text(st.characters(exclude_categories=("Cs",)))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
KEYS = st.tuples(TEXTS, st.integers(), TEXTS)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@relaxed
@given(VALUES, st.sampled_from([2, 3, 4]))
def test_what_python_writes_is_read(value, version):
    assert load(marshal.dumps(value, version)) == value


def test_what_is_there_twice_is_read():
    text = str(b"xy", "ascii")
    value = {(text, 1, text): (text, text)}
    assert load(marshal.dumps(value)) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "byte 0: a value ends beyond the end"),
        (b"0", "byte 0: no value"),
        (b"(\xff\xff\xff\x7f", "byte 0: a value ends beyond the end"),
        (b"(\xff\xff\xff\xff", "byte 0: a value ends beyond the end"),
        (b"u\xff\xff\xff\x7f", "byte 5: a value ends beyond the end"),
        (b"l\xff\xff\xff\x7f", "byte 0: a number is too long"),
        (b"r\x00\x00\x00\x00", "byte 0: refers to what is not there"),
        (b"\xa9\x01r\x00\x00\x00\x00", "byte 2: refers to what is not there"),
        (b"c", "byte 0: no value of pstats"),
        (b")\x01" * 99, "nested too deeply"),
        (b"{N", "byte 0: a key is not"),
        (b")\x010", "byte 0: a value is missing"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(data, said):
    with pytest.raises(MalformedError, match=f"^{said}|{said}"):
        load(data)


def test_a_key_that_doubles_itself_is_refused_at_once():
    parts = [b"\xa9\x00"]
    for index in range(60):  # a tuple of the last one, twice
        parts.append(b"\xa9\x02" + b"r" + (index).to_bytes(4, "little") * 1)
        parts.append(b"r" + index.to_bytes(4, "little"))
    doubled = b")" + bytes([61]) + b"".join(parts)
    with pytest.raises(MalformedError, match="a key is not"):
        load(b"{" + doubled + b"N0")


@relaxed
@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    with contextlib.suppress(MalformedError):
        load(data)


ROWS = {("a", 1, "b"): (1, 2, 0.5, 0.25, {("c", 2, "d"): (1, 1, 0.5, 1.0)})}


@relaxed
@given(mutated(marshal.dumps(ROWS)))
def test_what_is_tampered_with_is_read_or_refused(data):
    with contextlib.suppress(MalformedError):
        load(data)


def test_what_many_refer_to_does_not_multiply():
    callers = {("a.py", number, "caller"): (1, 1, 1.0, 1.0) for number in range(3)}
    rows = {("a.py", number, "f"): (1, 1, 1.0, 1.0, callers) for number in range(3)}
    with pytest.raises(MalformedError, match="a dictionary is there twice"):
        load(marshal.dumps(rows))
    row = (1, 1, 1.0, 1.0, callers)
    with pytest.raises(MalformedError, match="a dictionary is there twice"):
        load(marshal.dumps({("a.py", number, "f"): row for number in range(3)}))
