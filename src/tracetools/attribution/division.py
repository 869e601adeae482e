"""Divides exact totals by weighted samples, in whole nanoseconds.

The accounting gives the totals, samples give the parts. What no sample saw stays where it was. The
weight of a sample is the time that it represents (see `tracetools.sampling.grid`), so samples are
weighed, not counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from typing import Protocol

    from tracetools.core.stacks import Stack

    class Numbers(Protocol):
        """Finds numbers by stack, as a dict does."""

        def get(self, stack: Stack, otherwise: int, /) -> int:
            """Return the number of a stack, or `otherwise` if there is none."""


__all__ = ["WeightedSamples", "divide"]

Sample = TypeVar("Sample")

_MAX_RATIO: Final = 2
"""How many times their weight samples may divide. The parts of steps that are too short to be
sampled are much like those that are not; but most of a stack that was hardly ever sampled is
unknown."""

_MAX_KEPT: Final = 100_000
"""How many samples are kept as they are, counted by the length of their keys."""


class _Group(Generic[Sample]):
    """All samples with one key.

    Attributes:
        own: the stack that has the time.
        sample: one of them.
        weight: their total weight, in nanoseconds.
        stack: the stack that the time goes to, once it is known.
    """

    __slots__ = ("own", "sample", "stack", "weight")

    def __init__(self, own: Stack, sample: Sample) -> None:
        self.own = own
        self.sample = sample
        self.weight = 0
        self.stack: Stack | None = None


class WeightedSamples(Generic[Sample]):
    """Samples, by the stack that has the time and the stack below it that they saw.

    The program waits while a sample is added, so it is added as it is. Its stack is made when a
    profile is asked for, or when there are too many samples to keep.

    Args:
        stack_of: returns the stack of a sample: the one that has the time, or one below it.

    Attributes:
        count: how many samples were added.
    """

    def __init__(self, stack_of: Callable[[Sample], Stack]) -> None:
        self.count = 0
        self._stack_of = stack_of
        self._groups: dict[tuple[Hashable, ...], _Group[Sample]] = {}
        self._kept = 0
        self._settled: dict[Stack, dict[Stack, int]] = {}

    def add(  # what is known of samples
        self,
        own: Stack,
        key: tuple[Hashable, ...],
        sample: Sample,
        weight: int,
        *,
        times: int = 1,
    ) -> None:
        """Add a sample of what runs under the stack `own`; its weight is in nanoseconds.

        Samples with the same key saw the same. Those of one stack are added by one thread. Several
        that saw the same may be added at once, with their weight in all.
        """
        self.count += times
        group = self._groups.get(key)
        if group is None:
            self._kept += len(key)
            while self._kept > _MAX_KEPT and self._groups:
                self._settle_first()
            group = self._groups[key] = _Group(own, sample)
        group.weight += weight

    def find_stacks(self) -> None:
        """Find the stacks of all samples up to now, so that dividing takes no time."""
        for group in tuple(self._groups.values()):
            self._stack(group)

    def divided(self, times: Numbers) -> Iterator[tuple[Stack, Stack, int]]:
        """Divide the time of stacks: yield how much goes from which stack to which below it."""
        groups = tuple(self._groups.values())  # first: see `_settle_first`
        weights = {own: below.copy() for own, below in tuple(self._settled.items())}
        for group in groups:
            self._add_to(weights, group)
        for own, below in weights.items():
            for stack, part in divide(times.get(own, 0), below).items():
                if stack is not own and part:
                    yield own, stack, part

    def forget(self) -> None:
        """Forget all samples, but not how many there were."""
        self._groups, self._settled, self._kept = {}, {}, 0

    def _settle_first(self) -> None:
        """Find the stack of the oldest group, and keep its weight only.

        `divided` may count it twice meanwhile, in another thread. That changes the parts, not the
        total.
        """
        first = next(iter(self._groups.items()), None)
        if first is None:  # all were forgotten just now
            return
        key, group = first
        self._add_to(self._settled, group)
        if self._groups.pop(key, None) is not None:
            self._kept -= len(key)

    def _add_to(self, weights: dict[Stack, dict[Stack, int]], group: _Group[Sample]) -> None:
        stack = self._stack(group)
        below = weights.setdefault(group.own, {})
        below[stack] = below.get(stack, 0) + group.weight

    def _stack(self, group: _Group[Sample]) -> Stack:
        if group.stack is None:
            group.stack = self._stack_of(group.sample)
        return group.stack


def divide(total: int, weights: Mapping[Stack, int]) -> dict[Stack, int]:
    """Divide nanoseconds over stacks by the weights of their samples; the rest is no stack's."""
    whole = sum(weights.values())
    divided = min(max(total, 0), _MAX_RATIO * whole)
    return {stack: divided * weight // whole for stack, weight in weights.items() if whole}
