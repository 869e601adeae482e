"""One update as text, for pipes and files."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tracetools.commands.watching import page
from tracetools.commands.watching.rows import RESOURCES, SPANS, TABLES, TASKS
from tracetools.commands.watching.watch import Watch
from tracetools.live.updating import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.commands.watching.feed import Feed

__all__ = ["page_as_text", "watch_once"]

_MOST_TASKS: Final = 1000


def watch_once(feed: Feed, seconds: float, sleep: Callable[[float], object] = time.sleep) -> Watch:
    """Return what is known after a while: the numbers are of that time.

    Raises:
        DoorError: the program is gone.
    """
    watch = Watch(feed.about)
    watch.note = feed.note
    first = feed.update(Wanted())
    tasks = sum(loop.tasks for loop in first.loops)
    if feed.is_recorded:
        sleep(seconds)
    watch.take_update(feed.update(Wanted()), time.monotonic())
    if tasks <= _MOST_TASKS:
        watch.take_dump(feed.dump(), time.monotonic())
    return watch


def page_as_text(watch: Watch, width: int) -> str:
    """Return all tables that have rows, one below the other."""
    now = time.monotonic()
    lines = page.head(watch, width, now)
    for table in (SPANS, TASKS, RESOURCES):
        watch.view = replace(watch.view, table=TABLES.index(table))
        watch.cursor = None
        rows = watch.rows(now)
        if rows:
            lines += [(), *page.table_lines(watch, rows, width, len(rows) + 1)]
    found = page.tail(watch, width, now)
    lines += [(), *found] if found else []
    return "\n".join("".join(piece.text for piece in line).rstrip() for line in lines)
