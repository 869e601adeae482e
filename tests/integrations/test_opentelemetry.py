"""The processor makes spans of ours of OpenTelemetry's, also beside a recording that does so."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tracetools.integrations.opentelemetry import TracetoolsSpanProcessor


@pytest.fixture
def provider():
    provider = TracerProvider()
    provider.add_span_processor(TracetoolsSpanProcessor())
    return provider


@pytest.mark.parametrize("integrations", [False, True])
def test_each_span_is_one_of_ours(recorded, provider, integrations):
    tracer = provider.get_tracer("tests")

    async def main():
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass

    found = recorded(main, integrations=integrations)
    assert found.entries() == {"outer": 1, "outer;inner": 1}
    assert found.line("inner")[0].endswith("test_opentelemetry.py")


def test_without_it_there_are_none(recorded):
    tracer = TracerProvider().get_tracer("tests")

    async def main():
        with tracer.start_as_current_span("none"):
            pass

    assert recorded(main, integrations=False).entries() == {}


def test_without_a_recording_spans_go_on(provider):
    with provider.get_tracer("tests").start_as_current_span("work"):
        pass
    assert provider.force_flush()
    provider.shutdown()
