"""Python's marshal, as much of it as pstats needs.

Python's own reader trusts what it reads: it takes gigabytes at the word of a few bytes, and makes
code. Here a key is a function as pstats has them; a key that refers to others, which refer to
others, would take ages to be hashed. What a thousand functions refer to, each with a thousand
callers, would be a million: pstats has no such thing, so dictionaries are not referred to.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from tracetools.output.formats.content import MalformedError

__all__ = ["load"]

_DEEPEST: Final = 20
_REFERENCE: Final = 0x80
_END: Final = object()
_CONSTANTS: Final[dict[bytes, Any]] = {b"N": None, b"T": True, b"F": False, b"0": _END}
_DIGIT_BITS: Final = 15
_MOST_DIGITS: Final = 1000


def load(data: bytes) -> Any:
    """Return the value of marshalled data: numbers, texts, tuples and dictionaries.

    Raises:
        MalformedError: it is something else, or ends too early.
    """
    reader = _Reader(data)
    value = reader.value(0)
    if value is _END:
        raise MalformedError("byte 0: no value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._known: list[Any] = []

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= len(self._data) - self._at:
            raise MalformedError(f"byte {self._at}: a value ends beyond the end")
        self._at += size
        return self._data[self._at - size : self._at]

    def _whole(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little", signed=size > 1)

    def value(self, depth: int) -> Any:
        """Return the next value; `_END` for the end of a dictionary."""
        if depth > _DEEPEST:
            raise MalformedError(f"byte {self._at}: nested too deeply")
        at = self._at
        code = self._take(1)[0]
        kind = bytes([code & ~_REFERENCE])
        is_known = code & _REFERENCE
        place = len(self._known)
        if is_known:
            self._known.append(_END)  # a value within itself makes no sense here
        found = self._of_kind(kind, depth, at)
        if is_known:
            self._known[place] = found
        return found

    def _of_kind(self, kind: bytes, depth: int, at: int) -> Any:
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in b"il":
            return self._whole(4) if kind == b"i" else self._long(at)
        if kind in b"uzZaAt":
            return self._text(kind)
        if kind in b"()":
            return self._tuple(kind, depth, at)
        if kind == b"{":
            return self._dictionary(depth, at)
        if kind not in b"gr":
            raise MalformedError(f"byte {at}: no value of pstats ({kind!r})")
        return self._reference(at) if kind == b"r" else struct.unpack("<d", self._take(8))[0]

    def _text(self, kind: bytes) -> str:
        size = self._whole(1 if kind in b"zZ" else 4)
        return self._take(size).decode("utf-8" if kind in b"ut" else "latin-1", "replace")

    def _tuple(self, kind: bytes, depth: int, at: int) -> tuple[Any, ...]:
        size = self._whole(1 if kind == b")" else 4)
        if not 0 <= size <= len(self._data) - self._at:
            raise MalformedError(f"byte {at}: a value ends beyond the end")
        return tuple([self._inner(depth, at) for _ in range(size)])

    def _inner(self, depth: int, at: int) -> Any:
        value = self.value(depth + 1)
        if value is _END:
            raise MalformedError(f"byte {at}: a value is missing")
        return value

    def _dictionary(self, depth: int, at: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        while (key := self.value(depth + 1)) is not _END:
            match key:
                case (str(), int(), str()):
                    found[key] = self._inner(depth, at)
                case _:
                    raise MalformedError(f"byte {at}: a key is not (file, line, name)")
        return found

    def _reference(self, at: int) -> Any:
        index = self._whole(4)
        if not 0 <= index < len(self._known) or self._known[index] is _END:
            raise MalformedError(f"byte {at}: refers to what is not there")
        found = self._known[index]
        inner = found if isinstance(found, tuple) else (found,)
        if any(isinstance(each, dict) for each in inner):
            raise MalformedError(f"byte {at}: a dictionary is there twice")
        return found

    def _long(self, at: int) -> int:
        size = self._whole(4)
        if abs(size) > _MOST_DIGITS:
            raise MalformedError(f"byte {at}: a number is too long")
        digits = [self._whole(2) for _ in range(abs(size))]
        value = sum(digit << _DIGIT_BITS * index for index, digit in enumerate(digits))
        return -value if size < 0 else value
