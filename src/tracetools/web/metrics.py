"""Metrics that never go down: of one recording after another, in series that stay what they are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeAlias

from tracetools.guest.pace import Pace
from tracetools.output.formats.prometheus import (
    Choice,
    Family,
    Sample,
    families_of,
    format_families,
)
from tracetools.web.recordings import OURS

if TYPE_CHECKING:
    from tracetools.core.profile import Profile

__all__ = ["Metrics"]

_Key: TypeAlias = "tuple[str, tuple[tuple[str, str], ...]]"

_LEAST: Final = 10**9
"""Nanoseconds of a loop that the utilisation is of, at least."""


class Metrics:
    """Adds up what recordings have, one after another.

    Estimates may fall from one profile of a recording to the next one. What has been said stays.

    Args:
        most: how many spans, and how many lines that block the loop, have series of their own.
    """

    def __init__(self, most: int) -> None:
        self._choice = Choice(most)
        self._number = 0
        self._before: dict[str, dict[_Key, int | float]] = {}
        self._now: dict[str, dict[_Key, Sample]] = {}
        self._seen = (0, 0)
        self._ratio = 0.0
        self._lock = threading.Lock()

    def text(self, number: int, profile: Profile, *, openmetrics: bool) -> str:
        """Return all metrics as text.

        Args:
            number: of the recording; it is another one if a new one has begun.
            profile: what it has recorded up to now.
            openmetrics: whether it is OpenMetrics.
        """
        with self._lock, Pace():
            if number != self._number:
                self._add_up()
                self._number = number
            self._see(profile)
            families = [self._raised(family) for family in families_of(profile, self._choice, OURS)]
            return format_families(families, openmetrics=openmetrics)

    def _add_up(self) -> None:
        """Put away what a recording has had, for another one begins from nothing."""
        for name, samples in self._now.items():
            before = self._before.setdefault(name, {})
            for key, sample in samples.items():
                before[key] = before.get(key, 0) + sample.value
                samples[key] = sample._replace(value=0)
        self._seen = (0, 0)

    def _raised(self, family: Family) -> Family:
        """Return a family in which nothing is less than it was, and nothing is missing."""
        if family.kind == "gauge":
            return family._replace(samples=[Sample("", (), self._ratio)])
        now = self._now.setdefault(family.name, {})
        before = self._before.get(family.name, {})
        for sample in family.samples:
            key = (sample.suffix, sample.labels)
            known = now.get(key)
            if known is None or known.value < sample.value:
                now[key] = sample
        raised = [
            sample._replace(value=sample.value + before.get(key, 0)) for key, sample in now.items()
        ]
        return family._replace(samples=raised)

    def _see(self, profile: Profile) -> None:
        """Note how busy loops were since the last time that was asked for."""
        waited, lasted = (
            now - before
            for now, before in zip((profile.waiting, profile.duration), self._seen, strict=True)
        )
        if lasted >= _LEAST:
            self._ratio = min(max((lasted - waited) / lasted, 0.0), 1.0)
            self._seen = profile.waiting, profile.duration
