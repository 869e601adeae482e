"""What computes: busy time by functions of the program, with the libraries that they call."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.core.stacks import KINDS
from tracetools.output.answers.data import Answer, Group
from tracetools.output.answers.gathering import Gathering, heaviest
from tracetools.output.answers.places import NOWHERE, Place, in_import
from tracetools.output.answers.words import at_line, for_whom, listed, percent
from tracetools.output.lints import LAST_FRAMES, amount

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.output.answers.gathering import Gathered
    from tracetools.output.answers.places import Places

__all__ = ["computes_of"]

_ITSELF: Final = "itself"
_COLLECTING: Final = "collections of garbage"
_LEAST_PART: Final = 10
_MOST_PACKAGES: Final = 2


def computes_of(profile: Profile, places: Places) -> Group:
    """Return what keeps the loop busy, by function; without samples, by task or span.

    What functions waited in calls that blocked the loop is not counted: it is told there.
    """
    has_functions = profile.samples > 0
    lines = Gathering("function" if has_functions else "stack", places.nodes)
    others = Gathering(nodes=places.nodes)
    calling = _calling(profile, places)
    lines.add_all(places.nodes.busy, places.whoms_of_places, places)
    busy, libraries = places.nodes.busy, places.libraries
    for sums in lines:
        by_what = sums.by_what
        for number in sums.numbers:
            by_what[libraries[number] or _ITSELF] += busy[number]
    _add_others(lines, others, places, has_functions=has_functions)
    lines.subtract(calling)
    return Group(
        "computes",
        "What computes",
        profile.duration,
        "that loops ran",
        tuple(lines.answers(profile.duration, _told)),
        tuple(others.answers(profile.duration, _told_of_others)),
        ""
        if has_functions
        else "Functions were not recorded, so this is by tasks and spans: record with --functions.",
    )


def _add_others(
    lines: Gathering, others: Gathering, places: Places, *, has_functions: bool
) -> None:
    """Add the busy time of stacks that are not `Places.in_functions`, but of tasks or callbacks."""
    imports = others.of("imports", Place(None, 0, "imports", 0))
    libraries = others.of("libraries", Place(None, 0, "libraries", 0))
    nodes = places.nodes
    for number in places.elsewhere:
        time, top = nodes.busy[number], places.tops[number]
        if not time or (nodes.are_of_loop[number] and not top.is_callback):
            continue
        if places.imports[number]:
            imports.add(number, time)
            continue
        place = places.owns[number]
        if place == NOWHERE and not has_functions and not top.is_backend:
            place = places.entered[number]
        if place == NOWHERE:
            libraries.add(number, time)
            libraries.by_what[places.innermost_package(number)] += time
        else:
            sums = lines.of_frame(place, places)
            sums.add(number, time, places.whoms[place])
            sums.by_what[_by_what(number, place, places)] += time


def _calling(profile: Profile, places: Places) -> dict[tuple[str | None, str], int]:
    """Return for how long functions waited in calls that blocked the loop, and did not compute."""
    found: dict[tuple[str | None, str], int] = defaultdict(int)
    for path, blocks in profile.blocking.items():
        place = places.own(path[:-1] if path[-1:] and path[-1].name in LAST_FRAMES else path)
        if place is not None and blocks.kind == KINDS["calling"] and not in_import(path):
            found[place.file, place.function] += blocks.calling
    return found


def _by_what(number: int, place: int, places: Places) -> str:
    """Return in what the time of a stack was spent, below its place."""
    if places.last[number].is_collection:
        return _COLLECTING
    if place == places.owns[number]:
        return places.libraries[number] or _ITSELF
    packages = places.packages_below(places.nodes.path(number), places.depths[place])
    return packages[0] if packages else _ITSELF


def _told(sums: Gathered, answer: Answer) -> Answer:
    by_what = sums.by_what
    heavy = [name for name in heaviest(by_what) if _LEAST_PART * by_what[name] >= sums.total]
    is_itself = heavy[:1] == [_ITSELF] or not heavy
    what = "" if is_itself else f"in {listed(heavy, _MOST_PACKAGES)}"
    does = f" ({what})" if what else ""
    sentence = (
        f"{at_line(answer)} was busy for {amount(answer.total)}, {percent(answer.share)} of the"
        f" time that loops ran{for_whom(answer.for_whom)}{does}."
    )
    return replace(answer, what=what, sentence=sentence)


def _told_of_others(sums: Gathered, answer: Answer) -> Answer:
    if answer.kind == "imports":
        words = f"Imports took {amount(answer.total)}: start-up."
    else:
        names = [name for name in heaviest(sums.by_what) if name]
        named = f" ({listed(names)})" if names else ""
        words = f"Libraries were busy for {amount(answer.total)} outside of own code{named}."
    return replace(answer, sentence=words)
