"""What `tracetools report` does: reads files, and returns what is to be printed."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.commands import CommandError, UsageError
from tracetools.commands.files.inputs import read_input
from tracetools.commands.files.report_json import about_json, answers_json
from tracetools.commands.terminal.latency_lines import latency_lines, slow_in_lines
from tracetools.commands.terminal.resources import resources_in_lines
from tracetools.commands.terminal.screen import Screen, is_terminal, style_of, width_of, wrapped
from tracetools.commands.terminal.stack_rows import rows_of, table_lines, tree_lines
from tracetools.commands.terminal.summary import answers_in_lines, what_else_stands_out
from tracetools.commands.terminal.tables import what_ran
from tracetools.commands.terminal.who_ended import who_ended_in_lines
from tracetools.core.profile import Profile
from tracetools.output.answers.of_profile import answers_of
from tracetools.output.answers.of_stacks import answers_of_stacks, profile_of_stacks
from tracetools.output.answers.source import lines_of
from tracetools.output.flamegraph.amounts import amount_formatter, nanoseconds_of, unit_of
from tracetools.output.folding import fold_libraries, fold_times
from tracetools.output.formats.content import no_time, weighed
from tracetools.output.frame_kinds import kinds_by_guess, kinds_of
from tracetools.output.latencies import latencies_of
from tracetools.output.latency_words import what_is_not_kept
from tracetools.output.lints import amount

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from tracetools.core.profile import Lens
    from tracetools.core.stacks import StackPath
    from tracetools.output.formats.content import Content

__all__ = ["Reported", "report", "reported"]

_STDOUT: Final = 1
_UNBROKEN: Final = 10_000
_ROWS: Final = 40
_ENTRIES: Final = 5


class Reported(NamedTuple):
    """What was read.

    Attributes:
        profile: the profile; that of folded stacks has what they say.
        unit: of the numbers: ``ns``, ``samples`` and the like.
        is_profile: whether it was a profile that was read, of which more is known.
    """

    profile: Profile
    unit: str
    is_profile: bool


def report(given: argparse.Namespace) -> str:
    """Return what is to be printed.

    Raises:
        UsageError: the options make no sense together.
        CommandError: the files do not add up, or nothing is left of them.
        StackFileError, NoStacksError: a file cannot be read, or makes no sense.
    """
    _check(given)
    found = reported([read_input(path) for path in given.files])
    whole = found.profile
    if given.filter is not None:
        found = found._replace(profile=_filtered(whole, given))
    if given.json:
        rows = _rows(found, given)[: given.limit]
        about = about_json(whole, unit=found.unit, is_profile=found.is_profile)
        return json.dumps({**about, **answers_json(found.profile, rows)}, indent=1)
    if given.latency:
        return "\n".join(_latencies(found, given))
    if given.tree or given.table or nanoseconds_of(found.unit) is None:
        return "\n".join(_stacks(found, given))
    return "\n".join(_answers(found, given))


def _check(given: argparse.Namespace) -> None:
    if given.sort is not None and not (given.table or given.json):
        raise UsageError("--sort orders a table: add --table or --json")
    if given.libraries and not (given.tree or given.table or given.json):
        raise UsageError("--libraries unfolds frames of a --tree, a --table or --json: add one")
    if given.lens and not (given.tree or given.table or given.json):
        raise UsageError("--lens chooses the time of a --tree, a --table or --json: add one")


# -- reading ---------------------------------------------------------------------------------------


def reported(contents: list[Content]) -> Reported:
    """Return the sum of all files.

    Raises:
        CommandError: they have no unit in common.
    """
    profiles = [each.content for each in contents if isinstance(each.content, Profile)]
    if len(profiles) == len(contents):
        return Reported(profiles[0].merge(*profiles[1:]), "ns", is_profile=True)
    if profiles:
        raise CommandError(
            "a profile and folded stacks do not add up: give profiles alone, or stacks alone"
        )
    units = [_unit(each) for each in contents]
    if len(set(units)) > 1:
        raise CommandError(
            f"files in {' and in '.join(sorted(set(units)))} do not add up: give those of one unit"
        )
    stacks: dict[StackPath, int] = {}
    per = nanoseconds_of(units[0])
    for each in contents:
        for path, count in weighed(each.content).items():  # type: ignore[arg-type]  # no profile
            stacks[path] = stacks.get(path, 0) + count * (per or 1)
    unit = units[0] if per is None else "ns"
    return Reported(profile_of_stacks(stacks), unit, is_profile=False)


def _unit(content: Content) -> str:
    """Return the unit of stacks. Folded text does not say it; ours is known by its root."""
    if content.unit or isinstance(content.content, Profile):
        return content.unit
    return unit_of({labels[0] for labels in content.content.stacks})


def _filtered(profile: Profile, given: argparse.Namespace) -> Profile:
    """Return a profile of the stacks that match."""
    matched: dict[StackPath, bool] = {}

    def matches(path: StackPath) -> bool:
        if path not in matched:
            matched[path] = any(given.filter.search(frame.label) for frame in path)
        return matched[path]

    if not any(map(matches, profile.stacks)):
        raise CommandError(f"no stack has a frame that matches --filter {given.filter.pattern!r}")
    kept: dict[str, Any] = {
        name: {path: each for path, each in getattr(profile, name).items() if matches(path)}
        for name in ("stacks", "blocking", "limiters", "stalls", "latencies", "slow")
    }
    kept["resources"] = {
        resource: use
        for resource, use in profile.resources.items()
        if any(map(matches, chain(use.holds, use.waits, use.getters)))
    }
    kept["edges"] = {edge: waited for edge, waited in profile.edges.items() if matches(edge.waiter)}
    return replace(profile, **kept)


# -- answers ---------------------------------------------------------------------------------------


def _screen(given: argparse.Namespace) -> Screen:
    width = given.width or (width_of(_STDOUT) if is_terminal(_STDOUT) else _UNBROKEN)
    return Screen(width, style_of(_STDOUT))


def _answers(found: Reported, given: argparse.Namespace) -> list[str]:
    profile, screen = found.profile, _screen(given)
    is_profile = found.is_profile
    answers = answers_of(profile, lines_of(profile)) if is_profile else answers_of_stacks(profile)
    lines = [*wrapped(_first_line(found), screen.width, "  "), ""]
    if slow := slow_in_lines(profile, screen, given.limit or _ENTRIES):
        lines += [*slow, ""]
    lines += answers_in_lines(answers, screen, most=given.limit or _ENTRIES, has_quiet=True)
    if resources := resources_in_lines(profile, screen, given.limit or _ENTRIES):
        lines += ["", *resources]
    if who_ended := who_ended_in_lines(profile, screen, given.limit or _ENTRIES):
        lines += ["", *who_ended]
    if others := what_else_stands_out(profile, min(screen.width, 200)):
        lines += ["", *others]
    return lines


def _first_line(found: Reported) -> str:
    profile = found.profile
    if not found.is_profile:
        stacks = sum(1 for times in profile.stacks.values() if any(times))
        return f"{stacks:,} folded stacks, {amount(profile.duration)} in all."
    programs = f"{', '.join(profile.programs)}: " if profile.programs else ""
    pythons = f" Python {', '.join(profile.pythons)}." if profile.pythons else ""
    return f"{programs}{what_ran(profile)}{pythons}"


# -- stacks ----------------------------------------------------------------------------------------


def _stacks(found: Reported, given: argparse.Namespace) -> list[str]:
    show = amount if found.unit == "ns" else amount_formatter(found.unit)
    screen = _screen(given)
    numbers = _numbers(found, given)
    if not numbers:
        raise CommandError(no_time(given.lens or "busy"))
    if given.tree:
        return tree_lines(numbers, show, limit=given.limit or _ROWS, style=screen.style)
    sort = given.sort or "total"
    whole = sum(found.profile.lens(given.lens or "busy").values())
    heading, *rows = table_lines(
        _rows(found, given), show, whole=whole, sort=sort, limit=given.limit or _ROWS
    )
    return [screen.style("bold", heading), *rows]


def _latencies(found: Reported, given: argparse.Namespace) -> list[str]:
    latencies = latencies_of(found.profile)
    if not latencies:
        raise CommandError("it does not say how long spans and tasks lasted: give a profile")
    lines = latency_lines(latencies, limit=given.limit or _ROWS, style=_screen(given).style)
    return [*lines, *filter(None, [what_is_not_kept(found.profile)])]


def _folding(found: Reported) -> Callable[[StackPath], StackPath]:
    kind_of = kinds_of(found.profile.origins) if found.profile.origins else kinds_by_guess()
    return lambda path: fold_libraries(path, kind_of)


def _numbers(found: Reported, given: argparse.Namespace) -> Mapping[StackPath, int]:
    lens: Lens = given.lens or "busy"
    numbers = found.profile.lens(lens)
    if given.libraries:
        return numbers
    kind_of = kinds_of(found.profile.origins) if found.profile.origins else kinds_by_guess()
    return fold_times(numbers, kind_of)


def _rows(found: Reported, given: argparse.Namespace) -> list[Any]:
    times = dict(found.profile.stacks)
    if not given.libraries:
        fold, times = _folding(found), {}
        for path, each in found.profile.stacks.items():
            folded = fold(path)
            known = times.get(folded)
            times[folded] = each if known is None else known.plus(each)
    return rows_of(_numbers(found, given), times, given.sort or "total")
