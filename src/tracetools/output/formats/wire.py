"""The wire format of Protocol Buffers: as much as pprof needs, without the library.

https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from tracetools.output.formats.content import MalformedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["fields", "integers", "message", "number", "packed", "signed", "string", "varint"]

VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_MOST_BYTES: Final = 10
_MASK: Final = (1 << 64) - 1


# -- writing -----------------------------------------------------------------------------------


@lru_cache(1 << 14)
def varint(value: int) -> bytes:
    """Return a number of 64 bits; a negative one as its two's complement."""
    value &= _MASK
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  # seven bits a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Return a field with a number; nothing for 0, which is what a missing field means."""
    return varint(field << 3) + varint(value) if value else b""


def string(field: int, value: bytes) -> bytes:
    """Return a field with bytes, also if there are none."""
    return varint(field << 3 | _BYTES) + varint(len(value)) + value


def message(field: int, *parts: bytes) -> bytes:
    """Return a field with a message of some fields."""
    return string(field, b"".join(parts))


def packed(field: int, values: Iterable[int]) -> bytes:
    """Return a field with numbers one after the other."""
    return string(field, b"".join(map(varint, values)))


# -- reading -----------------------------------------------------------------------------------


def fields(data: memoryview, start: int = 0) -> Iterator[tuple[int, int | memoryview, int]]:
    """Yield the number, the value and the position of each field of a message.

    `start` is the position of the message in its file. Numbers are of 64 bits, without a sign.

    Raises:
        MalformedError: these bytes are no message.
    """
    position = 0
    while position < len(data):
        at = start + position
        key, position = _varint(data, position, start)
        kind = key & 7
        if not key >> 3:
            raise MalformedError(f"byte {at}: a field has the number 0")
        value: int | memoryview
        if kind == VARINT:
            value, position = _varint(data, position, start)
        elif kind in (_FIXED64, _FIXED32):
            raw, position = _taken(data, position, 8 if kind == _FIXED64 else 4, at)
            value = int.from_bytes(raw, "little")
        elif kind == _BYTES:
            length, position = _varint(data, position, start)
            value, position = _taken(data, position, length, at)
        else:
            raise MalformedError(f"byte {at}: a field has the unknown type {kind}")
        yield key >> 3, value, at


def _taken(data: memoryview, position: int, length: int, at: int) -> tuple[memoryview, int]:
    if length > len(data) - position:
        raise MalformedError(f"byte {at}: a field ends beyond the end")
    return data[position : position + length], position + length


def _varint(data: memoryview, position: int, start: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + _MOST_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:  # noqa: PLR2004  # the last one
            return value & _MASK, position + index + 1
    raise MalformedError(f"byte {start + position}: a number does not end")


def integers(value: int | memoryview, at: int) -> list[int]:
    """Return the numbers of a repeated field: one, or many that are packed."""
    if isinstance(value, int):
        return [value]
    found: list[int] = []
    position = 0
    while position < len(value):
        each, position = _varint(value, position, at)
        found.append(each)
    return found


def signed(value: int) -> int:
    """Return a number of 64 bits as one with a sign."""
    return value - (1 << 64) if value >> 63 else value
