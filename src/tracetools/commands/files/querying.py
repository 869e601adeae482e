"""What `tracetools query` does: asks an engine, and prints or draws the answer."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.commands import CommandError, UsageError
from tracetools.commands.files.comparing import compare_contents
from tracetools.commands.files.inputs import say
from tracetools.commands.files.targets import check_target, format_of_target
from tracetools.commands.terminal.screen import printable
from tracetools.core.errors import GraphFileError, NoStacksError
from tracetools.fleet.engine import EngineRefusesError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.regressions import compared, time_of
from tracetools.fleet.rows import NANOSECONDS_OF_HOUR
from tracetools.fleet.selection import Selection
from tracetools.fleet.store import Store, lawful
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.flamegrapher import render_packed
from tracetools.output.flamegraph.marks import marks_of
from tracetools.output.flamegraph.options import make_options
from tracetools.output.formats.content import NANOSECONDS, Content, no_time
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.folded import pack_clean
from tracetools.output.formats.writing import write
from tracetools.output.report.of_profile import report_of_profile
from tracetools.output.stack_file import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tracetools.core.profile import Lens, Profile
    from tracetools.core.stacks import StackPath
    from tracetools.fleet.regressions import Regression
    from tracetools.fleet.store import Found

__all__ = ["moment_of", "query"]

_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST_AGO: Final = 12
_NANOSECONDS: Final = 10**9
_DAY: Final = 24 * NANOSECONDS_OF_HOUR
_PARTS: Final = (0.5, 0.95, 0.99)


def query(given: argparse.Namespace) -> int:
    """Ask an engine, and print or write the answer; see `tracetools query --help`.

    Returns:
        0; 1 if something is missing in the answer.
    """
    if given.regressions and given.compare is None:
        raise UsageError("--regressions compares two sides: name the earlier one with --compare")
    if given.output is not None and given.output.suffix not in (".html", ".svg"):
        format_of_target(given.output)
    if given.output is not None:
        check_target(given.output, [])
        if given.compare is not None and given.output.suffix != ".svg":
            raise UsageError(f"a difference is drawn as SVG: end {given.output} in .svg")
    engine = open_engine(given.where)
    try:
        if not isinstance(engine, Store):
            raise EngineRefusesError(f"{given.where} takes profiles, and answers no questions")
        return _asked(engine, given)
    finally:
        engine.close()


def _asked(store: Store, given: argparse.Namespace) -> int:
    now = time.time_ns()
    if given.list:
        return _listed(store)
    if given.roll_up:
        count = store.roll_up(now // NANOSECONDS_OF_HOUR * NANOSECONDS_OF_HOUR)
        _print([f"added up {count:,} hours of services"])
        return 0
    if given.forget:
        store.forget(now - given.forget * _DAY, 0)
        return 0
    return _answered(store, _selection(store, given, now), given, now)


def _answered(store: Store, selection: Selection, given: argparse.Namespace, now: int) -> int:
    if given.latency:
        return _latency(store, selection, given)
    if given.compare is None:
        return _shown(store, selection, given)
    earlier = _earlier(selection, given.compare, now)
    if given.regressions:
        return _regressions(store, earlier, selection, given)
    return _difference(store, earlier, selection, given)


# -- what is asked for -------------------------------------------------------------------------


def moment_of(text: str, now: int) -> int:
    """Return a moment in nanoseconds since the Unix epoch.

    Raises:
        UsageError: the text is none.
    """
    number, unit = text[:-1], text[-1:]
    if unit in _SECONDS and number.isdecimal() and number.isascii() and len(number) < _LONGEST_AGO:
        return max(0, now - int(number) * _SECONDS[unit] * _NANOSECONDS)
    if text == "now":
        return now
    today = datetime.fromtimestamp(now / _NANOSECONDS, timezone.utc).astimezone()
    for said in (text.replace("Z", "+00:00"), f"{today:%Y-%m-%d}T{text}"):
        try:
            return max(0, int(datetime.fromisoformat(said).timestamp()) * _NANOSECONDS)
        except (ValueError, OverflowError, OSError):  # noqa: PERF203
            continue
    raise UsageError(f"{text!r} is no time: give one such as 2026-11-30T14:00, 14:00, 90m or 7d")


def _selection(store: Store, given: argparse.Namespace, now: int) -> Selection:
    selection = Selection(given.service or "", given.version, given.host)
    if given.start is not None:
        selection = replace(selection, start=moment_of(given.start, now))
    if given.end is not None:
        selection = replace(selection, end=moment_of(given.end, now))
    if selection.start >= selection.end:
        raise UsageError("--from is not earlier than --to")
    if given.service is not None:
        return selection
    known, missing = store.known()
    services = sorted({each.service for each in known})
    if len(services) != 1:
        named = ", ".join(services[:20]) or "none"
        raise CommandError(
            f"which service? Name one with --service. There are: {named}{_lacking(missing)}"
        )
    return replace(selection, service=services[0])


def _earlier(selection: Selection, differs: dict[str, str], now: int) -> Selection:
    moments = {"from": "start", "to": "end"}
    values = {
        moments.get(name, name): moment_of(text, now) if name in moments else text
        for name, text in differs.items()
    }
    earlier = replace(selection, **values)  # type: ignore[arg-type]
    if earlier.start >= earlier.end:
        raise UsageError("--compare has a from that is not earlier than its to")
    return earlier


def _is_in(span: str | None) -> Callable[[StackPath], bool]:
    """Return whether a stack has a frame of that name."""
    if span is None:
        return lambda _: True
    return lambda path: any(span in (frame.name, frame.label) for frame in path)


def _found(store: Store, selection: Selection, given: argparse.Namespace) -> Found:
    """Return the answer for a selection, of one span if that is asked for."""
    found = store.profile(selection)
    if not found.batches:
        known = [each for each in store.known()[0] if each.service == selection.service]
        there = sorted({each.version for each in known})
        more = f"; its versions are: {', '.join(there[:20])}" if there else ""
        lacks = _lacking(found.missing)
        raise CommandError(f"nothing was found of {_named(selection)}{more}{lacks}")
    for note in found.notes:
        say(note)
    # What is shown was recorded by so many processes, each in many batches.
    found = replace(found, profile=replace(found.profile, merged=found.processes))
    if given.span is None:
        return found
    is_in = _is_in(given.span)
    profile = found.profile
    stacks = {path: times for path, times in profile.stacks.items() if is_in(path)}
    if not stacks:
        raise CommandError(f"no stack of {_named(selection)} has a frame named {given.span!r}")
    return replace(found, profile=_of_stacks(profile, stacks, is_in))


def _of_stacks(profile: Profile, stacks: dict, is_in: Callable[[StackPath], bool]) -> Profile:  # type: ignore[type-arg]
    """Return a profile of some stacks, of which both laws hold."""
    part = replace(
        profile,
        stacks=stacks,
        latencies={path: each for path, each in profile.latencies.items() if is_in(path)},
        blocking={path: each for path, each in profile.blocking.items() if is_in(path)},
        slow={path: each for path, each in profile.slow.items() if is_in(path)},
        edges={},
    )
    return lawful(part)


def _named(selection: Selection) -> str:
    """Return a selection in words."""
    named = [f"{name} {value!r}" for name, value in selection.texts()]
    for word, moment, far in (("from", selection.start, 0), ("to", selection.end, 2**63)):
        if moment != far:
            said = datetime.fromtimestamp(moment / _NANOSECONDS, timezone.utc).astimezone()
            named.append(f"{word} {said:%Y-%m-%d %H:%M}")
    return ", ".join(named)


# -- answers -----------------------------------------------------------------------------------


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line))


def _lacking(missing: Iterable[str]) -> str:
    """Return what did not answer, as the end of a sentence."""
    said = "; ".join(dict.fromkeys(missing))
    return f"; missing: {printable(said)}" if said else ""


def _status(missing: Iterable[str]) -> int:
    """Say what is missing. Return the exit status."""
    status = 0
    for each in dict.fromkeys(missing):
        say(f"missing: {printable(each)}")
        status = 1
    return status


def _listed(store: Store) -> int:
    known, missing = store.known()
    rows: list[tuple[str, ...]] = [
        ("service", "version", "host", "processes", "batches", "first", "last")
    ]
    for each in known:
        times = [
            f"{datetime.fromtimestamp(t / _NANOSECONDS, timezone.utc).astimezone():%Y-%m-%d %H:%M}"
            for t in (each.start, each.end)
        ]
        numbers = (f"{each.processes:,}", f"{each.batches:,}")
        rows.append((each.service, each.version or "-", each.host or "-", *numbers, *times))
    _print(_table(rows))
    return _status(missing)


def _table(rows: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()


def _latency(store: Store, selection: Selection, given: argparse.Namespace) -> int:
    by_version, missing = store.latencies(selection, _is_in(given.span))
    amount = amount_formatter(NANOSECONDS)
    paths: dict[StackPath, int] = {}
    for histograms in by_version.values():
        for path, histogram in histograms.items():
            paths[path] = paths.get(path, 0) + histogram.total
    if not paths:
        raise CommandError(f"no latency was found of {_named(selection)}{_lacking(missing)}")
    rows: list[tuple[str, ...]] = [("span", "version", "count", "p50", "p95", "p99", "max")]
    for path in sorted(paths, key=lambda each: (-paths[each], each))[: given.limit]:
        for version, histograms in by_version.items():
            if path in histograms:
                histogram = histograms[path]
                parts = [amount(histogram.quantile(part)) for part in _PARTS]
                count = f"{histogram.count:,}"
                row = (path[-1].label, version or "-", count, *parts, amount(histogram.max))
                rows.append(row)
    _print(_table(rows))
    return _status(missing)


def _regressions(
    store: Store, earlier: Selection, later: Selection, given: argparse.Namespace
) -> int:
    lens: Lens = given.lens or "busy"
    try:
        time_of(lens)
    except ValueError as error:
        raise UsageError(f"{error}: choose busy, idle, scheduled or task") from error
    before, kind, missing = store.slices(earlier)
    after, kind_after, missing_after = store.slices(later)
    for side, selection, lacks in ((before, earlier, missing), (after, later, missing_after)):
        if not side:
            raise CommandError(f"nothing was found of {_named(selection)}{_lacking(lacks)}")
    found = compared(before, after, lens)
    is_in = _is_in(given.span)
    regressions = [each for each in found.regressions if is_in(each.path)]
    _print(
        [
            f"before: {_named(earlier)}: {kind}",
            f"after: {_named(later)}: {kind_after}",
            f"{found.frames:,} frames were compared, by {lens} time a request.",
        ]
    )
    if not found.frames:
        raise CommandError("there is too little to compare: each side needs three minutes or more")
    if found.is_everything_slower:
        _print([f"All frames alike take {found.everything:+.1%}{_sure(found.chance)}."])
    _print([] if regressions else ["No frame takes longer than chance explains."])
    for rank, each in enumerate(regressions[: given.limit], 1):
        _print(_regression_lines(rank, each))
    return _status((*missing, *missing_after))


def _regression_lines(rank: int, each: Regression) -> Iterable[str]:
    amount = amount_formatter(NANOSECONDS)
    yield (
        f"{rank}. {each.growth:+.1%}  {each.path[-1].label}: {amount(round(each.before))} ->"
        f" {amount(round(each.after))} a request, {each.requests:,} requests{_sure(each.chance)}"
    )
    yield (
        f"   {each.share:.1%} -> {each.share_after:.1%} of all time,"
        f" {amount(round(each.extra))} more"
    )
    yield f"   in {' > '.join(frame.name for frame in each.path[1:])}"


def _sure(chance: float) -> str:
    return f"; by chance: 1 in {1 / chance:,.0f}" if chance > 1e-12 else "; no chance"  # noqa: PLR2004


def _difference(
    store: Store, earlier: Selection, later: Selection, given: argparse.Namespace
) -> int:
    sides = [_found(store, selection, given) for selection in (earlier, later)]
    before, after = (Content(found.profile, NANOSECONDS, "a profile") for found in sides)
    names = argparse.Namespace(
        before=Path(_named(earlier)),
        after=Path(_named(later)),
        output=given.output,
        lens=given.lens,
        normalise=True,  # they have seen different traffic
        fail_over=None,
        least_share=Fraction(0),
        lines=False,
        sort="self",
        limit=given.limit,
        json=False,
    )
    compare_contents(before, after, names)
    return _status((*sides[0].missing, *sides[1].missing))


def _shown(store: Store, selection: Selection, given: argparse.Namespace) -> int:
    found = _found(store, selection, given)
    lens: Lens = given.lens or "busy"
    if given.output is None:
        _print(_in_short(found, lens, selection, given.limit))
    elif given.output.suffix in (".html", ".svg"):
        _draw(found, lens, selection, given.output)
    else:
        write(given.output, found.profile, lens=lens)
        say(f"wrote {given.output}")
    return _status(found.missing)


def _in_short(found: Found, lens: Lens, selection: Selection, limit: int) -> Iterable[str]:
    amount = amount_formatter(NANOSECONDS)
    profile = found.profile
    yield f"{_named(selection)}: {found.batches:,} batches of {found.processes:,} processes"
    busy = profile.busy / profile.duration if profile.duration else 0
    yield f"loops ran {amount(profile.duration)} and were busy {busy:.1%} of it"
    times = profile.lens(lens)
    totals: dict[str, int] = {}
    for path, spent in times.items():
        for label in {frame.label for frame in path[1:]}:
            totals[label] = totals.get(label, 0) + spent
    yield f"{lens} time by frame, with all above it:"
    for label in sorted(totals, key=lambda each: (-totals[each], each))[:limit]:
        yield f"  {amount(totals[label])}  {label}"


def _draw(found: Found, lens: Lens, selection: Selection, target: Path) -> None:
    title = {"title": selection.service, "subtitle": _named(selection)}
    if target.suffix == ".html":
        text = report_of_profile(found.profile, make_options(title))
    else:
        packed = pack_clean(fold(found.profile, lens))
        if not packed:
            raise NoStacksError(f"{_named(selection)}: {no_time(lens)}")
        options = make_options({**title, "count_name": "microseconds"})
        text = render_packed(packed, None, options, marks_of([found.profile], lens))
    try:
        write_atomically(target, text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write {target}: {explain(error)}") from error
    say(f"wrote {target}")
