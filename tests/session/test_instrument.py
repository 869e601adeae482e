"""`FlamegraphInstrument`: what it is to trio and to its user."""

from __future__ import annotations

import functools

import pytest
import trio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.libraries.apps import get
from tracetools import FlamegraphInstrument, StackFileError
from tracetools.output.formats.folded import read_folded
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(tmp_path, clock):
    """Return a maker of instruments under the fake clock, without a thread that flushes."""
    return functools.partial(
        FlamegraphInstrument, tmp_path / "stack", clock=clock, flush_interval=None
    )


def test_it_is_an_instrument_and_hashable(make):
    instrument = make()
    assert isinstance(instrument, trio.abc.Instrument)
    assert {instrument: 1}[instrument] == 1
    assert instrument != make()


def test_the_file_is_created_at_construction_and_its_suffix_forced(make, tmp_path):
    make()
    assert (tmp_path / "stack.folded").exists()


def test_a_file_that_cannot_be_written_fails_at_construction(tmp_path):
    with pytest.raises(StackFileError, match=r"no/such/place\.folded"):
        FlamegraphInstrument(tmp_path / "no/such/place")


def test_the_flamegrapher_is_handed_out_with_its_stack_file_set(make, clock, tmp_path):
    instrument = make()

    async def main():
        clock.tick(5_000_000)

    trio.run(main, instruments=[instrument])
    assert instrument.flamegrapher.write_flamegraph() == tmp_path / "stack.svg"
    assert "main" in (tmp_path / "stack.svg").read_text()


def test_the_profile_and_the_file_can_be_had_while_it_runs(make, clock, tmp_path):
    instrument = make()

    async def main():
        clock.tick(5_000)
        assert instrument.profile.busy == 5_000
        assert instrument.write() == tmp_path / "stack.folded"
        assert sum(read_folded(tmp_path / "stack.folded").stacks.values()) == 5
        clock.tick(2_000)

    trio.run(main, instruments=[instrument])
    assert instrument.profile.busy == 7_000
    assert sum(read_folded(tmp_path / "stack.folded").stacks.values()) == 7


def test_routes_are_spans_as_in_other_recordings(make):
    async def report(request):
        return PlainTextResponse("report")

    def main(**options):
        instrument = make(**options)
        app = Starlette(routes=[Route("/report/{year}", report)])
        trio.run(get, app, "/report/2024", instruments=[instrument])
        return {path[-1].name for path in instrument.profile.stacks}

    assert "GET /report/{year}" in main()
    assert "GET /report/{year}" not in main(integrations=False)
