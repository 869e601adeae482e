"""Rows in ClickHouse's format RowBinary, which all its versions read, and which nothing can break.

A text is its length and its bytes, a number is 8 bytes, an array is its length and its numbers.
"""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tracetools.fleet.schema import Column

__all__ = ["row_binary"]

_LOW: int = 0x7F


def row_binary(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows, each with all columns in their order."""
    parts: list[bytes] = []
    for row in rows:
        for name, kind in columns:
            value = row[name]
            if kind == "text":
                text = value.encode()
                parts += _length(len(text)), text
            elif kind == "number":
                parts.append(value.to_bytes(8, "little"))
            else:
                parts += _length(len(value)), _numbers(value)
    return b"".join(parts)


def _numbers(values: Iterable[int]) -> bytes:
    numbers = array("Q", values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _length(length: int) -> bytes:
    """Return a length as LEB128 has it: 7 bits a byte, the lowest first."""
    found = bytearray()
    while length > _LOW:
        found.append(length & _LOW | _LOW + 1)
        length >>= 7
    found.append(length)
    return bytes(found)
