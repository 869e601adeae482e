"""Spans of OpenTelemetry are spans of ours, wherever and however often they end."""

from __future__ import annotations

import gc
import sys
import threading

import anyio
import pytest
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tracetools import record, span
from tracetools.libraries import opentelemetry as ours
from tracetools.libraries import spans


@pytest.fixture
def tracer():
    return TracerProvider().get_tracer("tests")


def test_a_span_is_one_of_ours_at_the_line_that_starts_it(recorded, tracer):
    async def main():
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            await anyio.lowlevel.checkpoint()

    found = recorded(main)
    assert found.entries() == {"outer": 1, "outer;inner": 1}
    file, line = found.line("inner")
    assert file.endswith("test_opentelemetry.py")
    assert line == main.__code__.co_firstlineno + 1


def test_a_span_that_says_its_line_has_it(recorded, tracer):
    async def main():
        said = {"code.filepath": "/elsewhere/app.py", "code.lineno": 12}
        with tracer.start_as_current_span("said", attributes=said):
            pass

    assert recorded(main).line("said") == ("/elsewhere/app.py", 12)


def test_names_with_numbers_do_not_make_stacks_without_end(recorded, tracer):
    most = spans._MOST_NAMES

    async def main():
        for number in range(most + 10):
            with tracer.start_as_current_span(f"job {number}"):
                pass
        with tracer.start_as_current_span("elsewhere"):
            pass

    found = recorded(main).entries()
    assert len(found) == most + 2
    assert found["(other spans)"] == 10
    assert found[f"job {most - 1}"] == found["elsewhere"] == 1


def test_its_trace_is_known_while_it_is_open(recorded, tracer):
    async def main():
        before = set(ours.spans)
        with tracer.start_as_current_span("work") as started:
            [known] = [known for key, known in ours.spans.items() if key not in before]
            context = started.get_span_context()
            assert (known.trace_id, known.span_id) == (context.trace_id, context.span_id)
            assert known.span() is started
            assert ours.trace_of(known.opened) is known
        assert ours.trace_of(known.opened) is None

    recorded(main)


def test_a_span_may_end_in_another_task_out_of_order_and_twice(recorded, tracer):
    async def end(started):
        with span("other"):
            started.end()
            started.end()

    async def main():
        first, second = tracer.start_span("first"), tracer.start_span("second")
        first.end()
        with span("between"):
            pass
        async with anyio.create_task_group() as group:
            group.start_soon(end, second)
        with span("after"):
            pass

    found = recorded(main).entries()
    assert found["first;second"] == found["first;second;between"] == found["after"] == 1


def test_a_span_may_end_in_a_thread(recorded, tracer):
    async def main():
        started = tracer.start_span("work")
        thread = threading.Thread(target=started.end)
        thread.start()
        thread.join()
        await anyio.lowlevel.checkpoint()
        with span("after"):
            pass

    assert recorded(main).entries() == {"work": 1, "after": 1}


def test_a_span_that_the_program_drops_is_closed(recorded, tracer):
    async def main():
        tracer.start_span("dropped")
        gc.collect()
        with span("after"):
            pass

    found = recorded(main)
    assert found.entries() == {"dropped": 1, "after": 1}
    assert sum(times.left_open for times in found.profile.stacks.values()) == 0


def test_a_span_that_never_ends_is_left_open_with_its_task(recorded, tracer):
    async def main():
        kept.append(tracer.start_span("kept"))

    kept: list[object] = []
    found = recorded(main)
    assert sum(times.left_open for times in found.profile.stacks.values()) == 1
    kept.clear()
    assert ours.spans == {}


def test_spans_that_never_end_are_bounded(recorded, tracer, monkeypatch):
    monkeypatch.setattr(ours, "_MOST_OPEN", 5)

    async def main():
        kept = [tracer.start_span("kept") for _ in range(20)]
        assert len(ours.spans) == 5
        for started in kept:
            started.end()

    found = recorded(main)
    assert sum(times.left_open for times in found.profile.stacks.values()) == 0


def test_a_span_from_before_a_recording_may_end_in_it(recorded, tracer):
    started = tracer.start_span("before")

    async def main():
        started.end()

    assert recorded(main).entries() == {}


def test_a_span_may_end_after_the_recording(tracer):
    async def main():
        async with record(await_stacks=False) as recording:
            started = tracer.start_span("late")
        started.end()
        recording.profile.check()

    anyio.run(main)
    gc.collect()
    assert ours.spans == {}


def test_a_span_that_is_not_sampled_is_none(recorded):
    tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("tests")

    async def main():
        with tracer.start_as_current_span("off"):
            pass

    assert recorded(main).entries() == {}


def test_processors_of_the_program_see_what_they_would(recorded):
    seen = []

    class Processor(SpanProcessor):
        def on_start(self, span, parent_context=None):
            seen.append(("start", span.name))

        def on_end(self, span):
            seen.append(("end", span.name))

    provider = TracerProvider()
    provider.add_span_processor(Processor())

    async def main():
        with provider.get_tracer("tests").start_as_current_span("work"):
            pass

    recorded(main)
    assert seen == [("start", "work"), ("end", "work")]


def test_what_a_processor_raises_passes_through_without_frames_of_ours(recorded):
    class Failing(SpanProcessor):
        def on_start(self, span, parent_context=None):
            raise ValueError("wrong")

    provider = TracerProvider()
    provider.add_span_processor(Failing())

    async def main():
        with pytest.raises(ValueError, match="wrong") as caught:
            provider.get_tracer("tests").start_span("work")
        files = [str(entry.path) for entry in caught.traceback]
        assert sys.version_info < (3, 11) or not any("tracetools/lib" in file for file in files)

    assert recorded(main).entries() == {}


def test_a_span_without_a_context_is_none(recorded):
    async def main():
        ours.start(object())
        ours.end(object())

    assert recorded(main).entries() == {}


def test_after_the_recording_all_is_as_before(recorded, tracer):
    before = Span.start, Span.end

    async def main():
        assert (Span.start, Span.end) != before

    recorded(main)
    assert (Span.start, Span.end) == before


def test_a_span_in_a_thread_is_not_in_a_recording_without_integrations(backend, tracer):
    def work():
        with tracer.start_as_current_span("library"), span("own"):
            pass

    async def main():
        await anyio.to_thread.run_sync(work)

    with (
        record(await_stacks=False) as showing,
        record(await_stacks=False, integrations=False) as plain,
    ):
        anyio.run(main, backend=backend)
    found = []
    for recording in (showing, plain):
        recording.profile.check()
        found.append({frame.name for path in recording.profile.stacks for frame in path})
    assert {"library", "own"} <= found[0]
    assert "library" not in found[1]
    assert "own" in found[1]
