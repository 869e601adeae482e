"""Makes the profile of each minute out of snapshots, and writes it into the folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracetools.core.errors import StackFileError
from tracetools.core.slow_spans import merged_slow
from tracetools.fleet.batch import Batch
from tracetools.guest.pace import Pace, paced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tracetools.core.profile import Profile
    from tracetools.core.slow_spans import SlowSpans
    from tracetools.core.stacks import StackPath
    from tracetools.fleet.batch import Source
    from tracetools.fleet.folder import Folder, MinuteFile
    from tracetools.minutes.periods import Period

__all__ = ["MinuteWriter"]


class MinuteWriter:
    """Writes what was recorded in each period: the difference of two snapshots.

    What cannot be written is part of the next period. Not for several threads at once.

    Args:
        folder: where profiles go.
        source: who records.
        snapshot: returns all that was recorded up to now.
        take_slow: returns the slow spans that were kept since the last call.

    Attributes:
        written: how many files were written.
    """

    def __init__(
        self,
        folder: Folder,
        source: Source,
        snapshot: Callable[[], Profile],
        take_slow: Callable[[], Mapping[StackPath, SlowSpans]] = dict,
    ) -> None:
        self._folder = folder
        self._source = source
        self._snapshot = snapshot
        self._take_slow = take_slow
        self._earlier: Profile | None = None
        self._slow: Mapping[StackPath, SlowSpans] = {}
        self._rest: list[Profile] = []
        self._start: int | None = None
        self.written = 0

    def write(self, period: Period) -> MinuteFile | None:
        """Write what was recorded since the last time; ``None`` if nothing was.

        Raises:
            StackFileError: it cannot be written.
            ValueError: what was recorded makes no sense beside the last snapshot.
        """
        with Pace():
            later = self._taken()
            try:
                passed = self._passed(later, period.start)
            except ValueError:  # it fits no earlier one: this period is lost, and no later one
                self._went_well(later)
                raise
            for rest in self._rest:
                passed = passed.merge(rest)
            start = period.start if self._start is None else self._start
            if not _has_anything(passed):
                self._went_well(later)
                return None
            batch = Batch(self._source, start, period.end, replace(passed, merged=1, start=start))
            try:
                file = self._folder.write(batch)
            except StackFileError:
                self._start = start
                raise
            self._went_well(later)
            self.written += 1
            return file

    def begin_anew(
        self,
        last: Profile,
        snapshot: Callable[[], Profile],
        take_slow: Callable[[], Mapping[StackPath, SlowSpans]] = dict,
    ) -> None:
        """Go on with another recording.

        Args:
            last: all that the one until now has recorded.
            snapshot: returns all that the new one has recorded up to now.
            take_slow: the same for slow spans.
        """
        try:
            with Pace():
                self._rest.append(self._passed(replace(last, slow=self._all_slow()), last.start))
        finally:
            self._earlier, self._slow = None, {}
            self._snapshot, self._take_slow = snapshot, take_slow

    def _taken(self) -> Profile:
        """Return a snapshot, with the slow spans of this period alone."""
        slow = self._all_slow()
        later = replace(self._snapshot(), slow=slow)
        len(later.stacks)  # they are made now
        return later

    def _all_slow(self) -> Mapping[StackPath, SlowSpans]:
        self._slow = merged_slow([self._slow, self._take_slow()])
        return self._slow

    def _passed(self, later: Profile, start: int) -> Profile:
        if self._earlier is None:
            return replace(later, start=start)
        return later.since(self._earlier, start=start, paced=paced)

    def _went_well(self, later: Profile) -> None:
        self._earlier, self._slow, self._rest, self._start = replace(later, slow={}), {}, [], None


def _has_anything(profile: Profile) -> bool:
    return bool(profile.duration or profile.task_time or profile.runs or profile.thread_time)
