"""The sentences of answers. All is ASCII, but for the names that users gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.output.answers.data import Answer

__all__ = ["at_line", "before_steps", "for_whom", "listed", "percent", "times"]

_MOST_NAMES = 3


def at_line(answer: Answer) -> str:
    """Return the function and the line of an answer: ``digest (app.py:11)``."""
    if not answer.location:
        return answer.function
    return f"{answer.function} ({answer.location})"


def for_whom(names: Sequence[str]) -> str:
    """Return ``, for GET /report/{year}``; nothing if it was for nobody in particular."""
    return f", for {listed(names)}" if names else ""


def listed(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """Return names with commas; of many, the first ones and how many more there are."""
    shown = ", ".join(names[:most])
    more = len(names) - most
    return f"{shown} and {more:,} more" if more > 0 else shown


def percent(share: float) -> str:
    """Return a share in percent: whole from 10 % on, else with one decimal."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %"  # noqa: PLR2004


def before_steps(count: int, total: int) -> str:
    """Return how long something waited for its steps: ``3 ms before each of 100 steps``."""
    each = amount(total // max(1, count))
    return f"{each} before 1 step" if count == 1 else f"{each} before each of {count:,} steps"


def times(count: int, total: int, most: int) -> str:
    """Return how often something happened, and how long it took: ``8 times, 1.2 s in all``."""
    if count == 1:
        return f"once, for {amount(total)}"
    return f"{count:,} times, for {amount(total)} in all and {amount(most)} at most"
