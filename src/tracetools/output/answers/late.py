"""What came late: tasks that could step and had to wait until they did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tracetools.output.answers.data import Answer, Group
from tracetools.output.answers.gathering import Gathering, ordered, part_of
from tracetools.output.answers.places import NOWHERE, Place
from tracetools.output.answers.words import at_line, before_steps, for_whom, percent
from tracetools.output.lints import MIN_DELAYS, amount

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.output.answers.gathering import Gathered
    from tracetools.output.answers.places import Places

__all__ = ["late_of"]

_QUIET = Place(None, 0, "servers", 0)
_TASKS_OF = "tasks of "
_OUTSIDE = "outside of own code"


def late_of(profile: Profile, places: Places, computes: Group) -> Group:
    """Return which tasks and spans were ready and had to wait, and behind what.

    Tasks of libraries have one entry a library: a request is late there before any code of the
    program runs, and no line of the program can be named.
    """
    heading, of_what = "What came late", "that ready tasks waited"
    if not profile.scheduled_measured:
        note = "Not measured, so it is part of what is waited for: record with --scheduled."
        return Group("late", heading, of_what=of_what, note=note)
    nodes = places.nodes
    lines = Gathering("task", nodes)
    libraries, quiet = Gathering(nodes=nodes), Gathering(nodes=nodes)
    lines.add_all(nodes.scheduled, places.whoms_of_places, places)
    for sums in lines:
        place = places.last[places.owns[sums.numbers[0]]]
        sums.kind = "span" if place.is_span else "task"
        sums.count = sum(nodes.steps[number] for number in sums.numbers)
    _add_others(lines, libraries, quiet, places)
    whole = lines.total + libraries.total
    return Group(
        "late",
        heading,
        whole,
        of_what,
        tuple(ordered([*lines.answers(whole, _told), *libraries.answers(whole, _told)])),
        tuple(quiet.answers(whole + quiet.total, _told_of_quiet)),
        _note(profile, computes),
    )


def _add_others(lines: Gathering, libraries: Gathering, quiet: Gathering, places: Places) -> None:
    """Add the scheduled time of stacks that are not `Places.in_functions`.

    What is nobody's is added to `quiet`.
    """
    nodes = places.nodes
    for number in places.elsewhere:
        time, place = nodes.scheduled[number], places.owns[number]
        if not time or places.depths[number] <= 1:
            continue
        if place == NOWHERE:
            place = places.entered[number]
        if place == NOWHERE or places.tops[number].is_backend:
            quiet.of("servers", _QUIET).add(number, time)
            continue
        last = places.last[place]
        if last.is_own:
            sums = lines.of_frame(place, places)
            sums.kind = "span" if last.is_span else "task"
        else:
            name = f"{_TASKS_OF}{last.package}" if last.package else last.frame.name
            sums = libraries.of("task", Place(None, 0, name, 0, is_own=False), _OUTSIDE)
        sums.add(number, time, places.whoms[place])
        sums.count += nodes.steps[number]


def _told(_: Gathered, answer: Answer) -> Answer:
    each = f", {before_steps(answer.count, answer.total)}" if answer.count else ""
    who = f"{at_line(answer)}, {answer.what}," if answer.what else at_line(answer)
    verb = "were" if answer.function.startswith(_TASKS_OF) else "was"
    sentence = f"{who} {verb} ready and had to wait {amount(answer.total)} in all{each}"
    return replace(answer, sentence=f"{sentence}{for_whom(answer.for_whom)}.")


def _told_of_quiet(_: Gathered, answer: Answer) -> Answer:
    return replace(answer, sentence=f"Tasks of the runtime were late by {amount(answer.total)}.")


def _note(profile: Profile, computes: Group) -> str:
    """Return how long steps were delayed, and behind what, if there was one loop."""
    said = []
    delays = profile.scheduling_delay
    if delays.count >= MIN_DELAYS:
        late = amount(delays.quantile(0.99))
        said.append(
            f"Of {delays.count:,} steps, one in a hundred waited {late} or more,"
            f" at most {amount(delays.max)}."
        )
    busy = profile.busy
    if profile.runs == 1 and busy and computes.answers:
        first = computes.answers[0]
        share = percent(part_of(first.total, busy))
        said.append(f"Meanwhile the loop ran {at_line(first)} for {share} of its busy time.")
    return " ".join(said)
