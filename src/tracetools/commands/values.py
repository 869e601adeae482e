"""Values of options, as argparse converts them; what makes no sense is refused in our words."""

from __future__ import annotations

import argparse
import math
from typing import Final

__all__ = ["ALL", "count", "number", "percent", "seconds", "triggers", "whole", "whole_or_all"]

ALL: Final = "all"

_MOST_DIGITS: Final = 18


def whole(text: str) -> int:
    """Return a whole number from 0 up."""
    if not _is_whole(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def count(text: str) -> int:
    """Return a whole number from 1 up."""
    if not _is_whole(text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return int(text)


def whole_or_all(text: str) -> int | str:
    """Return a whole number, or the word ``all``."""
    return ALL if text == ALL else whole(text)


def number(text: str) -> float:
    """Return a number that is finite."""
    found = _float(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number")
    return found


def percent(text: str) -> float:
    """Return the number of a percentage, with or without its sign."""
    found = _float(text.removesuffix("%").rstrip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage")
    return found


def seconds(text: str) -> float:
    """Return a number of seconds, more than none."""
    found = _float(text)
    if found is None or not 0 < found <= _LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds: give one above 0, such as 2.5"
        )
    return found


_LONGEST: Final = 10 * 86_400.0 * 365

_TRIGGERS: Final[dict[str, dict[str, int]]] = {
    "blocking": {"blocking": True},
    "errors": {"errors": True},
    "signal": {"signal": True},
}


def triggers(text: str) -> dict[str, int]:
    """Return what `slow` takes for what is kept beside slow spans."""
    import signal  # only if it is given

    from tracetools.recording.triggers import signal_number  # likewise

    found: dict[str, int] = {}
    for word in text.split(","):
        name = word if word.startswith("SIG") else f"SIG{word}"
        number = getattr(signal, name, None)
        if word in _TRIGGERS:
            found.update(_TRIGGERS[word])
        elif isinstance(number, int) and name.isalnum():
            found["signal"] = int(number)
        else:
            raise argparse.ArgumentTypeError(
                f"nothing is kept on {word!r}: choose of blocking, errors, signal, with commas"
                " between them"
            )
    try:
        signal_number(found.get("signal"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return found


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number in plain digits, and not too long to be one."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


def _float(text: str) -> float | None:
    """Return a finite number; None if the text is none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
