"""A loop that steps in this thread, and the sampler of its recording."""

from __future__ import annotations

from functools import partial

from tracetools.attribution.functions import qualified_name, register_step
from tracetools.sampling.sampler import Sampler
from tracetools.testing import ScriptedLoop

MILLISECOND = 1_000_000


def name_of(function):
    return qualified_name(function.__code__)


def weighs(weight):
    """Return what gives this weight to all samples."""
    return lambda _: weight


class World:
    """A loop that steps in this thread, and the sampler of its recording."""

    def __init__(self, *, interval: int | None = 1000, threshold: int | None = None) -> None:
        self.loop = ScriptedLoop(threshold=threshold)
        worlds.append(self)
        self.sampler = Sampler(self.loop.recorder, interval)
        self.sample = partial(self.sampler._sample, weighs(1000))

    def step(self, body, name="task"):
        """Let a new task make one step, which is `body`, and exit."""
        task = self.loop.spawn(name)
        self.loop.begin_step(task)
        try:
            return body()
        finally:
            self.loop.exit(task)

    def functions(self):
        """The busy time of each stack, by names, without what has none."""
        return {
            ";".join(frame.name for frame in path[1:]): times.busy
            for path, times in self.loop.profile.stacks.items()
            if times.busy and path[1:]
        }

    def blocks(self):
        return {
            ";".join(frame.name for frame in path[1:]): blocks
            for path, blocks in self.loop.profile.blocking.items()
        }


register_step(World.step.__code__)
worlds: list[World] = []
