"""Which trace of OpenTelemetry a slow span belongs to, so that each finds the other.

A trace is noted for a span of ours when that is opened: for one of OpenTelemetry's, for a span of a
library in which OpenTelemetry has a current span, and for a request that says its trace. Nothing is
imported for it, and nothing is done unless slow spans are kept.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.accounting import TaskAccount
from tracetools.core.interruptions import is_interruption
from tracetools.core.journal import MOST_LOOPS

if TYPE_CHECKING:
    from tracetools.recording.current import Opening
    from tracetools.timelines.timeline import SpanTime, Timeline

__all__ = ["Traces", "note_call", "note_trace", "trace_of_scope", "wanting"]

_MOST: Final = 20_000
_MOST_SPAWNERS: Final = 64


class Traces:
    """The traces of the last spans of a recording that have any. Any thread may note and ask."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int], int] = {}

    def note(self, loop: int, task: int, begin: int, trace_id: int) -> None:
        """Note the trace of a span, which is known by its loop, its task, and its begin."""
        while len(self._known) >= _MOST:
            self._known.pop(next(iter(self._known)), None)
        self._known[loop % MOST_LOOPS, task, begin] = trace_id

    def of(self, timeline: Timeline, loop: int) -> str:
        """Return the trace that the subject of a timeline belongs to; empty if none is known.

        That is the trace of the innermost span around it; else of the first one within it; else
        that in which its task was spawned, and so on.
        """
        subject = timeline.subject
        if subject is None or not self._known:
            return ""
        noted: dict[int, list[tuple[SpanTime, int]]] = {}
        for span in {*timeline.spans, subject}:
            found = self._known.get((loop % MOST_LOOPS, span.task, span.begin))
            if found is not None:
                noted.setdefault(span.task, []).append((span, found))
        task, begin, end = subject.task, subject.begin, subject.end
        for _ in range(_MOST_SPAWNERS):
            trace_id = _nearest(noted.get(task, []), begin, end)
            life = timeline.lives.get(task)
            if trace_id or life is None or life.spawner is None:
                return f"{trace_id:032x}" if trace_id else ""
            task, begin, end = life.spawner, life.born, life.born
        return ""


def _nearest(noted: list[tuple[SpanTime, int]], begin: int, end: int | None) -> int:
    around = [each for each in noted if each[0].begin <= begin and not _is_over(each[0], begin)]
    if around:
        return max(around, key=_begin)[1]
    within = [
        each for each in noted if begin < each[0].begin and (end is None or _begin(each) < end)
    ]
    return min(within, key=_begin)[1] if within else 0


def _is_over(span: SpanTime, moment: int) -> bool:
    return span.end is not None and span.end <= moment


def _begin(noted: tuple[SpanTime, int]) -> int:
    return noted[0].begin


wanting: Final[set[Any]] = set()
"""The recordings that keep slow spans; while there are none, no trace is asked for."""


def note_trace(opened: Opening | None, trace_id: int) -> None:
    """Note the trace of a span that was opened just now, for those who want it."""
    for one in opened if isinstance(opened, list) else [opened]:
        account = getattr(one, "account", None)
        if type(account) is TaskAccount and one is not None:
            traces = getattr(account.loop.owner, "traces", None)
            if traces is not None and trace_id:
                traces.note(account.loop.number, account.number, one.since, trace_id)


def note_call(opened: Opening | None, arguments: tuple[Any, ...]) -> None:
    """Note the trace of a span around a call: the current one, or that which a request says."""
    try:
        note_trace(opened, _current() or next(filter(None, map(trace_of_scope, arguments)), 0))
    except Exception as error:  # a span without its trace is still a span
        if is_interruption(error):
            raise


def _current() -> int:
    """Return the number of OpenTelemetry's current trace, if the program has imported it."""
    module = sys.modules.get("opentelemetry.trace")
    if module is None:
        return 0
    return int(module.get_current_span().get_span_context().trace_id)


def trace_of_scope(scope: Any) -> int:
    """Return the trace that an ASGI scope says by its header ``traceparent``; 0 if it says none.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    if not isinstance(scope, dict) or scope.get("type") not in _REQUESTS:
        return 0
    said = [value for name, value in scope.get("headers", ()) if name.lower() == b"traceparent"]
    found = _TRACEPARENT.fullmatch(bytes(said[0])) if len(said) == 1 else None
    return int(found[1], 16) if found else 0


_REQUESTS: Final = ("http", "websocket")
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
