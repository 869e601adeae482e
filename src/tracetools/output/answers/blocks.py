"""What blocks the loop: the lines of steps that took longer than the blocking threshold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import HOLDS_THE_GIL, KINDS, Blocks, StackPath
from tracetools.output.answers.data import MOST_PATHS, Answer, Group
from tracetools.output.answers.gathering import Gathering, ordered, part_of
from tracetools.output.answers.places import Place, in_import
from tracetools.output.answers.words import at_line, for_whom, times
from tracetools.output.lints import LAST_FRAMES, amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracetools.core.profile import Profile
    from tracetools.output.answers.gathering import Gathered
    from tracetools.output.answers.places import Places

__all__ = ["blocks_of"]

_UNCLEAR: Final = "unclear"
_STABLE: Final = {
    "computing": "computing",
    "calling": "blocking-call",
    "gil": "gil-held",
    "collecting": "garbage-collection",
    "stopped": "stopped",
    "starved": "starved",
}
"""What `Answer.kind` is, by the attributes of `Blocks`."""

_INNOCENT: Final = ("gil", "collecting", "stopped", "starved")
_IN_WORDS: Final = {"starved": f"{KINDS['starved']}: other programs had the processors"}
"""What is said of a kind, where its own words do not say what it is."""

_LEAST_PART: Final = 20
"""What is no line's doing is said if it took at least this fraction (1/20) of the time. Shorter
times without a processor are usual where other programs run."""


def blocks_of(profile: Profile, places: Places, text_of_line: Callable[[str, int], str]) -> Group:
    """Return what blocks the loop.

    Steps that imported are start-up, and quiet. Those that something else delayed come last, summed
    up by what that was, without a line; but a thread that held the GIL has one.
    """
    lines, imports = Gathering(), Gathering()
    innocent: dict[StackPath, Blocks] = {}
    for path, blocks in profile.blocking.items():
        if not blocks.count or not path:
            continue
        if in_import(path):
            _add(imports.of("imports", Place(None, 0, "imports", 0)), path, blocks, places)
        elif blocks.is_innocent(profile.blocking_threshold):
            innocent[path] = blocks
        else:
            _add(_line(lines, path, places), path, blocks, places)
    whole = profile.duration
    told = lines.answers(whole, lambda sums, answer: _told(sums, answer, text_of_line))
    answers = tuple(ordered([*told, *_nobodys(profile, innocent)]))
    return Group(
        "blocks",
        "What blocks the loop",
        whole,
        "that loops ran",
        (*told, *ordered(_nobodys(profile, innocent))),
        tuple(imports.answers(whole, lambda _, answer: _told_of_imports(answer))),
        _note(profile, found=bool(answers)),
    )


def _line(lines: Gathering, path: StackPath, places: Places) -> Gathered:
    place = places.line(path) if path[-1].name in LAST_FRAMES else places.own(path)
    if place is None:
        last = path[-1]
        function = path[-2].name if last.name in LAST_FRAMES and path[2:] else last.name
        place = Place(last.file or None, last.line, function, len(path), is_own=False)
    return lines.of(_UNCLEAR, place)


def _add(sums: Gathered, path: StackPath, blocks: Blocks, places: Places) -> None:
    depth = min(sums.place.depth, len(path))
    sums.add(path, blocks.total, places.for_whom(path, depth))
    sums.count += blocks.count
    sums.max = max(sums.max, blocks.max)
    for name in KINDS:
        sums.by_what[name] += getattr(blocks, name)
    if packages := places.packages_below(path, depth):
        frame = next(f for f in path[depth:] if f.name not in LAST_FRAMES)
        sums.by_what[f"{frame.name} of {packages[0]}"] += blocks.total


def _told(sums: Gathered, answer: Answer, text_of_line: Callable[[str, int], str]) -> Answer:
    """Return an answer with what the line does, and the sentence."""
    most = max(KINDS, key=lambda name: sums.by_what[name])
    is_clear = 2 * sums.by_what[most] > sums.total
    what = text_of_line(answer.file, answer.line) if _has_line(sums) and answer.file else ""
    called = [name for name in sums.by_what if name not in KINDS]
    if not what and called:
        what = max(called, key=lambda name: (sums.by_what[name], name))
    how = f": {KINDS[most]}" if is_clear else ""
    does = f", {what}" if how and what else f": {what}" if what else ""
    sentence = f"{at_line(answer)} blocked the loop {times(answer.count, answer.total, answer.max)}"
    kind = _STABLE[most] if is_clear else _UNCLEAR
    whom = for_whom(answer.for_whom)
    return replace(answer, kind=kind, what=what, sentence=f"{sentence}{whom}{how}{does}.")


def _has_line(sums: Gathered) -> bool:
    """Whether the line is the one that blocked, not that of a function's definition."""
    return all(
        path[-1].name in LAST_FRAMES and (path[-1].file, path[-1].line) == sums.place[:2]
        for path, _ in sums.heavy
    )


def _told_of_imports(answer: Answer) -> Answer:
    often = times(answer.count, answer.total, answer.max)
    return replace(answer, sentence=f"Imports blocked the loop {often}: start-up.")


# -- what is no line's doing -----------------------------------------------------------------------


def _nobodys(profile: Profile, innocent: Mapping[StackPath, Blocks]) -> Iterator[Answer]:
    """Yield an answer for each reason why no step could go on."""
    for name in _INNOCENT:
        words = KINDS[name]
        stalls = {path: each for path, each in profile.stalls.items() if _reason(path) == words}
        struck = {path: each for path, each in innocent.items() if each.kind == words}
        found = stalls or struck
        total = sum(each.total if stalls else getattr(each, name) for each in found.values())
        if total and (_LEAST_PART * total >= profile.duration or name == "gil"):
            yield from _stalls(name, found, profile, total)


def _reason(path: StackPath) -> str:
    return path[0].name if path else ""


def _stalls(
    name: str, found: Mapping[StackPath, Blocks], profile: Profile, total: int
) -> Iterator[Answer]:
    ends = [path[-1] for path in found if path[-1].name == HOLDS_THE_GIL and path[-1].file]
    end = ends[0] if len(ends) == len(found) == 1 else None
    count = sum(each.count for each in found.values())
    most = max(each.max for each in found.values())
    where = f": {_thread(next(iter(found)))}" if end else ""
    yield Answer(
        _STABLE[name],
        end.file if end else None,
        end.line if end else 0,
        _thread(next(iter(found))) if end else "",
        _IN_WORDS.get(name, KINDS[name]),
        total=total,
        max=most,
        count=count,
        share=part_of(total, profile.duration),
        paths=tuple(_heaviest(found))[:MOST_PATHS],
        sentence=f"No line of the loop is to blame: {KINDS[name]} {times(count, total, most)}"
        f"{where}{f' ({end.location})' if end else ''}.",
        is_own=False,
    )


def _thread(path: StackPath) -> str:
    """Return the function of a thread that held the GIL."""
    names = [frame.name for frame in path[1:] if frame.name not in LAST_FRAMES]
    return names[-1] if names else ""


def _heaviest(found: Mapping[StackPath, Blocks]) -> Iterable[StackPath]:
    return sorted(found, key=lambda path: (-found[path].total, [frame.label for frame in path]))


def _note(profile: Profile, *, found: bool) -> str:
    threshold = profile.blocking_threshold
    if threshold is None:
        return "Blocking steps were not counted: record with --blocking."
    if not found:
        return f"No step took more than {amount(threshold)}."
    return f"Steps of more than {amount(threshold)} each."
