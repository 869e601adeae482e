"""When to look: at moments that have nothing to do with what is looked at, and not too often.

What may live here: how far it is from look to look, for how much time each stands, and what looks
may take. What must not: clocks, threads, and what is seen.

A look takes time from what it looks at, and that time belongs to what was seen. If it cannot come
soon after another one, such time is never seen, and functions that do a fixed amount of work, which
it makes longer, are told 5 % less than those that end at a fixed moment. If whether the next one
comes does not depend on how long ago the last one was, every moment is as likely to be seen as any
other: Poisson arrivals see time averages (R. W. Wolff, 1982), also of what they disturb.

A look stands for the time from look to look as it is meant to be, not as it happens to be: what
chance adds to one distance or takes from it has nothing to do with what the next look sees. Weighed
by the distances themselves, looks told as little as three quarters of their number would. But where
code does not let anybody look, what is seen afterwards answers for as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NOTHING", "Pace"]


NOTHING: Final = -1
"""For how long lasts what a look has seen that has come to nothing, though the program worked."""


class Pace:
    """The moments at which to look, at distances that chance decides.

    What looks take from the steps of a program is at most one `PART` of the time, if they are to be
    a millisecond apart or more. Whoever wants them closer wants to know more exactly, and grants
    more time in proportion.

    Args:
        every: nanoseconds from one look to the next, on average.
        most: and at most, as long as they can be afforded.
        chance: returns a random number whose mean is 1, for the next distance.

    Attributes:
        pause: nanoseconds to the next look, on average, as looks can be afforded.
    """

    PART: Final = 20
    _FULL: Final = 1_000_000
    """Nanoseconds from look to look from which on they may take no more than their part."""

    _LEAST: Final = 1_000
    """Nanoseconds: less would not be slept, and the program would not go on meanwhile."""

    _HELD: Final = 300_000
    """Nanoseconds by which looks are late, or take, where they are not let have their turn."""

    _HAND_OVER: Final = 30_000
    """Nanoseconds that a step loses beside, until it has its turn again."""

    _MOST_WAITING: Final = 200_000
    """Nanoseconds of processor time. To wait longer than that takes nothing from the program."""

    _SPREAD: Final = 8
    """Over how many looks is spread what others should have seen. One of them alone would weigh so
    much that chance has more to say than the others."""

    _MOST_OWED: Final = 64
    """How many looks. Who was stopped for an hour need not be told of it by the next function."""

    def __init__(self, every: int, most: int, chance: Callable[[], float]) -> None:
        self.pause = self._every = every
        self._most = most
        self._chance = chance
        self._times = self.PART * min(every / self._FULL, 1)
        # Whether the program works or rests just now, the pause is to be nearly the same: the more
        # it varies, the less looks tell.
        self._cost, self._at_work, self._delay = _Average(128), _Average(1024), _Average(128)
        self._wanted = self._looked = self._busy = self._missed = self._owed = 0

    def next(self, now: int) -> int:
        """Set the next moment to be woken; return how far it is, in nanoseconds.

        It is as much earlier as looks are usually late, so that they are made when they should be.
        """
        most = max(self._most, 2 * self.pause)
        distance = round(min(self.pause * self._chance(), most) - self._delay.mean)
        distance = max(distance, self._LEAST)
        self._wanted = now + distance
        took = now - self._looked
        self._busy = took if self._looked and took > self._HELD else 0
        return distance

    def look(self, now: int) -> tuple[int, int]:
        """Say for how many nanoseconds a look stands that is made now.

        Returns:
            For how long it stands, and for how long none could be made: it stands for that as well
            if what it sees has lasted so long.
        """
        late = now - self._wanted
        self._missed = self._busy + max(round(late - self._delay.mean), 0)
        if late < self._HELD:
            self._delay.add(late)
        self._looked = now
        part = self._owed // self._SPREAD
        self._owed -= part
        return self.pause + part, self._missed

    def looked(self, lasted: int | None, taken: int, waiting: int = 0) -> None:
        """Note what has become of a look, in nanoseconds.

        Looks are the dearer the deeper stacks are, and where our thread has to share a processor
        with the loop's. They take nothing from a program that is not at work.

        Args:
            lasted: how long what was seen has lasted: `NOTHING` if a program at work was not seen,
                ``None`` if it was not at work.
            taken: the processor time of the look.
            waiting: that of our thread from the look before until it had its turn.
        """
        owed = self._missed if (lasted or 0) < self._missed else 0
        if lasted == NOTHING:
            owed += self.pause
        self._owed = min(self._owed + owed, self._MOST_OWED * self.pause)
        if lasted is not None:
            self._cost.add(taken + min(waiting, self._MOST_WAITING) + self._HAND_OVER)
        self._at_work.add(lasted is not None)
        cost = self._cost.mean * self._at_work.mean
        self.pause = max(self._every, round(cost * self._times))


class _Average:
    """The mean of what was added, the latest of it if that is a lot."""

    def __init__(self, most: int) -> None:
        self.mean = 0.0
        self._most = most
        self._count = 0

    def add(self, number: float) -> None:
        self._count = min(self._count + 1, self._most)
        self.mean += (number - self.mean) / self._count
