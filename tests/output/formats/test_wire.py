"""The wire format of Protocol Buffers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import relaxed
from tracetools.output.formats.content import MalformedError
from tracetools.output.formats.wire import (
    fields,
    integers,
    message,
    number,
    packed,
    signed,
    string,
    varint,
)

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


def read(data):
    return [
        (field, value if isinstance(value, int) else bytes(value))
        for field, value, _ in fields(memoryview(data))
    ]


def test_bytes_are_those_of_the_encoding_guide():
    assert number(1, 150) == b"\x08\x96\x01"
    assert string(2, b"testing") == b"\x12\x07testing"
    assert message(3, number(1, 150)) == b"\x1a\x03\x08\x96\x01"
    assert packed(6, [3, 270, 86942]) == b"\x32\x06\x03\x8e\x02\x9e\xa7\x05"
    assert varint(-2) == b"\xfe" + b"\xff" * 8 + b"\x01"
    assert number(1, 0) == b""


@relaxed
@given(st.lists(NUMBERS))
def test_numbers_are_read_as_they_are_written(values):
    [(_, data)] = read(packed(6, values))
    assert [signed(each) for each in integers(memoryview(data), 0)] == values


@relaxed
@given(st.lists(st.tuples(st.integers(1, 1 << 20), NUMBERS | st.binary())))
def test_fields_are_read_as_they_are_written(rows):
    data = b"".join(
        varint(field << 3) + varint(value) if isinstance(value, int) else string(field, value)
        for field, value in rows
    )
    found = [(field, signed(v) if isinstance(v, int) else v) for field, v in read(data)]
    assert found == rows


def test_fixed_numbers_are_read():
    assert read(b"\x09" + (7).to_bytes(8, "little")) == [(1, 7)]
    assert read(b"\x0d" + (7).to_bytes(4, "little")) == [(1, 7)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x08" + b"\xff" * 30, "byte 1: a number does not end"),
        (b"\x08\x80", "byte 1: a number does not end"),
        (b"\x12\x05abc", "byte 0: a field ends beyond the end"),
        (b"\x12" + varint((1 << 64) - 1), "byte 0: a field ends beyond the end"),
        (b"\x09abc", "byte 0: a field ends beyond the end"),
        (b"\x00\x00", "byte 0: a field has the number 0"),
        (b"\x08\x01\x0b", "byte 2: a field has the unknown type 3"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(data, said):
    with pytest.raises(MalformedError, match=f"^{said}$"):
        read(data)


@relaxed
@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    try:
        read(data)
        integers(memoryview(data), 0)
    except MalformedError:
        pass
