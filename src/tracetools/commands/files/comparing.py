"""What `tracetools diff` does: reads two files, says what changed, and draws it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tracetools.commands import CommandError, UsageError
from tracetools.commands.files.inputs import lens_of, read_input, say, source_of
from tracetools.commands.files.targets import check_target
from tracetools.commands.terminal.screen import printable
from tracetools.core.errors import GraphFileError, NoStacksError, StackFileError
from tracetools.core.profile import Profile
from tracetools.output.difference import Change, Difference, growth, summed, without_waiting
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.flamegrapher import render_packed
from tracetools.output.flamegraph.options import make_options
from tracetools.output.formats.collapsed import bare
from tracetools.output.formats.content import NANOSECONDS, PER_NANOSECOND, SAMPLES, scaled
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.stack_table import SEPARATOR
from tracetools.output.merging import stacks_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tracetools.core.profile import Lens
    from tracetools.output.formats.content import Content

__all__ = ["compare", "compare_contents"]


def compare(given: argparse.Namespace) -> int:
    """Compare two files, and print what changed; see `tracetools diff --help`.

    Returns:
        0; 1 if something grew by more than was allowed.
    """
    if given.output is not None:
        if given.output.suffix != ".svg":
            raise UsageError(f"a difference is drawn as SVG: end {given.output} in .svg")
        check_target(given.output, [given.before, given.after])
    before = read_input(given.before, lens=given.lens)
    after = read_input(given.after, lens=given.lens)
    return compare_contents(before, after, given)


def compare_contents(before: Content, after: Content, given: argparse.Namespace) -> int:
    """Compare what two files hold; `before` and `after` of the command line name them."""
    lens = lens_of(given.lens, [before, after])
    unit = _unit(before, after, is_normalised=given.normalise)
    coarsest = max(map(_counted_in, (before, after)), key=_length)
    counts = [
        _counts(content, lens, source_of(path), coarsest, keep_lines=given.lines)
        for content, path in ((before, given.before), (after, given.after))
    ]
    difference = Difference(*counts, normalise=given.normalise)
    failures: list[Change] = []
    if given.fail_over is not None:
        failures = difference.failures(given.fail_over, given.least_share)
    if given.json:
        _print(_json(difference, failures, unit, lens, given))
    else:
        _print_all(_text(difference, failures, unit, given))
    if given.output is not None:
        _draw(given.output, difference, unit, given)
    return 1 if failures else 0


def _unit(before: Content, after: Content, *, is_normalised: bool) -> str:
    """Return the unit of both; times are in nanoseconds."""
    units = [_shown_unit(content) for content in (before, after)]
    if units[0] != units[1] and not is_normalised:
        raise CommandError(
            f"the first file has {units[0]} and the second has {units[1]}: "
            "compare their shares, with --normalise"
        )
    return units[1]


def _shown_unit(content: Content) -> str:
    return NANOSECONDS if content.unit in PER_NANOSECOND else content.unit or SAMPLES


def _counted_in(content: Content) -> str:
    """Return the unit of the counts of a file; empty if it is not known."""
    return NANOSECONDS if isinstance(content.content, Profile) else content.unit


def _length(unit: str) -> int:
    """Return how many nanoseconds a unit is; 0 if it is no time."""
    return PER_NANOSECOND.get(unit, 0)


def _counts(
    content: Content, lens: Lens, source: str, coarsest: str, *, keep_lines: bool
) -> dict[bytes, int]:
    """Return the counts of a file as they are compared.

    Times are rounded to the coarsest unit of both files, or that alone would be a difference.
    """
    folded = stacks_of(content, lens, source)
    if folded.packed_before is not None:
        raise StackFileError(f"{source} is a difference itself, with two counts in each line")
    rounded = scaled(folded.packed, _counted_in(content), coarsest)
    times = scaled(rounded, coarsest, NANOSECONDS)
    counts = without_waiting(summed((stack, time) for stack, time in times if time))
    if not counts:
        raise NoStacksError(f"{source}: the loop did nothing but wait for events")
    if keep_lines:
        return counts
    return summed((bare(stack), count) for stack, count in counts.items())


# -- words -------------------------------------------------------------------------------------


def _print(text: str) -> None:
    print(text)  # what was asked for


def _print_all(lines: Iterable[str]) -> None:
    for line in lines:
        _print(line)


def _percentage(before: int, after: int) -> str:
    part = growth(before, after)
    return "new" if part is None else f"{float(100 * part):+.1f} %"


def _text(
    difference: Difference, failures: Sequence[Change], unit: str, given: argparse.Namespace
) -> Iterable[str]:
    """Yield the lines of the comparison."""
    amount = amount_formatter(unit)
    total = difference.total
    yield (
        f"total: {amount(total.before)} -> {amount(total.after)}"
        f" ({_percentage(total.before, total.after)})"
        f"{', BEFORE scaled to AFTER' if given.normalise else ''}"
    )
    by_self = given.sort == "self"
    kinds = (
        ("frames that grew", "grew", False),
        ("frames that shrank", "shrank", False),
        ("new frames", "new", False),
        ("frames that vanished", "vanished", False),
        ("stacks that grew", "grew", True),
        ("stacks that shrank", "shrank", True),
        ("new stacks", "new", True),
        ("stacks that vanished", "vanished", True),
    )
    for heading, status, is_stack in kinds:
        found = difference.stacks if is_stack else difference.frames
        changes = [change for change in found if _is(change, status, by_self=by_self)]
        changes.sort(key=lambda change: _order(change, by_self=by_self))
        if changes:
            yield ""
            more = f" (the first {given.limit} of {len(changes)})"
            yield f"{heading}{more if len(changes) > given.limit else ''}:"
            yield from _rows(changes[: given.limit], amount, is_stack=is_stack)
    if failures:
        yield ""
        yield from _verdict(failures, given)


def _is(change: Change, status: str, *, by_self: bool) -> bool:
    """Return whether a change belongs to a list, by the number that orders it."""
    if change.status in ("new", "vanished") or not by_self:
        return change.status == status
    delta = change.self_after - change.self_before
    return delta != 0 and (status == "grew") == (delta > 0) and status in ("grew", "shrank")


def _order(change: Change, *, by_self: bool) -> tuple[int, int, bytes]:
    """Return the key that sorts the largest change first."""
    own, total = change.self_after - change.self_before, change.after - change.before
    first, second = (own, total) if by_self else (total, own)
    return -abs(first), -abs(second), change.name


def _rows(changes: Sequence[Change], amount: Any, *, is_stack: bool) -> Iterable[str]:
    """Yield a row for each change; a stack is one line, its frames separated by `;`."""
    for change in changes:
        name = printable(_name(change.name))
        own = _delta(change.self_before, change.self_after, amount)
        if is_stack:
            yield f"  {own}  {name}"
        else:
            yield f"  self {own}, total {_delta(change.before, change.after, amount)}  {name}"


def _delta(before: int, after: int, amount: Any) -> str:
    sign = "-" if after < before else "+"
    return f"{sign}{amount(abs(after - before))} ({amount(before)} -> {amount(after)})"


def _name(packed: bytes) -> str:
    return packed.decode(errors="replace").replace(SEPARATOR.decode(), ";")


def _verdict(failures: Sequence[Change], given: argparse.Namespace) -> Iterable[str]:
    limit = float(100 * given.fail_over)
    yield f"grew by more than {limit:g} %:"
    for change in failures[: given.limit]:
        name = printable(_name(change.name)) or "the total"
        yield f"  {_percentage(change.before, change.after)}  {name}"
    if len(failures) > given.limit:
        yield f"  and {len(failures) - given.limit} more"


# -- programs ----------------------------------------------------------------------------------


def _json(
    difference: Difference,
    failures: Sequence[Change],
    unit: str,
    lens: Lens,
    given: argparse.Namespace,
) -> str:
    """Return the comparison for programs. Keys stay as they are from version to version."""
    value = {
        "before": str(given.before),
        "after": str(given.after),
        "unit": unit,
        "lens": lens,
        "normalised": given.normalise,
        "total": _row(difference.total),
        "frames": [{"frame": _name(each.name), **_row(each)} for each in difference.frames],
        "stacks": [
            {"stack": each.name.decode(errors="replace").split("\0"), **_row(each)}
            for each in difference.stacks
        ],
        "failed": [_name(each.name) or None for each in failures],
    }
    return json.dumps(value, indent=1)


def _row(change: Change) -> dict[str, Any]:
    part = growth(change.before, change.after)
    return {
        "before": change.before,
        "after": change.after,
        "self_before": change.self_before,
        "self_after": change.self_after,
        "growth": None if part is None else float(part),
        "status": change.status,
    }


# -- the picture -------------------------------------------------------------------------------


def _draw(target: Path, difference: Difference, unit: str, given: argparse.Namespace) -> None:
    scale = "; the first scaled to the second" if given.normalise else ""
    options = make_options(
        {
            "title": "Difference",
            "subtitle": f"from {source_of(given.before)} to {source_of(given.after)}{scale}",
            "count_name": unit,
        }
    )
    text = render_packed([*difference.after.items()], difference.before, options)
    try:
        write_atomically(target, text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write {target}: {explain(error)}") from error
    say(f"wrote {target}")
