"""What a thread has used of the machine, as Linux knows it: read before and after a long step.

Elsewhere nothing is known, and nothing is said.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

try:
    import resource
except ImportError:  # there is none on Windows
    resource = None  # type: ignore[assignment]

from tracetools import compat
from tracetools.core.interruptions import is_interruption
from tracetools.core.stacks import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "Pulse",
    "Usage",
    "divided",
    "looks_like_gil",
    "read_cpu",
    "read_own_usage",
    "read_usage",
    "stopped_time",
]


class Usage(NamedTuple):
    """What a thread has used up to a moment.

    Attributes:
        moment: by `time.perf_counter_ns`.
        cpu: nanoseconds that it computed.
        delay: nanoseconds that it could run, and had no processor.
        switches: how often it gave the processor back to wait for something.
        process: nanoseconds that all threads of the process computed.
    """

    moment: int
    cpu: int
    delay: int
    switches: int
    process: int


def read_cpu(native: int) -> int | None:
    """Return for how long a thread has computed, in nanoseconds; ``None`` if that is not known.

    The thread may be over: unlike that of `time.pthread_getcpuclockid`, its clock is made of a
    number that Linux checks.
    """
    if not native or sys.platform != "linux":
        return None
    try:
        return time.clock_gettime_ns(compat.clock_of_native_thread(native))
    except OSError:
        return None


def read_usage(native: int) -> Usage | None:
    """Return what a thread has used; ``None`` if that is not known. From any thread."""
    return _usage(native, partial(_switches_of, native))


def read_own_usage(native: int) -> Usage | None:
    """Return what this thread has used, at less cost."""
    return _usage(native, _switches)


def _usage(native: int, count_switches: Callable[[], int]) -> Usage | None:
    cpu = read_cpu(native)
    if cpu is None:
        return None
    try:
        switches = count_switches()
        delay = int(_read(native, "schedstat").split()[1])
    except Exception as error:  # the thread is over, or an audit hook forbids it
        if is_interruption(error):
            raise
        return None
    return Usage(time.perf_counter_ns(), cpu, delay, switches, time.process_time_ns())


def _switches_of(native: int) -> int:
    """Return how often a thread gave the processor back."""
    text = _read(native, "status").partition(_SWITCHES)[2]
    return int(text.split(maxsplit=1)[0])


def _read(native: int, name: str) -> bytes:
    """Read a file on a thread, by few calls: each of them releases the GIL."""
    file = os.open(f"/proc/self/task/{native}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _MOST_BYTES)
    finally:
        os.close(file)


_MOST_BYTES: Final = 8192


_SWITCHES: Final = b"\nvoluntary_ctxt_switches:"

_LEAST_SWITCHES: Final = 4
_SELDOM: Final = 8
"""On a busy machine, it wakes so much more seldom."""

_SLOWEST_SWITCHES: Final = 5_000_000
"""Nanoseconds: Python's default interval. On a busy machine a shorter one is not kept."""


class Pulse:
    """When the sampler could run last, and what it had used a little before.

    While it cannot run, it asks for the GIL, or has no processor, or the process is stopped.

    Attributes:
        moment: when it woke last, by `time.perf_counter_ns`; 0 if it does not run.
        due: until when it wanted to sleep then; 0 before it slept.
        native: the number of its thread.
        usage: what that had used at `moment`; its delay may be from a little before or after.
    """

    def __init__(self) -> None:
        self.moment = self.due = self.native = 0
        self.usage: Usage | None = None

    @staticmethod
    def woke(now: int) -> Usage:
        """Return what the sampler has used as it wakes, but its delay. In its thread; quick.

        All that it does from now on may have to wait for the GIL, and is no part of this.
        """
        return Usage(now, time.thread_time_ns(), 0, _switches(), time.process_time_ns())

    def beat(self, woke: Usage) -> None:
        """Note when the sampler woke, and what it had used then."""
        self.moment, self.due = woke.moment, 0
        if self.usage is not None:
            self.usage = woke._replace(delay=self.usage.delay)

    def sleep(self, until: int) -> None:
        """Note that the sampler is about to sleep."""
        self.due = until

    def missed(self, now: int) -> int:
        """Return for how long the process was stopped, if it was until a moment ago.

        Not in the sampler's thread, which may just be slow.
        """
        since, due, before = self.moment, self.due, self.usage
        late = now - since - _LONGEST_PAUSE
        if not since or before is None or late <= 0:
            return 0
        after = read_usage(self.native)
        if after is None or since is not self.moment:
            return 0
        stopped = stopped_time(late, before, after)
        awake = since + _LONGEST_PAUSE - due if due else 0  # from when on it did not run
        return stopped + max(awake, 0) if stopped else 0


