"""Samples of the loops of the main thread, where the native core takes them.

`native/sampler.c` asks for them from a thread that never takes the GIL, and the main thread takes
them itself. Here they are read.
"""

from __future__ import annotations

import atexit
import threading
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.attribution.functions import Sample
from tracetools.core.native import native
from tracetools.recording.forks import renew_in_child
from tracetools.recording.usage import Usage
from tracetools.sampling.stalls import FoundStall
from tracetools.sampling.unwind import count_of_step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.stacks import Stack
    from tracetools.recording.loops import RecordedLoop
    from tracetools.recording.recorder import Recorder

__all__ = ["FOR_EVER", "MainThread", "Taken"]

FOR_EVER: Final = 1 << 60
"""Nanoseconds."""

_MainSampler: Final[Any] = getattr(native, "MainSampler", None)


class Taken(NamedTuple):
    """Samples that saw the same.

    Attributes:
        loop: the loop.
        own: the stack that has the time; None between steps.
        sample: one of them.
        weight: their weight, in nanoseconds.
        computed: how much of that the thread has computed, rather than waited.
        times: how many they are.
    """

    loop: RecordedLoop
    own: Stack | None
    sample: Sample
    weight: int
    computed: int
    times: int


class MainThread:
    """The loops of the main thread, and the samples of their steps.

    Args:
        recorder: the recording.
        interval: the mean nanoseconds between two samples.
        part: from how many nanoseconds on a step takes long, so that its lines are kept.
        functions: whether samples of functions are taken.
    """

    def __init__(self, recorder: Recorder, interval: int, part: int, *, functions: bool) -> None:
        self._recorder = recorder
        threshold = FOR_EVER if recorder.threshold is None else recorder.threshold
        self._native = _MainSampler(interval, threshold, part, functions)
        self._watched: tuple[RecordedLoop, ...] = ()

    @staticmethod
    def can_sample(recorder: Recorder) -> bool:
        """Whether the native core can sample the loops of a recording: its clock must be known."""
        return _MainSampler is not None and recorder.clock is perf_counter_ns

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: it cannot be started.
        """
        main = threading.main_thread()
        # Up to Python 3.13, a forked process has it as that of its parent.
        is_here = main.ident == threading.get_ident()
        number = compat.native_thread() if is_here else main.native_id
        self._native.start(main.ident, number or 0)

    def stop(self) -> None:
        """End the thread."""
        self._native.stop()
        self._watched = ()
        self._native.watch((), ())

    def watch(self) -> None:
        """Watch the loops that run in the main thread just now. From any thread.

        Others may change meanwhile, and another thread may have watched newer ones before.
        """
        watched: tuple[RecordedLoop, ...] | None = None
        while watched != (watched := self._loops_of_main()):
            self._watched = watched
            self._native.watch(watched, tuple(loop for loop in watched if loop.unseen is not None))

    def _loops_of_main(self) -> tuple[RecordedLoop, ...]:
        main = threading.main_thread().ident
        loops = (loop for loop in self._recorder.loops if loop.thread == main and loop.running)
        return tuple(loops)

    def watches(self, loop: RecordedLoop) -> bool:
        """Whether samples of a loop are taken here."""
        return loop in self._watched

    def wait(self, nanoseconds: int) -> None:
        """Wait until there is something to do: see `wake`."""
        self._native.wait(nanoseconds)

    def wake(self) -> None:
        """End a wait."""
        self._native.wake()

    def take(self) -> Iterator[Taken]:
        """Yield all samples up to now; those of the same functions are one."""
        for loop, base, own, *sample, weight, computed, times in self._native.take():
            yield Taken(loop, own, _sample(loop, base, own, *sample), weight, computed, times)

    def take_blocked(self) -> Iterator[Taken]:
        """Yield the callbacks that have waited for longer than the threshold."""
        for loop, base, own, *sample, weight, computed, times in self._native.take_blocked():
            yield Taken(loop, own, _sample(loop, base, own, *sample), weight, computed, times)

    @property
    def still_since(self) -> int:
        """Since when the main thread computes nothing; 0 if it has computed a moment ago."""
        since: int = self._native.still_since
        return since

    def take_long(self) -> Iterator[tuple[RecordedLoop, Sample, int]]:
        """Yield the samples of the step that takes long, or did so last, with their weights."""
        for loop, *sample, weight, _, _ in self._native.take_long()[::-1]:
            yield loop, _sample(loop, *sample), weight

    def take_stall(self) -> tuple[int, FoundStall | None]:
        """Return how long the system has slept, and the last time in which no loop could run."""
        slept, found = self._native.take_stall()
        if found is None:
            return slept, None
        end, took, before, after, threads = found
        return slept, FoundStall(end, took, Usage(*before), Usage(*after), threads)

    def used(self, loop: RecordedLoop) -> tuple[int, Usage | None]:
        """Return what the main thread had used early in a step, and its `began`; 0 before one."""
        began, used = self._native.used(loop)
        return began, used and Usage(*used)

    def pulse(self) -> tuple[int, int, int, Usage | None]:
        """Return when the thread woke last, when it wants to wake, its number, what it has used."""
        woke, due, number, used = self._native.pulse()
        return woke, due, number, used and Usage(*used)


def _sample(  # noqa: PLR0913, PLR0917  # as the native core has it
    loop: RecordedLoop,
    base: Any,
    own: Any,
    codes: list[Any],
    lines: list[Any],
    is_cut: bool,
    began: int,
) -> Sample:
    """Make a sample of what the native core has found."""
    if not is_cut:
        codes = codes[: count_of_step(codes)]
    return Sample(began, base, own, loop.tree, codes, lines[: len(codes)])


if _MainSampler is not None:
    _core: Any = native
    renew_in_child(_core.forget_samplers)
    atexit.register(_core.end_samplers)
