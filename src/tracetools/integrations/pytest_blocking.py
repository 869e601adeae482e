"""The marker `max_blocking`: its argument, and what a step that took longer is told by."""

from __future__ import annotations

import linecache
import os
import re
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tracetools.integrations.pytest_names import MARKER
from tracetools.output.lints import amount, line_at_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import Blocks, StackPath

__all__ = ["Blocked", "complaint", "limit_of", "longest_block", "most_blocked"]

LEAST: Final = 0.001
"""Seconds. A shorter limit would be a matter of luck."""

_LONGEST: Final = 86_400
_MOST_TEXT: Final = 60
"""So many characters of a line of code are shown."""


class Blocked(NamedTuple):
    """Steps that blocked a loop at one line.

    Attributes:
        longest: how long the longest took, in nanoseconds.
        total: how long all took, in nanoseconds.
        steps: how many there were.
        where: the line and its text, such as ``app.py:22: time.sleep(0.2)``; or the function.
    """

    longest: int
    total: int
    steps: int
    where: str


def limit_of(item: pytest.Item) -> float | None:
    """Return the seconds of the test's marker; None if it has none of ours.

    A project may have registered a marker of this name itself, with other arguments.

    Raises:
        pytest.UsageError: it has wrong arguments. The message has the location of the test.
    """
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    given = [*marker.args, *(marker.kwargs.get(name) for name in marker.kwargs)]
    is_named = set(marker.kwargs) <= {"seconds"}
    if len(given) != 1 or not is_named or not _is_limit(given[0]):
        if _is_of_project(item.config):
            return None
        path, line, _ = item.location
        said = [*map(repr, marker.args), *(f"{k}={v!r}" for k, v in marker.kwargs.items())]
        raise pytest.UsageError(
            f"{path}:{(line or 0) + 1}: {item.name}: {MARKER}({', '.join(said)}) is not understood:"
            f" it takes seconds, from {LEAST} on, as in {MARKER}(0.05)"
        )
    return float(given[0])


def _is_of_project(config: pytest.Config) -> bool:
    """Whether the project or another plugin has registered a marker of this name as well."""
    names = [re.split(r"[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers")]
    return names.count(MARKER) > 1


def _is_limit(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return LEAST <= value <= _LONGEST


def longest_block(profile: Profile, seconds: float, here: str = os.curdir) -> Blocked | None:
    """Return the longest step that blocked a loop for longer; None if there is none.

    `here` was the working directory when the recording began.
    """
    limit = round(seconds * 1e9)
    longer = [(path, each) for path, each in _guilty(profile, limit) if each.max > limit]
    if not longer:
        return None
    return _described(*max(longer, key=lambda found: found[1].max), here)


def most_blocked(profile: Profile, here: str = os.curdir) -> Blocked | None:
    """Return what blocked the loops most; None if nothing did. The numbers are of all lines."""
    found = list(_guilty(profile, profile.blocking_threshold))
    if not found:
        return None
    heaviest = _described(*max(found, key=lambda each: each[1].total), here)
    return heaviest._replace(
        longest=max(each.max for _, each in found),
        total=sum(each.total for _, each in found),
        steps=sum(each.count for _, each in found),
    )


def _guilty(profile: Profile, limit: int | None) -> Iterator[tuple[StackPath, Blocks]]:
    """Walk over blocking steps, but for those that something outside of the test has delayed."""
    for path, blocks in profile.blocking.items():
        if blocks.count and not blocks.is_innocent(limit):
            yield path, blocks


def _described(path: StackPath, blocks: Blocks, here: str) -> Blocked:
    line = line_at_fault(path)
    where = line or path[-1].label
    text = _text_of(here, path[-1].file or "", path[-1].line) if line else ""
    return Blocked(blocks.max, blocks.total, blocks.count, f"{where}: {text}" if text else where)


def _text_of(here: str, file: str, number: int) -> str:
    """Return a line of a file whose path was made relative; nothing if it cannot be read."""
    for folder in (here, *sys.path):
        path = os.path.join(folder, file) if isinstance(folder, str) else ""
        if os.path.isfile(path):
            text = linecache.getline(os.path.abspath(path), number).strip()
            return text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 3] + "..."
    return ""


def complaint(name: str, blocked: Blocked, seconds: float) -> str:
    """Return what a test fails with that has blocked its loop for longer than it may."""
    return (
        f"{name}: the loop was blocked for {amount(blocked.longest)} at {blocked.where}\n"
        f"(one step may take {amount(round(seconds * 1e9))}: {MARKER}({seconds:g}))"
    )
