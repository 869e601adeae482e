"""The types of answers. They are plain values; all time is in nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import StackPath

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MOST_PATHS", "NOTHING", "Answer", "Answers", "Group"]

MOST_PATHS: Final = 5
"""How many stacks an answer has at most."""


@dataclass(frozen=True)
class Answer:
    """One line of the program that blocks, waits, computes or comes late.

    Attributes:
        kind: a short word that stays the same from version to version. In `Answers.blocks`:
            ``blocking-call``, ``computing``, ``unclear``, or ``gil-held``, ``starved``, ``stopped``
            and ``garbage-collection``, of which no line is to blame. In `Answers.waits`:
            ``limited`` (a lock, a semaphore, a limiter, a pool), ``queue``, ``event``, ``thread``,
            ``task``, ``io``, ``sleep`` and ``other``. In `Answers.computes`: ``function``, or
            ``stack`` where functions were not recorded. In `Answers.late`: ``task`` or ``span``.
            Of quiet entries: ``imports``, ``libraries``, ``servers``.
        file: the file; None if no line can be named.
        line: the line that blocks or awaits; else that of the function's definition; 0 if unknown.
        function: the name of the function that the line is in.
        what: what the line does or waits for, in a few words, such as ``time.sleep(0.15)``,
            ``Semaphore``, ``in json``; may be empty.
        for_whom: the routes, spans or tasks that it was done for, those with the most time first.
        total: how long that took in all.
        max: how long it took at most, once; 0 if that is not known.
        count: how often; 0 if that is not known.
        share: the part of the whole of its group, from 0 to 1.
        paths: of the stacks that the entry sums up, the `MOST_PATHS` with the most time, that with
            the most first. They are among `Profile.stacks`, those of `Answers.blocks` among
            `Profile.blocking` or `Profile.stalls`.
        sentence: all of that in one sentence of ASCII, but for names.
        is_own: whether the line is the program's own.
    """

    kind: str
    file: str | None
    line: int
    function: str
    what: str = ""
    for_whom: tuple[str, ...] = ()
    total: int = 0
    max: int = 0
    count: int = 0
    share: float = 0.0
    paths: tuple[StackPath, ...] = ()
    sentence: str = ""
    is_own: bool = True

    @property
    def location(self) -> str:
        """``file:line``; the file alone where no line is known; empty without a file."""
        if not self.file:
            return ""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Group:
    """The answers to one question.

    Attributes:
        name: ``blocks``, ``waits``, ``computes`` or ``late``.
        heading: the question, in a few words.
        whole: what all shares are parts of, in nanoseconds.
        of_what: what that whole is; goes on after its amount: ``5.2 s that loops ran``.
        answers: the entries, heaviest first.
        quiet: what is no answer, summed up: servers that wait for requests, libraries, imports.
        note: what a reader has to know, such as what was not recorded; may be empty.
    """

    name: str
    heading: str
    whole: int = 0
    of_what: str = ""
    answers: tuple[Answer, ...] = ()
    quiet: tuple[Answer, ...] = ()
    note: str = ""


class Answers(NamedTuple):
    """All four groups, in the order in which they are shown."""

    blocks: Group
    waits: Group
    computes: Group
    late: Group

    @property
    def groups(self) -> Iterator[Group]:
        """The groups that have anything to say."""
        return (group for group in self if group.answers or group.quiet or group.note)


NOTHING: Final = Answers(
    Group("blocks", "What blocks the loop"),
    Group("waits", "What is waited for"),
    Group("computes", "What computes"),
    Group("late", "What came late"),
)
"""The answers of an empty profile."""
