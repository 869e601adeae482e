"""JSON of others: read whole, bounded, with errors of our own."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from tracetools.output.formats.content import MalformedError

__all__ = ["MAX_BYTES", "check_size", "items", "load", "member", "text"]

MAX_BYTES: Final = 1 << 28
"""The longest file that is read whole."""

_MOST_VALUES: Final = 1 << 25
_MOST_LISTS: Final = 1 << 23
"""A list takes three bytes of a file and 64 of memory: so many take half a gigabyte."""


def check_size(text: str) -> None:
    """Check that a JSON text does not take many times as much memory as it has bytes.

    Raises:
        MalformedError: it would.
    """
    if text.count(",") > _MOST_VALUES or text.count("[") + text.count("{") > _MOST_LISTS:
        raise MalformedError("it has more values than any profile")


def load(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        MalformedError: it is none, it is nested too deeply, has too many values, or a number is NaN
            or infinite.
    """
    try:
        decoded = data.decode("utf-8-sig")
        check_size(decoded)
        return json.loads(decoded, parse_constant=_refuse)
    except RecursionError as error:
        raise MalformedError("its JSON is nested too deeply") from error
    except ValueError as error:  # also of bytes that are not UTF-8, and of endless numbers
        raise MalformedError(f"no JSON ({error})") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def member(value: Any, key: str, where: str) -> dict[str, Any]:
    """Return an object within another one."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise MalformedError(f"{_at(where, key)} is no object")
    return found


def items(value: Any, key: str, where: str) -> list[Any]:
    """Return a list within an object."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise MalformedError(f"{_at(where, key)} is no list")
    return found


def text(value: Any, key: str, otherwise: str = "") -> str:
    """Return a text within an object, or else what was given."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else otherwise


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
