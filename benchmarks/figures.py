"""A figure of the table that `costs.py` prints, and how it is made of what was measured.

A module that measures in its own way offers `figures(quick=...)`, which returns a list of these.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

Slices = Sequence[Sequence[float]]
"""What short slices of a measurement took, one after another, round by round."""

Found = Mapping[str, Slices]
"""What was found for each variant; they were measured in turns, a round of each."""

PARTS = 3
"""How many parts of a single run are compared, to see how far they differ."""


class Figure(NamedTuple):
    """A row of the table, all as it is printed.

    Attributes:
        what: what was measured.
        base: what it takes otherwise: with nothing recorded, if `what` does not say another thing.
        found: the figure.
        spread: the lowest and the highest of the same figure in the processes that measured it; in
            parts of the time, if there was but one.
        limit: what it may be; empty for a figure that has no limit.
        met: whether it is; ``None`` without a limit.
    """

    what: str
    base: str = ""
    found: str = ""
    spread: str = ""
    limit: str = ""
    met: bool | None = None


def ratio(
    what: str,
    runs: Sequence[Found],
    variant: str,
    limit: float | None = None,
    *,
    base: str = "nothing",
) -> Figure:
    """Return how many times as long a variant takes as another one. Times are in nanoseconds."""
    value, parts = _compare(runs, lambda run: fastest(run[variant]) / fastest(run[base]))
    return Figure(
        what,
        nanoseconds(statistics.median(fastest(run[base]) for run in runs)),
        f"{value:.3f}",
        spread(parts, ".2f"),
        *_limit(value, limit, ".2f"),
    )


def extra(what: str, runs: Sequence[Found], variant: str, limit: float | None = None) -> Figure:
    """Return how many nanoseconds longer a variant takes than nothing."""
    value, parts = _compare(runs, lambda run: fastest(run[variant]) - fastest(run["nothing"]))
    return Figure(
        what,
        nanoseconds(statistics.median(fastest(run["nothing"]) for run in runs)),
        f"{value:+,.0f} ns",
        spread(parts, "+,.0f"),
        *_limit(value, limit, ",.0f", " ns"),
    )


def within_noise(what: str, found: Mapping[str, Sequence[float]], variant: str) -> Figure:
    """Return the median over the rounds of the ratio of a variant to nothing.

    It is within noise if it is at most the third quartile of the ratios of ``nothing again`` to
    nothing and of nothing to ``nothing again``.
    """
    ratios, equals = _ratios(found, variant), _ratios(found, "nothing again")
    noise = _quartiles([*equals, *(1 / each for each in equals)])[1]
    value = statistics.median(ratios)
    return Figure(
        what,
        nanoseconds(statistics.median(found["nothing"])),
        f"{value:.3f}",
        spread(_quartiles(ratios), ".2f"),
        *_limit(value, noise, ".2f"),
    )


def fastest(slices: Slices) -> float:
    """Return the mean of the fastest twentieth of all slices.

    Where a processor is shared, most slices take longer than they need, some twice as long, and how
    many do changes from minute to minute. The fastest ones stay the same within a hundredth.
    """
    every = sorted(value for each in slices for value in each)
    return statistics.fmean(every[: max(3, len(every) // 20)])


def nanoseconds(value: float) -> str:
    """Write a time in the unit that suits it."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if value >= 10 * size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:,.0f} ns"


def spread(values: Sequence[float], form: str) -> str:
    """Return the lowest and the highest of some values."""
    return f"{min(values):{form}} to {max(values):{form}}"


def _compare(
    runs: Sequence[Found], figure: Callable[[Found], float]
) -> tuple[float, Sequence[float]]:
    """Return the median of a figure over all runs, and what it is in each; in parts of a single."""
    parts = runs if len(runs) > 1 else _parts(runs[0])
    return statistics.median(map(figure, runs)), [figure(part) for part in parts]


def _parts(run: Found) -> Sequence[Found]:
    """Divide a run into parts of as many rounds."""
    count = min(map(len, run.values()))
    bounds = [count * number // PARTS for number in range(PARTS + 1)]
    return [
        {variant: slices[start:end] for variant, slices in run.items()}
        for start, end in pairwise(bounds)
    ]


def _ratios(found: Mapping[str, Sequence[float]], variant: str) -> Sequence[float]:
    return [mine / other for mine, other in zip(found[variant], found["nothing"], strict=True)]


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def _limit(found: float, limit: float | None, form: str, unit: str = "") -> tuple[str, bool | None]:
    """Return a limit as it is printed, and whether it is met."""
    if limit is None:
        return "", None
    return f"≤{limit:{form}}{unit}", found <= limit
