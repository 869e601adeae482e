"""What goes through the door: a line of JSON asks, a line of JSON and counted bytes answer.

    {"tracetools": 1, "ask": "start", "options": {"functions": true}}
    {"tracetools": 1, "bytes": 0, "loops": 1}

An answer that refuses has `refused`, a word for programs, and `text`, a sentence for people. After
the line of an answer come as many bytes as its `bytes` says. Lines have a bounded length. What does
not look like this is refused, and the connection is closed where the next line cannot be found.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, NoReturn

from tracetools.core.errors import DoorError

__all__ = [
    "LONGEST_LINE",
    "MOST_BYTES",
    "VERSION",
    "RefusedError",
    "Request",
    "answer_line",
    "parse_answer",
    "parse_request",
    "refusal_line",
    "request_line",
]

VERSION: Final = 1
"""Of this protocol. One that a side does not know is refused."""

LONGEST_LINE: Final = 1 << 16
MOST_BYTES: Final = 1 << 30
"""How much an answer may have: a profile of a million stacks has a quarter of it."""

_SIGN: Final = "tracetools"
_dump: Final = json.JSONEncoder(separators=(",", ":")).encode


class RefusedError(DoorError):
    """What was asked for is refused.

    Args:
        kind: why, in a word.
        text: why, and what to do.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Request(NamedTuple):
    """What is asked.

    Attributes:
        ask: the word.
        values: what belongs to it.
    """

    ask: str
    values: dict[str, Any]


def request_line(ask: str, **values: Any) -> bytes:
    """Return the line that asks."""
    return _line({_SIGN: VERSION, "ask": ask, **values})


def answer_line(count: int = 0, **values: Any) -> bytes:
    """Return the line of an answer, after which `count` bytes follow."""
    return _line({_SIGN: VERSION, "bytes": count, **values})


def refusal_line(refusal: RefusedError) -> bytes:
    """Return the line that refuses."""
    text = refusal.text[: LONGEST_LINE // 16]  # a character takes up to 12 bytes in JSON
    return _line({_SIGN: VERSION, "bytes": 0, "refused": refusal.kind, "text": text})


def parse_request(line: bytes) -> Request:
    """Return what a line asks.

    Raises:
        RefusedError: it makes no sense.
    """
    value = _parse(line)
    ask = value.pop("ask", None)
    if not isinstance(ask, str):
        raise RefusedError("malformed", "a line asks for nothing: it has no text named 'ask'")
    return Request(ask, value)


def parse_answer(line: bytes) -> tuple[int, dict[str, Any]]:
    """Return how many bytes follow the line of an answer, and its values.

    Raises:
        RefusedError: it refuses, or makes no sense.
    """
    value = _parse(line)
    count = value.pop("bytes", None)
    if type(count) is not int or not 0 <= count <= MOST_BYTES:
        raise RefusedError("malformed", "an answer does not say how many bytes it has")
    kind, text = value.get("refused"), value.get("text")
    if kind is not None:
        raise RefusedError(str(kind), str(text))
    return count, value


def _line(value: dict[str, Any]) -> bytes:
    return f"{_dump(value)}\n".encode()


def _parse(line: bytes) -> dict[str, Any]:
    """Return the object of a line of this version.

    Raises:
        RefusedError: it is none.
    """
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise RefusedError("malformed", "a line is no JSON") from None
    if not isinstance(value, dict) or type(value.get(_SIGN)) is not int:
        raise RefusedError("malformed", f"a line is no object with a number named {_SIGN!r}")
    version = value.pop(_SIGN)
    if version != VERSION:
        raise RefusedError(
            "version",
            f"the door speaks version {VERSION} of its protocol, not {version}: use the same"
            " tracetools on both sides",
        )
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
