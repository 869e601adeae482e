"""The lints and the blocking steps of a profile, as a report shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.formats.folded import clean_label
from tracetools.output.lints import LAST_FRAMES, find_lints, line_at_fault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Blocks, StackPath
    from tracetools.output.lints import Lint
    from tracetools.output.nodes import Nodes

MAX_BLOCKING_ROWS: Final = 20
"""How many rows the table of blocking steps has at most, the heaviest first."""

_show_time = amount_formatter("ns")


class StackParts(NamedTuple):
    """A stack in parts, for readers.

    Attributes:
        above: the names of the frames around `frame`, without the root.
        frame: the label of the innermost frame that graphs have; empty if there is none.
        below: the names of the functions within it, without the frame that has the line.
        line: the line at fault; None if that is not known.
    """

    above: tuple[str, ...]
    frame: str
    below: tuple[str, ...]
    line: str | None


class Finding(NamedTuple):
    """One lint: its stack, if it is not the whole program, and what was found."""

    stack: StackParts | None
    text: str


class FindingKind(NamedTuple):
    """All lints of a kind, the heaviest first."""

    heading: str
    why: str
    remedy: str
    findings: tuple[Finding, ...]


class Findings(NamedTuple):
    """All lints by kind, and how many more there are of these kinds."""

    kinds: tuple[FindingKind, ...] = ()
    left_out: int = 0


NO_FINDINGS: Final = Findings()


class BlockingRow(NamedTuple):
    """The blocking steps of one stack: how many, how long they took in nanoseconds, what it was."""

    stack: StackParts
    steps: int
    total: int
    max: int
    kind: str = ""


class BlockingSteps(NamedTuple):
    """The blocking threshold as text, if it is known, the heaviest rows, and how many more."""

    threshold: str | None
    rows: tuple[BlockingRow, ...]
    left_out: int


NO_BLOCKING_STEPS: Final = BlockingSteps(None, (), 0)


ANSWERED: Final = frozenset(
    {"blocks", "garbage-collection", "gil-held", "stopped", "starved", "scheduling-delay"}
)
"""The kinds of lints that the answers of a page say already."""


def findings_of(profile: Profile, nodes: Nodes | None = None) -> Findings:
    """Return the lints of a profile by kind, the kind with the heaviest lint first.

    Those that the answers say already are left out. `nodes` are those of the profile, where they
    are known already.
    """
    shown, left_out = find_lints(profile, nodes)
    by_kind: dict[str, list[Lint]] = {}
    for lint in shown:
        if lint.kind not in ANSWERED:
            by_kind.setdefault(lint.kind, []).append(lint)
    return Findings(
        tuple(_kind(kind, lints, profile) for kind, lints in by_kind.items()),
        left_out,
    )


def blocking_steps_of(profile: Profile) -> BlockingSteps:
    """Return the blocking steps of a profile, those that took most time in all first."""
    heaviest = sorted(profile.blocking.items(), key=_order)
    threshold = profile.blocking_threshold
    return BlockingSteps(
        None if threshold is None else _show_time(threshold),
        tuple(
            BlockingRow(_parts(path, profile.stacks), *blocks[:3], blocks.kind)
            for path, blocks in heaviest[:MAX_BLOCKING_ROWS]
        ),
        len(heaviest[MAX_BLOCKING_ROWS:]),
    )


def _order(item: tuple[StackPath, Blocks]) -> tuple[int, list[tuple[str, int]]]:
    path, blocks = item
    return -blocks.total, [(frame.label, frame.line) for frame in path]


def _kind(kind: str, lints: list[Lint], profile: Profile) -> FindingKind:
    findings = tuple(
        Finding(None if lint.path is None else _parts(lint.path, profile.stacks), lint.finding)
        for lint in lints
    )
    heading = kind.replace("-", " ").capitalize()
    return FindingKind(heading, lints[0].why, lints[0].remedy, findings)


def _parts(path: StackPath, known: Collection[StackPath]) -> StackParts:
    """Divide a stack at its innermost frame that is known."""
    depth = next((depth for depth in range(len(path), 1, -1) if path[:depth] in known), 1)
    until = len(path) - any(frame.name in LAST_FRAMES for frame in path[-1:])
    return StackParts(
        above=tuple(_names(path[1 : depth - 1])),
        frame=clean_label(path[depth - 1].label) if depth > 1 else "",
        below=tuple(_names(path[depth:until])),
        line=line_at_fault(path),
    )


def _names(path: StackPath) -> Iterable[str]:
    return (clean_label(frame.name) for frame in path)
