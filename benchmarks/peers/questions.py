"""What is asked of each tool, and when its answer counts as right.

Only its own output is asked, for names that the programs have, and their truth is what the programs
have measured themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reading import Reading, longest, seconds

QUESTIONS: Final = {
    "computes": "which route computes",
    "blocks": "where the loop is blocked",
    "longest": "for how long at a time",
    "waits": "what tasks wait for",
    "tree": "a function by task tree, asyncio",
    "tree on trio": "the same on trio",
}
MOST_OFF: Final = 0.05
"""How far the share of a branch may be from the truth."""
SLEEP: Final = 0.12
"""What `server.py` sleeps at a time, in seconds."""
BRANCHES: Final = [
    (starter, kind) for starter in ("morning", "evening") for kind in ("thumbnail", "invoice")
]


def ask_of_server(reading: Reading, truth: Mapping[str, float]) -> dict[str, bool]:
    """Return which questions about `server.py` a reading answers."""
    return {
        "computes": _is_near(seconds(reading.busy, "report", "digest"), truth["computes"]),
        "blocks": _is_near(seconds(reading.busy, "read_settings"), truth["blocks"]),
        "longest": _is_near(longest(reading, "read_settings"), SLEEP),
        "waits": _is_near(seconds(reading.waits, "row", "(?:acquire|Semaphore)"), truth["waits"]),
    }


def ask_of_tasks(reading: Reading, truth: Mapping[str, float]) -> bool:
    """Return whether each branch of the task tree has its part of the function that all use."""
    found = {
        f"{starter} > {kind}": seconds(reading.busy, starter, kind, "checksum")
        for starter, kind in BRANCHES
    }
    true = {branch: truth[branch] for branch in found}
    whole, true_whole = sum(found.values()), sum(true.values())
    return whole > 0 and all(
        abs(found[branch] / whole - true[branch] / true_whole) <= MOST_OFF for branch in found
    )


def _is_near(found: float, true: float) -> bool:
    """Whether a time is the right one: a machine that does other work leaves much room."""
    return true / 2 <= found <= true * 2
