"""RowBinary, against a reader of its own."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from tracetools.fleet.row_binary import row_binary
from tracetools.fleet.schema import Column

COLUMNS = (Column("a", "text"), Column("b", "number"), Column("c", "numbers"))
NUMBERS = st.integers(0, 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
ROWS = st.lists(st.fixed_dictionaries({"a": TEXTS, "b": NUMBERS, "c": st.lists(NUMBERS)}))


def read(data: bytes):
    at = 0

    def taken(count: int) -> bytes:
        nonlocal at
        at += count
        return data[at - count : at]

    def length() -> int:
        found, shift = 0, 0
        while True:
            [byte] = taken(1)
            found |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return found

    while at < len(data):
        yield {
            "a": taken(length()).decode(),
            "b": int.from_bytes(taken(8), "little"),
            "c": array("Q", taken(8 * length())).tolist(),
        }


@given(ROWS)
def test_rows_are_read_again(rows):
    assert [*read(row_binary(COLUMNS, rows))] == rows
