"""Samples the callbacks of loops whose callbacks cannot be measured, as uvloop's."""

from __future__ import annotations

from inspect import CO_COROUTINE
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakKeyDictionary

from tracetools.attribution.functions import owner_of, qualified_name
from tracetools.core.labels import code_frame, stable_name
from tracetools.core.stacks import BLOCKS_THE_LOOP, Blocks, Frame
from tracetools.sampling.unwind import line_at_fault, unwind_between_steps

if TYPE_CHECKING:
    from types import CodeType

    from tracetools.core.stacks import Stack
    from tracetools.recording.loops import Location, RecordedLoop
    from tracetools.sampling.blocking_log import BlockingLog
    from tracetools.sampling.main_thread import Taken

__all__ = ["UnseenCallbacks"]

_HARDLY: Final = 20
"""A thread that computed for less than this part of some time has waited."""


class _Seen(NamedTuple):
    """What was seen of a loop between two steps.

    Attributes:
        links: the functions, innermost first, each with its line.
        began: the loop's; another one if a step has begun since.
        now: the moment.
        cpu: the CPU clock of the thread.
        first: when the same call was seen for the first time.
    """

    links: list[tuple[CodeType, int | None]]
    began: int
    now: int
    cpu: int
    first: int

    def is_call_of(self, before: _Seen) -> bool:
        """Whether it is the same call as before, which has waited since."""
        is_same = self.links == before.links and self.began is before.began
        computed = self.cpu - before.cpu  # negative if the loop runs in another thread since
        return is_same and 0 <= computed * _HARDLY < self.now - before.now

    def time_since(self, before: _Seen, *, waited: bool) -> int:
        """Return the time since then: that of the call, or the CPU time since the last step."""
        passed = max(self.now - max(before.now, self.began), 0)
        return passed if waited else max(min(self.cpu - before.cpu, passed), 0)


class UnseenCallbacks:
    """Samples the callbacks of loops between their steps.

    A callback that waits is the same call as in the sample before, for the thread has computed
    nothing since. Whether one that computes is the same call cannot be seen.
    """

    def __init__(self, log: BlockingLog) -> None:
        self._log = log
        self._seen: WeakKeyDictionary[RecordedLoop, _Seen] = WeakKeyDictionary()
        self._logged: Location | None = None

    def sample(self, loop: RecordedLoop, now: int) -> int | None:
        """Sample a loop; return how long a callback is known to have run, None if there is none."""
        unseen, before = loop.unseen, self._seen.pop(loop, None)
        sample = None if unseen is None else unwind_between_steps(loop)
        if unseen is None or sample is None:
            return None
        began, links = sample
        codes = _codes_of_callback([code for code, _ in links])
        seen = _Seen(links, began, now, unseen.cpu, now)
        if not codes:
            self._seen[loop] = seen._replace(links=[])
            return None
        callback = unseen.callback(_frame(codes[-1]))
        if before is not None:
            waited = seen.is_call_of(before)
            unseen.add(callback, seen.time_since(before, waited=waited), waited=waited)
            if waited:
                seen = seen._replace(first=before.first)
        self._seen[loop] = seen
        lasted = now - seen.first
        if lasted > loop.threshold:
            location = _location(callback, codes, links)
            unseen.blocks(location, seen.first, lasted)
            self._log.log(loop, seen.first, location, Blocks(1, lasted, lasted), goes_on=True)
        return lasted

    # -- what the native core has seen of the main thread ----------------------------------------

    def add(self, taken: Taken) -> None:
        """Add samples of a callback."""
        unseen, codes = taken.loop.unseen, _codes_of_callback(taken.sample.inwards)
        if unseen is not None and codes:
            callback = unseen.callback(_frame(codes[-1]))
            unseen.add(callback, taken.computed, waited=False)
            unseen.add(callback, taken.weight - taken.computed, waited=True)

    def count_blocked(self, taken: Taken) -> Location | None:
        """Count a callback that has waited for longer than the threshold; return where it is."""
        loop, links = taken.loop, taken.sample.links
        codes = _codes_of_callback(taken.sample.inwards)
        if loop.unseen is None or not codes:
            return None
        location = _location(loop.unseen.callback(_frame(codes[-1])), codes, links)
        loop.unseen.blocks(location, taken.sample.began, taken.weight)
        return location

    def log_blocked(self, taken: Taken, location: Location) -> None:
        """Log a callback that was counted."""
        if location != self._logged:  # else it was logged while it went on
            blocks = Blocks(1, taken.weight, taken.weight)
            self._log.log(taken.loop, taken.sample.began, location, blocks)
        self._logged = None

    def look(self, loop: RecordedLoop, since: int) -> None:
        """Log a callback that has waited since a moment, and still does; 0 for none.

        The GIL is free, so this holds nothing up. It is counted when it is over.
        """
        now, unseen = loop.clock(), loop.unseen
        sample = unwind_between_steps(loop) if since else None
        codes = [] if sample is None else _codes_of_callback([code for code, _ in sample[1]])
        if sample is None or unseen is None or not codes:
            return
        location = _location(unseen.callback(_frame(codes[-1])), codes, sample[1])
        self._logged = location
        self._log.log(loop, since, location, Blocks(1, now - since, now - since), goes_on=True)


def _codes_of_callback(codes: list[CodeType]) -> list[CodeType]:
    """Return the functions of the program, innermost first; none of a task that is not tracked."""
    found = [code for code in codes if owner_of(code.co_filename) == "program"]
    return [] if found and found[-1].co_flags & CO_COROUTINE else found


def _location(
    callback: Stack, codes: list[CodeType], links: list[tuple[CodeType, int | None]]
) -> Location:
    """Return where a callback is: its functions, then the line that blocks the loop."""
    line = Frame(BLOCKS_THE_LOOP, *(line_at_fault(links) or (None, 0)))
    return callback, (*(_frame(code) for code in reversed(codes[:-1])), line)


def _frame(code: CodeType) -> Frame:
    return code_frame(stable_name(qualified_name(code)), code)
