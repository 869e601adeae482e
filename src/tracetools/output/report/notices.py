"""What stands out in a profile, and what held its loops, as a report shows it.

What may live here: lints by kind, rows of steps that took too long, in whole numbers. What must
not: which lints there are, and markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.stacks import HOLDS
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label
from tracetools.output.lints import find_lints, line_at_fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Blocks, StackPath
    from tracetools.output.lints import Lint

MAX_HOLDS: Final = 20
"""How many rows the table of what held the loop has at most: the heaviest."""

_show_time = amount_formatter("ns")


class Where(NamedTuple):
    """A stack, taken apart for a reader.

    Attributes:
        above: the names of the frames around `frame`, without the root.
        frame: the label of the innermost frame that graphs have; empty if there is none.
        below: the names of the functions within it, without the one that says what line it was.
        line: the line at fault; None if that is not known.
    """

    above: tuple[str, ...]
    frame: str
    below: tuple[str, ...]
    line: str | None


class Notice(NamedTuple):
    """One lint: where, if not the whole program, and what was seen."""

    where: Where | None
    seen: str


class Kind(NamedTuple):
    """All lints of a kind, the heaviest first."""

    heading: str
    why: str
    remedy: str
    notices: tuple[Notice, ...]


class Notices(NamedTuple):
    """What stands out, and how many more lints of the same kinds there are."""

    kinds: tuple[Kind, ...] = ()
    left_out: int = 0


NO_NOTICES: Final = Notices()


class Hold(NamedTuple):
    """Steps that held the loop: where, how many, and for how long in nanoseconds."""

    where: Where
    steps: int
    total: int
    worst: int


class Holds(NamedTuple):
    """The limit in words, if it is known, the heaviest rows, and how many there are more."""

    limit: str | None
    rows: tuple[Hold, ...]
    left_out: int


NO_HOLDS: Final = Holds(None, (), 0)


def notices_of(profile: Profile) -> Notices:
    """Give the lints of a profile by kind, the kind with the heaviest lint first."""
    shown, left_out = find_lints(profile)
    by_kind: dict[str, list[Lint]] = {}
    for lint in shown:
        by_kind.setdefault(lint.kind, []).append(lint)
    return Notices(
        tuple(_kind(kind, lints, profile) for kind, lints in by_kind.items()),
        left_out,
    )


def holds_of(profile: Profile) -> Holds:
    """Give what held the loops of a profile, the longest in all first."""
    heaviest = sorted(profile.blocking.items(), key=_order)
    limit = profile.blocking_limit
    return Holds(
        None if limit is None else _show_time(limit),
        tuple(Hold(_where(path, profile.stacks), *held) for path, held in heaviest[:MAX_HOLDS]),
        len(heaviest[MAX_HOLDS:]),
    )


def _order(item: tuple[StackPath, Blocks]) -> tuple[int, list[tuple[str, int]]]:
    path, blocks = item
    return -blocks.total, [(frame.label, frame.line) for frame in path]


def _kind(kind: str, lints: list[Lint], profile: Profile) -> Kind:
    notices = tuple(
        Notice(None if lint.path is None else _where(lint.path, profile.stacks), lint.seen)
        for lint in lints
    )
    heading = kind.replace("-", " ").capitalize()
    return Kind(heading, lints[0].why, lints[0].remedy, notices)


def _where(path: StackPath, known: Collection[StackPath]) -> Where:
    """Take a stack apart at its innermost frame that is known."""
    depth = next((depth for depth in range(len(path), 1, -1) if path[:depth] in known), 1)
    until = len(path) - any(frame.name == HOLDS for frame in path[-1:])
    return Where(
        above=tuple(_names(path[1 : depth - 1])),
        frame=clean_label(path[depth - 1].label) if depth > 1 else "",
        below=tuple(_names(path[depth:until])),
        line=line_at_fault(path),
    )


def _names(path: StackPath) -> Iterable[str]:
    return (clean_label(frame.name) for frame in path)