_LONGEST_PAUSE: Final = 150_000_000
"""Nanoseconds: the sampler hardly ever needs longer for a sleep and a sample."""


def stopped_time(late: int, before: Usage, after: Usage) -> int:
    """Return for how long the process was stopped while a thread could not run.

    Args:
        late: for how long it could not run, up to the end.
        before: what it had used a little before that.
        after: what it had used at the end.

    Returns:
        Nanoseconds; 0 if the process was not stopped, or only for a short time, or if that is not
        known. Nothing computes in a process that is stopped.
    """
    if looks_like_gil(late, after.switches - before.switches) is not False:
        return 0
    stopped = late - (after.delay - before.delay)
    could_run = max(after.moment - before.moment - late, 0)
    computed = after.process - before.process - 2 * could_run  # perhaps on two processors
    is_still = computed <= late // _LEAST_COMPUTED
    return stopped if is_still and stopped >= _LEAST_STOP else 0


_LEAST_COMPUTED: Final = 20
_LEAST_STOP: Final = 100_000_000
"""Nanoseconds: on a busy machine, a shorter time may be anything."""


def _switches() -> int:
    """Return how often this thread gave the processor back."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw if resource else 0


def looks_like_gil(waited: int, switches: int) -> bool | None:
    """Whether a thread has waited for the GIL, by how often it gave the processor back.

    A thread that waits for the GIL wakes once in a switch interval to ask for it. One that waits
    for anything else, or is stopped, does not wake.

    Returns:
        ``None`` if the wait was too short to tell.
    """
    interval = max(round(sys.getswitchinterval() * 1e9), _SLOWEST_SWITCHES)
    expected = waited // interval
    return (
        None
        if expected < _LEAST_SWITCHES
        else switches >= max(expected // _SELDOM, _LEAST_SWITCHES)
    )


def divided(
    took: int, known: Mapping[str, int], before: Usage, after: Usage, *, is_whole: bool
) -> Blocks:
    """Return what a step was that took so long.

    Args:
        took: nanoseconds.
        known: what is known of it, by the attributes of `Blocks`.
        before: what its thread had used when it had begun, or a little before.
        after: what it had used at the end.
        is_whole: whether all of the step lies between; else, the end of it.
    """
    left = max(took - sum(known.values()), 0)
    scale = 1.0 if is_whole else took / max(after.moment - before.moment, 1)
    computed = max(after.cpu - before.cpu - known.get("collecting", 0) / scale, 0)
    computing = min(round(computed * scale), left)
    starved = min(round((after.delay - before.delay) * scale), left - computing)
    waited = left - computing - starved
    others = (after.process - before.process - after.cpu + before.cpu) * scale
    contended = 2 * others > waited and looks_like_gil(
        round(waited / scale), after.switches - before.switches
    )
    kinds = dict(known)
    for name, time_of_it in (
        ("computing", computing),
        ("starved", starved),
        ("gil" if contended else "calling", waited),
    ):
        kinds[name] = kinds.get(name, 0) + time_of_it
    return Blocks(1, took, took, **kinds)
