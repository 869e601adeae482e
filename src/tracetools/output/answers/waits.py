"""What is waited for: the lines of the program that await, and what they await."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from tracetools.output.answers.data import Answer, Group
from tracetools.output.answers.gathering import Gathering
from tracetools.output.answers.places import NOWHERE, Place
from tracetools.output.answers.wait_kinds import LIMITED, TASK
from tracetools.output.answers.words import at_line, for_whom
from tracetools.output.frame_kinds import package_of
from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    around = zip(count(), places.owns, places.parents)
    whom_of = [places.whoms[parent if own == number else own] for number, own, parent in around]
    lines.add_all(places.nodes.idle, whom_of, places)
    _add_others(lines, others, whom_of, places)
    for sums in lines if limiters else ():
        for number in (*sums.numbers, *(number for number, _ in sums.heavy)):
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


def _add_others(
    lines: Gathering, others: Gathering, whom_of: Sequence[str], places: Places
) -> None:
    """Add the idle time of stacks of tasks that are not `Places.in_functions`."""
    servers, libraries = (
        others.of(kind, Place(None, 0, kind, 0)) for kind in ("servers", "libraries")
    )
    nodes = places.nodes
    for number in places.elsewhere:
        time, last, own = nodes.idle[number], places.last[number], places.owns[number]
        if not time or nodes.are_of_loop[number]:
            continue
        if last.wait == TASK and last.frame.file and not last.is_of_others:
            continue
        found = None
        if not places.imports[number] and not last.is_cut:
            if last.wait and not last.is_server:
                found = _line(lines, number, places)
            elif not last.wait and own != NOWHERE:
                found = lines.of_frame(own, places), whom_of[number]
        if found is not None:
            sums, whom = found
            sums.add(number, time, whom)
        elif last.is_server or places.tops[number].is_server:
            servers.add(number, time)
        else:
            libraries.add(number, time)


def _line(lines: Gathering, number: int, places: Places) -> tuple[Gathered, str] | None:
    """Return the sums of the line with an await, and for whom it waits there.

    Nothing is returned if what runs there is not the program's.
    """
    path = places.nodes.path(number)
    place = places.line(path)
    if place is None:
        return None
    own = places.owns[number]
    around = places.parents[number] if own == number or place.depth == len(path) else own
    sums = lines.of(places.last[number].wait, place, _what(path, place, places))
    return sums, places.whoms[around]


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
