"""Student's t distribution: how likely a difference is, where nothing differs."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["chance_above"]

_STEPS: Final = 300
_TINY: Final = 1e-300
_EPSILON: Final = 1e-14


def chance_above(t: float, freedom: float) -> float:
    """Return how likely a value above `t` is, with so many degrees of freedom."""
    half = 0.5 * _beta_part(freedom / (freedom + t * t), freedom / 2, 0.5)
    return half if t >= 0 else 1 - half


def _beta_part(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction of the mirror image converges faster
        return 1 - _beta_part(1 - x, b, a)
    size = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    size += a * math.log(x) + b * math.log1p(-x)
    return math.exp(size) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction, from its front (DLMF 8.17.22, Lentz's method)."""
    value, upper, lower = 1.0, 1.0, 0.0
    for step in range(1, _STEPS):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        lower = 1 / _away(1 + term * lower)
        upper = _away(1 + term / upper)
        value *= upper * lower
        if abs(upper * lower - 1) < _EPSILON:
            break
    return value


def _away(number: float) -> float:
    """Return a number that can be divided by."""
    return number if abs(number) > _TINY else _TINY
