"""JSON of others: read whole, bounded, with errors of our own."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from tracetools.output.formats.content import MalformedError

__all__ = ["MAX_BYTES", "items", "load", "member", "text"]

MAX_BYTES: Final = 1 << 28
"""The longest file that is read whole."""


def load(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        MalformedError: it is none, it is nested too deeply, or a number is NaN or infinite.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
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
