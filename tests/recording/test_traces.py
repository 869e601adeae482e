"""Slow spans know the trace of OpenTelemetry that they belong to."""

import asyncio
import gzip
import json

import pytest

from tracetools import record, slow, span
from tracetools.core.stacks import ROOT, Frame
from tracetools.integrations.asgi import TracetoolsMiddleware
from tracetools.recording import traces
from tracetools.recording.traces import Traces, note_call, trace_of_scope, wanting
from tracetools.timelines.timeline import Life, SpanTime, Timeline

A, B = 0xA, 0xB
PATH = (ROOT, Frame("x"))
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SAID = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


def found(noted, subject, *spans, lives=()):
    """Return the trace of a subject; `noted` has traces by task and begin."""
    known = Traces()
    for (task, begin), trace_id in noted.items():
        known.note(4096, task, begin, trace_id)
    lives = {life.number: life for life in lives}
    timeline = Timeline(0, 100, lives, spans=(*spans, subject), subject=subject)
    trace_id = known.of(timeline, 0)
    return int(trace_id, 16) if trace_id else None


def time(task, begin, end):
    return SpanTime(task, begin, end, PATH)


def test_the_innermost_span_around_it_counts():
    subject, outer, inner = time(1, 30, 40), time(1, 10, 60), time(1, 20, 50)
    assert found({(1, 10): A, (1, 20): B}, subject, outer, inner) == B
    assert found({(1, 10): A, (1, 30): B}, subject, outer) == B
    assert found({(1, 10): A}, subject, time(1, 10, None)) == A


def test_a_span_that_was_over_does_not_count_nor_does_that_of_another_task():
    subject = time(1, 30, 40)
    assert found({(1, 10): A}, subject, time(1, 10, 30)) is None
    assert found({(2, 10): A}, subject, time(2, 10, 60)) is None
    assert found({}, subject) is None


def test_without_one_around_it_the_first_one_within_counts():
    subject = time(1, 30, 60)
    within = time(1, 35, 40), time(1, 45, 50)
    assert found({(1, 35): A, (1, 45): B}, subject, *within) == A
    assert found({(1, 60): A}, subject, time(1, 60, 70)) is None


def test_a_task_is_in_the_trace_in_which_it_was_spawned():
    lives = [Life(3, PATH, 2, 30, 50), Life(2, PATH, 1, 20, 60), Life(1, PATH, None, 0, None)]
    subject = time(3, 35, 40)
    assert found({(1, 10): A}, subject, time(1, 10, 70), lives=lives) == A
    assert found({(1, 10): A}, subject, time(1, 10, 15), lives=lives) is None
    circle = [Life(3, PATH, 2, 30, 50), Life(2, PATH, 3, 20, 60)]
    assert found({(1, 10): A}, subject, time(1, 10, 70), lives=circle) is None


def test_a_timeline_without_a_subject_has_no_trace():
    assert Traces().of(Timeline(0, 1), 0) == ""


def test_the_last_ones_are_known(monkeypatch):
    monkeypatch.setattr(traces, "_MOST", 2)
    noted = {(1, begin): begin for begin in (10, 20, 30)}
    assert found(noted, time(1, 10, 15)) is None
    assert found(noted, time(1, 20, 25)) == 20


@pytest.mark.parametrize(
    ("said", "trace_id"),
    [
        (SAID, int(TRACE, 16)),
        (SAID.replace(b"00-", b"cc-", 1) + b"-more", int(TRACE, 16)),
        (SAID.replace(b"00-", b"ff-", 1), 0),
        (SAID.upper(), 0),
        (SAID[:-1], 0),
        (SAID.replace(TRACE.encode(), b"0" * 32), 0),
        (b"", 0),
    ],
)
def test_a_request_says_its_trace(said, trace_id):
    headers = [(b"host", b"x"), (b"TraceParent", said)]
    assert trace_of_scope({"type": "http", "headers": headers}) == trace_id
    assert trace_of_scope({"type": "lifespan", "headers": headers}) == 0


def test_a_request_that_says_two_says_none():
    headers = [(b"traceparent", SAID)] * 2
    assert trace_of_scope({"type": "websocket", "headers": headers}) == 0


def test_what_cannot_be_read_costs_the_trace_alone():
    note_call(None, ({"type": "http", "headers": 5},))


async def _request(headers):
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    await TracetoolsMiddleware(_app)(scope, _nothing, _nothing)


async def _app(*_):
    with span("within"):
        await asyncio.sleep(0)


async def _nothing(*_):
    pass


def kept_traces(recording):
    """Return the trace ids in the traces of the spans that are kept, by the name of the span."""
    return {
        page.name.partition("-")[0]: (
            json.loads(
                gzip.decompress(
                    page.with_name(page.name.removesuffix(".html") + ".trace.json.gz").read_bytes()
                )
            )["otherData"].get("trace_id"),
            f"trace {TRACE}" in page.read_text(),
        )
        for page in recording.kept
    }


def test_the_trace_of_a_request_is_in_its_page_and_its_trace(tmp_path):
    with record(tmp_path / "x", keep=slow(0)) as recording:
        asyncio.run(_request([(b"traceparent", SAID)]))
    assert kept_traces(recording) == {"HTTP": (TRACE, True), "within": (TRACE, True)}
    found = {path[-1].name: spans.traces for path, spans in recording.profile.slow.items()}
    assert [trace.trace_id for trace in found["within"]] == [TRACE]
    assert found["HTTP request"][0].latency > found["within"][0].latency > 0
    assert not wanting


def test_a_request_without_one_has_none(tmp_path):
    with record(tmp_path / "x", keep=slow(0)) as recording:
        asyncio.run(_request([]))
    assert kept_traces(recording)["HTTP"] == (None, False)


def test_the_current_span_of_opentelemetry_counts_for_spans_of_libraries(tmp_path):
    trace = pytest.importorskip("opentelemetry.trace")
    context = trace.SpanContext(int(TRACE, 16), 1, is_remote=True)

    async def main():
        with trace.use_span(trace.NonRecordingSpan(context)):
            await _request([])

    with record(tmp_path / "x", keep=slow(0)) as recording:
        asyncio.run(main())
    assert kept_traces(recording)["HTTP"] == (TRACE, True)


def test_a_span_of_opentelemetry_counts_for_what_is_in_it(tmp_path):
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    tracer = sdk.TracerProvider().get_tracer("tests")
    ids = []

    async def main():
        with tracer.start_as_current_span("otel") as started:
            ids.append(f"{started.get_span_context().trace_id:032x}")
            await _app()

    with record(tmp_path / "x", keep=slow(0)) as recording:
        asyncio.run(main())
    assert {name: found for name, (found, _) in kept_traces(recording).items()} == {
        "otel": ids[0],
        "within": ids[0],
    }
