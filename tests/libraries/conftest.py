"""Checks that a test leaves nothing of ours in a library, and runs apps on both backends."""

from __future__ import annotations

import anyio
import pytest

from tests.libraries.apps import Recorded
from tracetools import record
from tracetools.libraries import opentelemetry, registry, spans
from tracetools.testing import FakeClock


@pytest.fixture(autouse=True)
def libraries_are_as_before():
    """Fail the test that leaves anything in a library, or has had a note that it did not expect."""
    registry._noted.clear()
    spans._complained.clear()
    yield
    left = registry.is_in(), dict(opentelemetry.spans)
    opentelemetry.spans.clear()
    assert left == (False, {})


@pytest.fixture(params=["asyncio", "trio"])
def backend(request):
    return request.param


@pytest.fixture
def recorded(backend):
    """Return what runs an async function while it is recorded, and keeps its stacks."""

    def run(main, *args, **options) -> Recorded:
        with record(clock=FakeClock(), await_stacks=False, **options) as recording:
            anyio.run(_program, main, args, backend=backend)
        recording.profile.check()
        return Recorded(recording.profile, _program.__qualname__)

    return run


async def _program(main, args):
    await main(*args)
