"""Durations as users give them, in seconds, and as they are reckoned with, in nanoseconds.

What may live here: what makes sense as a duration, for whoever takes one. What must not: defaults.
"""

from __future__ import annotations

from typing import Final

__all__ = ["await_after", "blocking", "functions_interval"]

_LONGEST: Final = 10 * 86_400.0
"""Seconds: ten days."""


def await_after(seconds: object) -> int:
    """Return how long a wait is at least that is looked at.

    Raises:
        TypeError, ValueError: it is no number, or no such one.
    """
    return _nanoseconds("await_after", seconds, 0, _LONGEST)


def blocking(seconds: object) -> int:
    """Return how long a step may take before it holds the loop for too long.

    Raises:
        TypeError, ValueError: it is no number, or no such one.
    """
    return _nanoseconds("blocking", seconds, 0.001, _LONGEST)


def functions_interval(seconds: object) -> int:
    """Return how long it is between two looks at functions; more than 5,000 a second are in vain.

    Raises:
        TypeError, ValueError: it is no number, or no such one.
    """
    return _nanoseconds("functions_interval", seconds, 0.000_2, 10)


def _nanoseconds(name: str, seconds: object, least: float, most: float) -> int:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} is a number of seconds, not {seconds!r}")
    if not least <= seconds <= most:
        raise ValueError(
            f"{name} is a number of seconds from {least:g} to {most:,g}, not {seconds!r}"
        )
    return round(seconds * 1e9)
