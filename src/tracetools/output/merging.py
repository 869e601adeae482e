"""What several files hold together, added up one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.core.errors import NoStacksError, StackFileError
from tracetools.core.profile import Profile
from tracetools.output.formats.content import (
    NANOSECONDS,
    PER_NANOSECOND,
    SAMPLES,
    Content,
    no_time,
    of_lens,
    scaled,
)
from tracetools.output.formats.folded import Folded, pack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.core.profile import Lens

__all__ = ["Merger", "stacks_of"]


def stacks_of(content: Content, lens: Lens, source: str) -> Folded:
    """Return the stacks of a file, those of a profile by one lens and in nanoseconds.

    Raises:
        NoStacksError: a profile has no time in that lens.
    """
    if not isinstance(content.content, Profile):
        return content.content
    sums: dict[bytes, int] = {}
    for path, time in of_lens(content.content, lens, "name").items():
        packed = pack(tuple(frame.label for frame in path))
        sums[packed] = sums.get(packed, 0) + time
    if not sums:
        raise NoStacksError(f"{source}: {no_time(lens)}")
    return Folded([*sums.items()], None, bad=0, first_bad=None, vanished=0)


class Merger:
    """Adds up what files hold. Only the sum is kept, so memory grows with it alone.

    Profiles make one profile. As soon as there is anything else, all become stacks, profiles by
    their busy time or another lens. Times are added in nanoseconds. A file that does not say what
    its counts are is taken for samples.

    Args:
        lens: which time of profiles is taken, if they become stacks.

    Attributes:
        lens: which time of profiles is taken.
        notes: what whoever gets the sum should know, in sentences.
    """

    def __init__(self, lens: Lens = "busy") -> None:
        self.notes: list[str] = []
        self.lens: Lens = lens
        self._profile: Profile | None = None
        self._sums: dict[bytes, int] | None = None
        self._unit = ""
        self._first = ""

    def add(self, content: Content, source: str) -> None:
        """Add the content of a file. `source` names it.

        Raises:
            StackFileError: its unit is not that of the files before, or it is a difference.
            NoStacksError: it is a profile without any time in the lens.
        """
        if isinstance(content.content, Profile) and self._sums is None:
            known = self._profile
            self._profile = content.content if known is None else known.merge(content.content)
            self._first = self._first or source
            return
        if self._profile is not None:
            profile, self._profile = self._profile, None
            self._add_stacks(Content(profile, NANOSECONDS, ""), self._first)
            self.notes.append(
                f"{source} is no profile, so all become stacks; profiles by {self.lens} time"
            )
        self._add_stacks(content, source)

    def _add_stacks(self, content: Content, source: str) -> None:
        folded = stacks_of(content, self.lens, source)
        if folded.packed_before is not None:
            raise StackFileError(f"{source}: a difference, with two counts a line, adds to nothing")
        unit = NANOSECONDS if content.unit in PER_NANOSECOND else content.unit or SAMPLES
        if self._sums is None:
            self._sums, self._unit, self._first = {}, unit, source
        if unit != self._unit:
            raise StackFileError(
                f"{source} has {unit} and {self._first} has {self._unit}, which do not add up"
            )
        self._count(scaled(folded.packed, content.unit, unit))

    def _count(self, counts: Iterable[tuple[bytes, int]]) -> None:
        sums = self._sums if self._sums is not None else {}
        for packed, count in counts:
            sums[packed] = sums.get(packed, 0) + count

    def result(self) -> Content:
        """Return the sum of all files, at least one."""
        if self._sums is None:
            return Content(self._profile or Profile(), NANOSECONDS, "a profile")
        folded = Folded([*self._sums.items()], None, bad=0, first_bad=None, vanished=0)
        return Content(folded, self._unit, "stacks")
