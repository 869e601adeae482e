"""Counts as text: whole numbers with their unit, and times in the unit that fits."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TIME_UNITS: Final = ("ns", "µs", "ms", "s")
_SPELLINGS: Final[dict[str, str]] = {
    "ns": "ns",
    "nanoseconds": "ns",
    "µs": "µs",
    "μs": "µs",  # the Greek letter, not the sign
    "us": "µs",
    "usec": "µs",
    "microseconds": "µs",
    "ms": "ms",
    "msec": "ms",
    "milliseconds": "ms",
    "s": "s",
    "sec": "s",
    "seconds": "s",
}
_DIGITS: Final = 4
_NEXT_UNIT: Final = 1000


def amount_formatter(count_name: str, factor: float = 1) -> Callable[[int], str]:
    """Return a function from a count to text: `1,234 samples`, or for a unit of time `1.234 ms`.

    A count that is no time is multiplied by the factor, rounded half to even, and shown with all
    digits. A time has four digits without trailing zeros, in the largest unit in which it is at
    least 1; below 1,000 of its own unit it is shown as it is.
    """
    exact = Fraction(factor)
    unit = _unit_of_time(count_name)
    if unit is None:
        return partial(_format_count, exact, count_name)
    return partial(_format_time, exact, _TIME_UNITS.index(unit))


def nanoseconds_of(count_name: str) -> int | None:
    """Return how many nanoseconds a unit of time has; None for any other unit."""
    unit = _unit_of_time(count_name)
    return None if unit is None else _NEXT_UNIT ** _TIME_UNITS.index(unit)


def _unit_of_time(count_name: str) -> str | None:
    return _SPELLINGS.get(count_name.strip().lower())


def unit_of(roots: Iterable[str]) -> str:
    """Return the unit of the counts of stacks, by their root frames.

    It is microseconds where all roots are that of tracetools' own stack files, else samples.
    """
    return "µs" if all(root == ROOT.name for root in roots) else "samples"


def _format_count(factor: Fraction, unit: str, count: int) -> str:
    rounded = _divided(factor.numerator * count, factor.denominator)
    return f"{rounded:,} {unit}".rstrip()


def _format_time(factor: Fraction, unit: int, count: int) -> str:
    """Return a time in the unit that fits. Whole numbers are exact, and faster than fractions."""
    if count < 0:
        return f"-{_format_time(factor, unit, -count)}"
    time, parts = factor.numerator * count, factor.denominator
    while time >= _NEXT_UNIT * parts and unit + 1 < len(_TIME_UNITS):
        parts, unit = _NEXT_UNIT * parts, unit + 1
    decimals = max(0, _DIGITS - len(str(time // parts)))
    rounded = _divided(time * 10**decimals, parts)
    if rounded >= _NEXT_UNIT * 10**decimals and unit + 1 < len(_TIME_UNITS):  # 999.96 is 1000.0
        rounded, unit = rounded // _NEXT_UNIT, unit + 1
    whole, rest = divmod(rounded, 10**decimals)
    shown = f"{whole:,}.{rest:0{decimals}}".rstrip("0") if rest else f"{whole:,}"
    return f"{shown} {_TIME_UNITS[unit]}"


def _divided(number: int, parts: int) -> int:
    """Return a quotient, rounded half to even."""
    quotient, rest = divmod(number, parts)
    return quotient + (2 * rest > parts or (2 * rest == parts and quotient % 2))
