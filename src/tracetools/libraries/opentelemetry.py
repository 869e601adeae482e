"""Spans of OpenTelemetry, and so of logfire, as spans of ours, in the task that has started them.

They may end in another task, out of order, twice, or never: that is what `close_span` is for. One
that is never ended stays open as long as its task lives, or until the program has no reference to
it any more.

Attributes:
    spans: those that are open, with the numbers of their traces.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from tracetools import compat
from tracetools.attribution.functions import is_ours
from tracetools.core.interruptions import is_interruption
from tracetools.core.labels import stable_name
from tracetools.core.stacks import Frame
from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import Names, begin
from tracetools.recording.current import close_span
from tracetools.recording.traces import note_trace, wanting

if TYPE_CHECKING:
    from tracetools.libraries.places import Places
    from tracetools.recording.current import Opening

__all__ = ["TraceOf", "end", "install", "spans", "start", "trace_of"]


def install(places: Places) -> None:
    """Open and close a span with every one that the SDK records, of whatever provider."""
    module = "opentelemetry.sdk.trace"
    places.wrap(module, "Span.start", ("self",), _started)
    places.wrap(module, "Span.end", ("self",), _ended)


def _started(original: Any) -> Any:
    @functools.wraps(original)
    def start_span(self: Any, *args: Any, **options: Any) -> Any:
        try:
            result = original(self, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise
        start(self)
        return result

    return start_span


def _ended(original: Any) -> Any:
    @functools.wraps(original)
    def end_span(self: Any, *args: Any, **options: Any) -> Any:
        end(self)
        try:
            return original(self, *args, **options)
        except BaseException as error:
            hide_frame(error)
            raise

    return end_span


class TraceOf(NamedTuple):
    """A span that is open, and where OpenTelemetry has it.

    Attributes:
        opened: what was opened for it.
        trace_id: the number of its trace, of 128 bits.
        span_id: its own number, of 64 bits.
        span: the span, which is not kept alive.
    """

    opened: Opening
    trace_id: int
    span_id: int
    span: ref[Any]


_MOST_OPEN: Final = 10_000
spans: Final[dict[tuple[int, int], TraceOf]] = {}


def trace_of(opened: Opening) -> TraceOf | None:
    """Return the trace that an open span belongs to; None for one that is not OpenTelemetry's."""
    return next((each for each in list(spans.values()) if each.opened is opened), None)


def start(span: Any) -> None:
    """Open a span for one that has started; a second time does nothing."""
    key = _key(span)
    if key is None or key in spans:
        return
    opened = begin(_frame, span)
    if opened is None:
        return
    while len(spans) >= _MOST_OPEN:  # the program does not end its spans
        _close(next(iter(spans), key))
    gone = ref(span, functools.partial(_gone, key))
    spans[key] = TraceOf(opened, *key, gone)
    if wanting:
        note_trace(opened, key[0])


def end(span: Any) -> None:
    """Close the span for one that ends; do nothing if there is none."""
    key = _key(span)
    if key is not None:
        _close(key)


def _gone(key: tuple[int, int], _: object) -> None:
    """Close the span for one that the program has dropped."""
    _close(key)


def _close(key: tuple[int, int]) -> None:
    known = spans.pop(key, None)
    if known is not None:
        close_span(known.opened)


def _key(span: Any) -> tuple[int, int] | None:
    """Return the numbers of the trace and the span; None where they cannot be had."""
    try:
        context = span.get_span_context()
        key = context.trace_id, context.span_id
    except Exception as error:
        if is_interruption(error):
            raise
        return None
    return key


# ------------------------------------------------------------------------------------------ frames


def _frame(span: Any) -> Frame:
    attributes = span.attributes or {}
    file, line = _said(attributes, _FILES), _said(attributes, _LINES)
    if not isinstance(file, str) or not isinstance(line, int):
        file, line = _caller()
    return Frame(_names.told_apart((file, line), stable_name(span.name), _OTHER), file, line)


_names: Final = Names()
_OTHER: Final = "(other spans)"
"""The name of those that a place starts after many others, as with a number in each name."""


_FILES: Final = ("code.file.path", "code.filepath")
_LINES: Final = ("code.line.number", "code.lineno")
"""The attributes that say where a span is started, by their new and old names."""


def _said(attributes: Any, names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)


_LIBRARIES: Final = ("opentelemetry", "logfire", "contextlib")
_MOST_FRAMES: Final = 32


def _caller() -> tuple[str | None, int]:
    """Return the line of the program that starts a span, or of what does so for it."""
    frame = compat.getframe(2)
    for _ in range(_MOST_FRAMES):
        if frame is None:
            break
        name = str(frame.f_globals.get("__name__"))
        if name.partition(".")[0] not in _LIBRARIES and not is_ours(frame.f_code):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return None, 0
