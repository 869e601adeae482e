"""Pages of slow spans, which are kept in memory: a bounded number of them."""

from __future__ import annotations

import gzip
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.timeline.page import timeline_page
from tracetools.recording.recorder import program_name
from tracetools.timelines.notes import Notes
from tracetools.web.recordings import OURS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tracetools.recording.keeper import Kept

__all__ = ["KeptPage", "KeptPages"]

_MOST: Final = 200
_MOST_BYTES: Final = 32 << 20


class KeptPage(NamedTuple):
    """The page of a slow span.

    Attributes:
        key: what it has in its address.
        name: the name of the span.
        latency: how long it lasted, in nanoseconds.
        moment: when it was kept, in seconds of the epoch.
        why: for what it is kept.
        trace_id: the trace of OpenTelemetry that it belongs to; empty for none.
        body: its HTML, gzipped; empty if it is in a file.
        path: of the file.
    """

    key: str
    name: str
    latency: int
    moment: float
    why: str
    trace_id: str
    body: bytes
    path: Path | None = None


class KeptPages:
    """Keeps pages of slow spans in memory: the last ones, if there are too many.

    Args:
        blocking: steps that last longer, in nanoseconds, are marked; ``None`` for none.
    """

    folder: Path | None = None
    paths: tuple[Path, ...] = ()

    def __init__(self, blocking: int | None = None) -> None:
        self._blocking = blocking
        self._pages: dict[str, KeptPage] = {}
        self._count = 0
        self._lock = threading.Lock()

    @property
    def pages(self) -> list[KeptPage]:
        """Those that there are, the slowest ones first."""
        with self._lock:
            found = list(self._pages.values())
        return sorted(found, key=lambda page: (-page.latency, page.key))

    def page(self, key: str) -> KeptPage | None:
        """Return a page by its key."""
        return self._pages.get(key)

    def keep(self, kept: Kept) -> Callable[[], None]:
        """Keep the page of a slow span, and return what removes it."""
        if kept.timeline.subject is None or _is_ours(kept):
            return _nothing
        notes = Notes(program_name(), kept.trace_id, self._blocking, kept.critical)
        body = gzip.compress(timeline_page(kept.timeline, notes).encode(), 5)
        why = f"ended by {kept.detail}" if kept.why == "error" else kept.why
        with self._lock:
            self._count += 1
            key = str(self._count)
            self._pages[key] = KeptPage(
                key, kept.name, kept.latency, time.time(), why, kept.trace_id, body
            )
            self._bound()
        return lambda: self._remove(key)

    def _bound(self) -> None:
        size = sum(len(page.body) for page in self._pages.values())
        while len(self._pages) > _MOST or size > _MOST_BYTES:
            size -= len(self._pages.pop(next(iter(self._pages))).body)

    def _remove(self, key: str) -> None:
        with self._lock:
            self._pages.pop(key, None)


def _is_ours(kept: Kept) -> bool:
    """Whether a request of ours made it slow: it records for seconds, and does nothing."""
    subject = kept.timeline.subject
    return subject is not None and any(
        OURS in each.path for each in kept.timeline.spans if each.task == subject.task
    )


def _nothing() -> None:
    """Remove nothing."""
