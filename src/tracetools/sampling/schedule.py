"""When to take a sample: at random moments, no more often than the program can afford.

A sample takes time from the step that it sees, and that time belongs to the step. If no sample
could follow soon after another one, such time would never be seen. Functions that do a fixed amount
of work last longer for it; they would get 5 % less than those that end at a fixed moment. If the
next sample does not depend on when the last one was taken, all moments are equally likely to be
seen: Poisson arrivals see time averages (R. W. Wolff, 1982), also of what they disturb.

The weight of a sample is the mean interval, not the interval that chance gave: what chance adds to
one interval has nothing to do with what the next sample sees. With actual intervals as weights,
samples were as exact as three quarters as many. But if the GIL was not released for some
time, that time is added to the weight of the sample after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NOT_SAMPLED", "Schedule"]


NOT_SAMPLED: Final = -1
"""How long a step lasted that could not be sampled, though the program was busy."""


class Schedule:
    """The moments at which to take samples, at random intervals.

    Samples take at most one `PART` of the time of a busy program, if the interval is a millisecond
    or more. With a shorter interval they take more in proportion.

    Args:
        interval: the wanted mean interval, in nanoseconds.
        most: the longest interval, in nanoseconds, as long as the program can afford it.
        chance: returns a random number whose mean is 1.

    Attributes:
        interval: the mean interval that the program can afford, in nanoseconds.
    """

    PART: Final = 20
    _FULL: Final = 1_000_000
    """Nanoseconds: the shortest interval for which samples keep to their part of the time."""

    _LEAST: Final = 1_000
    """Nanoseconds: a shorter sleep would not let the program go on."""

    _DELAYED: Final = 300_000
    """Nanoseconds: a sample that comes or ends later than this had to wait for the GIL."""

    _HAND_OVER: Final = 30_000
    """Nanoseconds that a step loses until it has the GIL again."""

    _MAX_WAITING: Final = 200_000
    """Nanoseconds of processor time. A longer wait for the GIL takes nothing from the program."""

    _SPREAD: Final = 8
    """Over how many samples the weight of missed ones is spread. One sample with all of it would
    count for so much that chance decides more than the others."""

    _MAX_OWED: Final = 64
    """How many samples are made up for. A program that was stopped for an hour need not show it."""

    def __init__(self, interval: int, most: int, chance: Callable[[], float]) -> None:
        self.interval = self._wanted_interval = interval
        self._most = most
        self._chance = chance
        self._times = self.PART * min(interval / self._FULL, 1)
        # The interval is nearly the same whether the program is busy or idle just now: the more it
        # varies, the less samples say.
        self._cost, self._busy_part, self._delay = _Average(128), _Average(1024), _Average(128)
        self._wanted = self._sampled = self._blocked = self._missed = self._owed = 0

    def next(self, now: int) -> int:
        """Choose the next moment; return how long to sleep until then, in nanoseconds.

        The usual delay is subtracted, so that the sample is taken at the chosen moment.
        """
        most = max(self._most, 2 * self.interval)
        distance = round(min(self.interval * self._chance(), most) - self._delay.mean)
        distance = max(distance, self._LEAST)
        self._wanted = now + distance
        took = now - self._sampled
        self._blocked = took if self._sampled and took > self._DELAYED else 0
        return distance

    def start_sample(self, now: int) -> tuple[int, int]:
        """Return the weight of a sample that is taken now, in nanoseconds.

        Returns:
            The weight, and for how long no sample could be taken before. That is added to the
            weight if the step has lasted for as long.
        """
        delay = now - self._wanted
        self._missed = self._blocked + max(round(delay - self._delay.mean), 0)
        if delay < self._DELAYED:
            self._delay.add(delay)
        self._sampled = now
        part = self._owed // self._SPREAD
        self._owed -= part
        return self.interval + part, self._missed

    def end_sample(self, lasted: int | None, taken: int, waiting: int = 0) -> None:
        """Adapt the interval to what a sample has cost; all in nanoseconds.

        Deep stacks cost more, and so does a processor that the sampler shares with the loop. An
        idle program loses nothing.

        Args:
            lasted: how long the step had lasted: `NOT_SAMPLED` if the program was busy and could
                not be sampled, ``None`` if it was idle.
            taken: the processor time of the sample.
            waiting: the processor time of the sampler's thread from the sample before until it had
                the GIL.
        """
        owed = self._missed if (lasted or 0) < self._missed else 0
        if lasted == NOT_SAMPLED:
            owed += self.interval
        self._owed = min(self._owed + owed, self._MAX_OWED * self.interval)
        if lasted is not None:
            self._cost.add(taken + min(waiting, self._MAX_WAITING) + self._HAND_OVER)
        self._busy_part.add(lasted is not None)
        cost = self._cost.mean * self._busy_part.mean
        self.interval = max(self._wanted_interval, round(cost * self._times))


class _Average:
    """The mean of the latest numbers, of all while there are few."""

    def __init__(self, most: int) -> None:
        self.mean = 0.0
        self._most = most
        self._count = 0

    def add(self, number: float) -> None:
        self._count = min(self._count + 1, self._most)
        self.mean += (number - self.mean) / self._count
