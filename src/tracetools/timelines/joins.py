"""Who ends a wait for several tasks: the last of them, though a callback of the loop acts for it.

asyncio calls the done callbacks of a task after its last step: so `gather` and task groups wake
their task when no task steps.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.timelines.timeline import Life, Wait, Wake

__all__ = ["JOINS", "with_joined"]

JOINS: Final = (
    r"open_nursery|Nursery(?:\.start)?|gather|shield|wait|wait_for|as_completed|TaskGroup(?:\..*)?"
)
"""What is awaited by who waits for tasks, as its frame names it, without the word ``await``."""

_IS_JOIN: Final = re.compile(f"await (?:{JOINS})(?: \\(.*)?", re.DOTALL)


def with_joined(
    wakes: Iterable[Wake], waits: Iterable[Wait], lives: Mapping[int, Life]
) -> list[Wake]:
    """Return the wakes, with tasks as wakers of who has waited for them."""
    begins = {
        (wait.task, wait.end): wait.begin
        for wait in waits
        if wait.path and _IS_JOIN.fullmatch(wait.path[-1].name)
    }
    ended: dict[int, list[Life]] = {}
    for life in lives.values():
        if life.end is not None and life.spawner is not None and begins:
            ended.setdefault(life.spawner, []).append(life)
    found: list[Wake] = []
    for wake in wakes:
        begin = begins.get((wake.task, wake.moment))
        if begin is not None and wake.by in ("loop", "callback"):
            last = _last(ended.get(wake.task, ()), begin, wake.moment)
            if last is not None:
                wake = wake._replace(by="task", waker=last.number, path=last.path)  # noqa: PLW2901
        found.append(wake)
    return found


def _last(ended: Iterable[Life], begin: int, end: int) -> Life | None:
    """Return the task that exited last in a wait."""
    within = [life for life in ended if begin <= (life.end or 0) <= end]
    return max(within, key=lambda life: life.end or 0, default=None)
