"""What is waited for: the lines of the program that await, and what they await."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.output.answers.data import Answer, Group
from tracetools.output.answers.gathering import Gathering
from tracetools.output.answers.places import NOWHERE, Place
from tracetools.output.answers.wait_kinds import LIMITED, TASK
from tracetools.output.answers.words import at_line, for_whom
from tracetools.output.frame_kinds import package_of
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath, Tokens
    from tracetools.output.answers.gathering import Gathered
    from tracetools.output.answers.places import Places

__all__ = ["waits_of"]

_WORTH_A_NOTE: Final = 10**8
"""From how many nanoseconds of waiting on it is said that awaits are missing."""

_OTHER: Final = "other"
_UNKNOWN: Final = "something unknown"


def waits_of(profile: Profile, places: Places) -> Group:
    """Return what the program's tasks wait for, by line.

    The wait for a task is left out where that task is the program's own, since what that one waits
    for is here.
    """
    lines, others = Gathering(_OTHER, places.nodes), Gathering(nodes=places.nodes)
    limiters = {places.number(path): tokens for path, tokens in profile.limiters.items()}
    for number, idle in enumerate(places.nodes.idle):
        if not idle or places.depths[number] <= 1 or places.tops[number].is_loop:
            continue
        last = places.last[number]
        if last.wait == TASK and last.frame.file and not last.is_of_others:
            continue
        found = None if places.imports[number] else _line(lines, number, places)
        if found is None:
            is_server = places.tops[number].is_server or last.is_server
            kind = "servers" if is_server else "libraries"
            others.of(kind, Place(None, 0, kind, 0)).add(number, idle)
        else:
            sums, stack = found
            sums.add(number, idle, places.whom(stack))
            _note_tokens(sums, limiters.get(number))
    whole = lines.total
    return Group(
        "waits",
        "What is waited for",
        whole,
        "that the program's own code waited",
        tuple(lines.answers(whole, _told)),
        tuple(others.answers(whole + others.total, _told_of_others)),
        _note(places, whole),
    )


def _line(lines: Gathering, number: int, places: Places) -> tuple[Gathered, int] | None:
    """Return the sums of the line that waits, and the stack of who waits there.

    Nothing is returned if that is no answer.
    """
    last, own = places.last[number], places.owns[number]
    if last.is_cut or (last.wait and last.is_server):
        return None
    around = places.parents[number] if own == number else own
    if not last.wait:
        return None if own == NOWHERE else (lines.of_frame(own, places), around)
    path = places.nodes.path(number)
    place = places.line(path)
    if place is None:
        return None
    if place.depth == len(path):
        around = places.parents[number]
    return lines.of(last.wait, place, _what(path, place, places)), around


def _note_tokens(sums: Gathered, tokens: Tokens | None) -> None:
    if tokens is not None:
        sums.kind = LIMITED
        sums.by_what["tokens"] = max(sums.by_what["tokens"], tokens.tokens)
        sums.by_what["wanted"] = max(sums.by_what["wanted"], tokens.wanted)


def _what(path: StackPath, place: Place, places: Places) -> str:
    """Return what is awaited; and if a library awaits it, what the program called."""
    last = places.traits[path[-1]]
    what = last.awaited
    if place.depth == len(path) or last.wait == "thread":
        return _UNKNOWN if what == "?" else what
    called = path[place.depth]
    if places.traits[path[place.depth - 1]].is_span or called == last.frame:
        return f"{what} in {package_of(last.frame.file or '')}"
    return f"{called.name} of {package_of(called.file or '')}: {what}"


def _told(sums: Gathered, answer: Answer) -> Answer:
    what = f" for {answer.what}" if answer.what else ""
    wanted, tokens = sums.by_what.get("wanted", 0), sums.by_what.get("tokens", 0)
    limit = f", of which {wanted:,} tasks wanted {tokens:,} at one time" if wanted else ""
    sentence = f"{at_line(answer)} waited {amount(answer.total)} in all{what}"
    return replace(answer, count=wanted, sentence=f"{sentence}{for_whom(answer.for_whom)}{limit}.")


_OF_OTHERS: Final = {
    "servers": "Servers waited {} in all for requests, timeouts and their end.",
    "libraries": "Tasks of libraries waited {} in all.",
}


def _told_of_others(_: Gathered, answer: Answer) -> Answer:
    return replace(answer, sentence=_OF_OTHERS[answer.kind].format(amount(answer.total)))


def _note(places: Places, whole: int) -> str:
    """Return that awaits are missing, if they are; none are shown of short waits."""
    if whole < _WORTH_A_NOTE:
        return ""
    stacks = zip(places.nodes.idle, places.last, strict=False)  # others have no times
    is_known = any(idle and last.wait for idle, last in stacks)
    return "" if is_known else "Awaits were not recorded, so this is by tasks and spans."
