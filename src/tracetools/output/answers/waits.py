"""What is waited for: the lines of the program that await, and what they await."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import DEEPER, OTHER, is_of_loop
from tracetools.output.answers.data import Answer, Group
from tracetools.output.answers.gathering import Gathering
from tracetools.output.answers.places import Place, is_of_server
from tracetools.output.answers.wait_kinds import LIMITED, TASK, awaited, kind_of_wait
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

_PART: Final = 10
"""Waits that something limits come first if they have at least this fraction (1/10) of the time of
the heaviest."""

_WORTH_A_NOTE: Final = 10**8
"""From how many nanoseconds of waiting on it is said that awaits are missing."""

_OTHER: Final = "other"
_UNKNOWN: Final = "something unknown"


def waits_of(profile: Profile, places: Places) -> Group:
    """Return what the program's tasks wait for, by line.

    The program can do most about waits that it limits itself, by locks, pools and the like: they
    come first, unless they are small. The wait for a task is left out where that task is the
    program's own, since what that one waits for is here.
    """
    lines, others = Gathering(), Gathering()
    for number, times in enumerate(places.nodes.times):
        path = places.nodes.paths[number]
        if not times.idle or is_of_loop(path) or _waits_for_own_task(path, places):
            continue
        place = None if places.imports[number] else _place(path, places)
        if place is None:
            kind = "servers" if any(map(is_of_server, (path[1], path[-1]))) else "libraries"
            others.of(kind, Place(None, 0, kind, 0)).add(path, times.idle)
        else:
            sums = _sums(lines, path, place, places)
            sums.add(path, times.idle, places.for_whom(path, min(place.depth, len(path) - 1)))
            _note_tokens(sums, profile.limiters.get(path))
    whole = lines.total
    return Group(
        "waits",
        "What is waited for",
        whole,
        "that the program's own code waited",
        tuple(_limited_first(lines.answers(whole, _told))),
        tuple(others.answers(whole + others.total, _told_of_others)),
        _note(profile, whole),
    )


def _waits_for_own_task(path: StackPath, places: Places) -> bool:
    last = path[-1]
    is_task = _is_await(path) and kind_of_wait(awaited(last.name)) == TASK
    return is_task and bool(last.file) and not places.is_of_others(last)


def _is_await(path: StackPath) -> bool:
    return awaited(path[-1].name) != path[-1].name


def _place(path: StackPath, places: Places) -> Place | None:
    """Return the line that waits; None if that is no answer."""
    last = path[-1]
    if last in (OTHER, DEEPER):
        return None
    if not _is_await(path):
        return places.own(path)
    return None if is_of_server(last) else places.line(path)


def _sums(lines: Gathering, path: StackPath, place: Place, places: Places) -> Gathered:
    if not _is_await(path):
        return lines.of(_OTHER, place)
    return lines.of(kind_of_wait(awaited(path[-1].name)), place, _what(path, place, places))


def _note_tokens(sums: Gathered, tokens: Tokens | None) -> None:
    if tokens is not None:
        sums.kind = LIMITED
        sums.by_what["tokens"] = max(sums.by_what["tokens"], tokens.tokens)
        sums.by_what["wanted"] = max(sums.by_what["wanted"], tokens.wanted)


def _what(path: StackPath, place: Place, places: Places) -> str:
    """Return what is awaited; and if a library awaits it, what the program called."""
    last = path[-1]
    what = awaited(last.name)
    if place.depth == len(path) or kind_of_wait(what) == "thread":
        return _UNKNOWN if what == "?" else what
    called = path[place.depth]
    if places.kind_of(path[place.depth - 1]) == "span" or called == last:
        return f"{what} in {package_of(last.file or '')}"
    return f"{called.name} of {package_of(called.file or '')}: {what}"


def _limited_first(answers: Sequence[Answer]) -> Sequence[Answer]:
    most = max((answer.total for answer in answers), default=0)
    limited = [a for a in answers if a.kind == LIMITED and _PART * a.total >= most]
    return [*limited, *(answer for answer in answers if answer not in limited)]


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


def _note(profile: Profile, whole: int) -> str:
    """Return that awaits are missing, if they are; none are shown of short waits."""
    idle = [path for path, times in profile.stacks.items() if times.idle and path]
    if whole < _WORTH_A_NOTE or any(map(_is_await, idle)):
        return ""
    return "Awaits were not recorded, so this is by tasks and spans."
