"""What a user of `tracetools run` may not know: said in a line each, at the end."""

from __future__ import annotations

import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tracetools.commands.running.options import is_ours
from tracetools.commands.terminal.screen import printable
from tracetools.core.native import why_not
from tracetools.core.stacks import is_of_loop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tracetools.commands.running.program import Program
    from tracetools.core.profile import Profile

__all__ = [
    "NOTHING_RECORDED",
    "NO_MINUTES",
    "WRONG_USE",
    "our_options_after",
    "what_did_not_join",
    "what_functions_would_show",
    "what_is_kept",
    "what_is_not_sent",
    "where_minutes_are",
]

_MOST: Final = 80
"""Per cent of the busy time from which on one frame hides what it is spent on."""

_WHAT_TO_DO: Final = """\
For plain Python take a sampling profiler: py-spy record -o profile.svg -- python ...
Python programs that this one starts are recorded with --subprocesses."""

NOTHING_RECORDED: Final = f"""\
tracetools: nothing was recorded: no trio run and no asyncio loop was started, neither in this
process nor in one that it forked, or started by multiprocessing.
{_WHAT_TO_DO}"""

NO_MINUTES: Final = f"""\
tracetools: nothing was recorded: no trio run and no asyncio loop was started, neither in this
process nor in one that it forked, or started by multiprocessing, and that wrote its last minute.
One does not if SIGTERM ends it while no loop runs, as pools end their workers.
{_WHAT_TO_DO}"""

WRONG_USE: Final = 2
"""The exit status by which programs say that they were called wrongly."""

_COMMON: Final = (
    *("-q", "--quiet", "-o", "--output", "--clock", "--labels", "--delay", "--duration"),
    *("--service", "--every", "--max-bytes", "--max-age", "--continuous"),
)
"""Options that other programs have as well."""


def what_did_not_join(loops: int) -> str:
    """Return how many loops that ran before a delay were never recorded; else nothing."""
    if not loops:
        return ""
    were = "1 loop was" if loops == 1 else f"{loops:,} loops were"
    return f"{were} not recorded: from before the --delay on, no step of it ended"


def what_functions_would_show(profile: Profile, *, is_on: bool) -> str:
    """Return how to have busy time divided that is nearly all of one frame; else nothing."""
    if is_on:
        return ""
    busy: defaultdict[str, int] = defaultdict(int)
    for path, times in profile.stacks.items():
        if not is_of_loop(path):
            busy[path[-1].label] += times.busy
    most = max(busy, key=busy.__getitem__, default="")
    share = 100 * busy[most] // sum(busy.values()) if busy[most] else 0
    if share <= _MOST:
        return ""
    core = f" Without the native core they are off by default: {why_not}." if why_not else ""
    return f"{most} has {share} % of the busy time; --functions shows the functions in it.{core}"


def what_is_kept(pages: Sequence[Path], here: Path) -> str:
    """Return where the pages of slow spans are; nothing if there is none."""
    if not pages:
        return ""
    were = "1 slow span is" if len(pages) == 1 else f"{len(pages):,} slow spans are"
    return f"{were} kept, a page for each: {_from(here, pages[0].parent)}"


def where_minutes_are(count: int, folder: Path, here: Path) -> str:
    """Return where profiles by the minute are, and what to do with them."""
    were = "1 profile by the minute is" if count == 1 else f"{count:,} profiles by the minute are"
    return (
        f"{were} in {_from(here, folder)}. Open one with 'tracetools report', add them up with"
        " 'tracetools merge'"
    )


def what_is_not_sent(count: int, folder: Path, here: Path, url: str | None) -> str:
    """Return how to send the minutes that an engine does not have; nothing if it has all."""
    if not count or url is None:
        return ""
    were = "1 of them was" if count == 1 else f"{count:,} of them were"
    where = shlex.quote(_from(here, folder))
    return f"{were} not sent: tracetools push {where} --to {shlex.quote(printable(url))}"


def _from(here: Path, folder: Path) -> str:
    """Return a folder as it is named from where the command was given."""
    shown = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return printable(str(shown))


def our_options_after(program: Program | None) -> str:
    """Return which of our options the program was given in our place, perhaps; else nothing.

    Nothing is said of a word that the program knows: one that its source has, or that others have
    too, unless it has ended with the status of wrong use.
    """
    if program is None:
        return ""
    words = program.words_after
    given = words[: words.index("--")] if "--" in words else words
    ours = [word.partition("=")[0] for word in given if is_ours(word)]
    found = [word for word in dict.fromkeys(ours) if _is_lost(word, program)]
    if not found:
        return ""
    return (
        f"{', '.join(found)} after {program.name} went to the program. Options of tracetools stand"
        f" before it: tracetools run {' '.join(found)} ... {program.name}"
    )


def _is_lost(word: str, program: Program) -> bool:
    if program.status == WRONG_USE:
        return True
    if program.source is not None:
        quoted = (f"{quote}{word}{quote}".encode() for quote in "'\"")
        return not any(each in program.source for each in quoted)
    return word not in _COMMON
