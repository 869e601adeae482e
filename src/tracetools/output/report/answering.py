"""The answers of a profile as a page shows them: a few words each, and the frame they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import BLOCKS_THE_LOOP, HOLDS_THE_GIL
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tracetools.core.profile import Lens, Profile
    from tracetools.core.stacks import StackPath
    from tracetools.output.answers.data import Answer, Answers, Group

MOST_SHOWN: Final = 4
"""How many entries of a group are in sight at once."""

MOST_LISTED: Final = 40
"""How many more a reader can open."""

LEAST_SHARE: Final = 0.005
"""What is a smaller part of the whole is not in sight at once, unless it is the heaviest."""

_LENSES: Final[dict[str, Lens]] = {
    "blocks": "busy",
    "waits": "idle",
    "computes": "busy",
    "late": "scheduled",
}
_NOTHING: Final = {
    "blocks": "Nothing blocked the loop.",
    "waits": "No task waited.",
    "computes": "Nothing computed.",
    "late": "Nothing came late.",
}
_show_time = amount_formatter("ns")


class Entry(NamedTuple):
    """One answer.

    Attributes:
        amount: how much time it is.
        share: the part of the whole, such as ``33 %``; empty if it is not known.
        function: the name of the function; empty if there is none.
        location: ``file:line``; empty if there is none.
        details: what it does or waits for, how often, at most how long.
        for_whom: routes, spans or tasks for which it was done.
        frame: the label of its frame in graphs; empty if there is none.
        sentence: all of that in one sentence.
    """

    amount: str
    share: str
    function: str
    location: str
    details: str
    for_whom: str
    frame: str
    sentence: str


class EntryGroup(NamedTuple):
    """The answers to one question.

    Attributes:
        heading: the question.
        parts: what all shares are parts of; empty if there are none.
        lens: the graph that shows them.
    """

    heading: str
    parts: str
    lens: Lens
    entries: tuple[Entry, ...]
    others: tuple[Entry, ...] = ()
    note: str = ""
    left_out: int = 0


def answer_groups(
    answers: Answers, profile: Profile, transform: Callable[[StackPath], StackPath]
) -> tuple[EntryGroup, ...]:
    """Return the answers of a profile in the order in which a page shows them.

    `transform` is what is made of stacks before they are drawn.
    """
    return tuple(_group(group, profile, transform) for group in answers)


def _group(
    group: Group, profile: Profile, transform: Callable[[StackPath], StackPath]
) -> EntryGroup:
    most = group.answers[:MOST_SHOWN]
    shown = [answer for answer in most if answer is most[0] or answer.share >= LEAST_SHARE]
    others = (*(answer for answer in group.answers if answer not in shown), *group.quiet)
    return EntryGroup(
        group.heading,
        f"parts of {_show_time(group.whole)} {group.of_what}" if shown and group.whole else "",
        _LENSES[group.name],
        tuple(_entry(answer, profile, transform) for answer in shown),
        tuple(_entry(answer, profile, transform) for answer in others[:MOST_LISTED]),
        group.note or ("" if shown or others else _NOTHING[group.name]),
        len(others[MOST_LISTED:]),
    )


def _entry(answer: Answer, profile: Profile, transform: Callable[[StackPath], StackPath]) -> Entry:
    return Entry(
        amount=_show_time(answer.total),
        share=_percent(answer.share) if answer.share else "",
        function=answer.function,
        location=answer.location,
        details=", ".join(_details(answer)),
        for_whom=", ".join(answer.for_whom[:3]),
        frame=_frame(answer.paths[:1], profile, transform),
        sentence=answer.sentence,
    )


def _details(answer: Answer) -> Iterator[str]:
    if answer.what:
        yield answer.what
    if answer.count > 1:
        yield f"{answer.count:,} times"
    if answer.max and answer.count != 1:
        yield f"at most {_show_time(answer.max)}"


def _percent(share: float) -> str:
    rounded = round(100 * share)
    return f"{rounded} %" if rounded else "< 1 %"


def _frame(
    paths: tuple[StackPath, ...], profile: Profile, transform: Callable[[StackPath], StackPath]
) -> str:
    """Return the label of the innermost frame of a path that graphs have."""
    for path in paths:
        until = len(path) - (path[-1].name in (BLOCKS_THE_LOOP, HOLDS_THE_GIL))
        depths = range(until, 1, -1)
        known = next((path[:depth] for depth in depths if path[:depth] in profile.stacks), ())
        if known and transform(known):
            return clean_label(transform(known)[-1].label)
    return ""
