"""The answers of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracetools.output.answers.blocks import blocks_of
from tracetools.output.answers.computes import computes_of
from tracetools.output.answers.data import Answers
from tracetools.output.answers.late import late_of
from tracetools.output.answers.places import Places
from tracetools.output.answers.waits import waits_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Profile
    from tracetools.output.nodes import Nodes

__all__ = ["answers_of"]


def answers_of(
    profile: Profile,
    text_of_line: Callable[[str, int], str] | None = None,
    nodes: Nodes | None = None,
) -> Answers:
    """Return what blocks the loop, what is waited for, what computes, and what came late.

    There is one entry for each line of the program's own code, the heaviest first. Where the line
    itself is not known, it is that of the function. A time counts for the innermost function of the
    program in its stack, with all that libraries do below it.

    Args:
        profile: what was recorded.
        text_of_line: returns the text of a line of a file, or nothing; see `source.lines_of`.
        nodes: the stacks of the profile by number, where they are known already.
    """
    places = Places(profile, nodes)
    computes = computes_of(profile, places)
    return Answers(
        blocks_of(profile, places, text_of_line or _no_text),
        waits_of(profile, places),
        computes,
        late_of(profile, places, computes),
    )


def _no_text(file: str, line: int) -> str:  # noqa: ARG001  # of a line that cannot be read
    return ""
