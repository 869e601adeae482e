"""Measure variants against each other in one process: round by round, so that all see one machine.

On a noisy machine absolute times wobble by half, ratios of neighbours by a few hundredths.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable

Measure = Callable[[], float]


def measure(variants: dict[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return what each variant measured in each round; one round before is thrown away."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, variant in variants.items():
            value = variant()
            if number:
                found[name].append(value)
    return found


def report(title: str, found: dict[str, list[float]], base: str, unit: str) -> None:
    """Print the median of each variant, and of its ratio to `base` in the same round."""
    print(f"{title} (Python {platform.python_version()}, {len(found[base])} rounds)")
    for name, values in found.items():
        ratios = [mine / other for mine, other in zip(values, found[base], strict=True)]
        median, ratio = statistics.median(values), statistics.median(ratios)
        print(f"  {name:<34} {median:12,.1f} {unit}   {ratio:6.3f} of {base}")
