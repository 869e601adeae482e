"""A processor of OpenTelemetry's spans that makes spans of ours of them; so for logfire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import SpanProcessor

from tracetools.libraries.opentelemetry import end, start

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

__all__ = ["TracetoolsSpanProcessor"]


class TracetoolsSpanProcessor(SpanProcessor):
    """Makes a span of ours of each that OpenTelemetry records, in the task that has started it.

    Use it as ``provider.add_span_processor(TracetoolsSpanProcessor())``, or with logfire as
    ``logfire.configure(additional_span_processors=[TracetoolsSpanProcessor()])``. Spans may end
    anywhere, in any order. Together with a recording that does so by itself, each is one span.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Open a span."""
        start(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Close it."""
        end(span)

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002
        """Do nothing; return True."""
        return True
