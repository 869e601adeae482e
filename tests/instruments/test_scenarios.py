"""Every scenario of the table, in every mode of every instrument, with `==`."""

from __future__ import annotations

from collections import defaultdict

import anyio
import pytest
import trio
import trio.testing

from tests.scenarios import TABLE, Scenario, World
from tracetools import FlamegraphInstrument, Profile
from tracetools.stacks import Times

TRIOS_OWN = {"Runner.init", "EntryQueue.task"}


class Waiting(trio.abc.Instrument):
    """Lets the time that a scenario rests for pass while the loop waits."""

    def before_io_wait(self, timeout: float) -> None:
        World.loop_waits.set()

    def after_io_wait(self, timeout: float) -> None:
        World.loop_waits.clear()
        World.clock.tick(World.waiting)
        World.waiting = 0


def run_directly(main, instrument):
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(main, clock=clock, instruments=[instrument, Waiting()])


def run_as_guest(main, instrument):
    """Run trio on top of the simplest host loop there is."""
    import queue

    todo, done = queue.Queue(), []
    trio.lowlevel.start_guest_run(
        main,
        clock=trio.testing.MockClock(autojump_threshold=0),
        instruments=[instrument, Waiting()],
        run_sync_soon_threadsafe=todo.put,
        done_callback=done.append,
    )
    while not done:
        todo.get()()
    done[0].unwrap()


def run_through_anyio(main, instrument):
    options = {
        "instruments": [instrument, Waiting()],
        "clock": trio.testing.MockClock(autojump_threshold=0),
    }
    anyio.run(main, backend="trio", backend_options=options)


def run_beside_another(main, instrument):
    """Run with a second instrument in the same run: both see the same."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    other = FlamegraphInstrument(instrument.write().with_name("other"), clock=World.clock)
    trio.run(main, clock=clock, instruments=[instrument, Waiting(), other])
    assert by_name(other.profile) == by_name(instrument.profile)


MODES = [run_directly, run_as_guest, run_through_anyio, run_beside_another]


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.__name__)
@pytest.mark.parametrize("name", TABLE)
def test_profile_is_exactly_as_expected(name, mode, scheduled, tmp_path):
    scenario = TABLE[name]
    World.waiting = 0
    instrument = FlamegraphInstrument(
        tmp_path / "stack", clock=World.clock, scheduled=scheduled, flush_interval=None
    )
    begun = World.clock.now
    mode(scenario.main, instrument)
    profile = instrument.profile
    profile.check()
    found = by_name(profile)
    for stack, times in expected(name, scenario).items():
        # what depends on the order in which trio runs its tasks is left open by a None
        known = {key: value for key, value in times.items() if value is not None}
        assert {key: getattr(found[stack], key) for key in known} == known, stack
    assert len(found) == len(scenario.stacks)
    assert profile.duration == World.clock.now - begun
    assert profile.waiting == scenario.waiting


def by_name(profile: Profile) -> dict[str, Times]:
    """Return the numbers of a profile by names, without trio's own tasks.

    Scheduled time is added to idle time: a table for both cannot know which is measured.
    """
    found: dict[str, Times] = defaultdict(Times)
    for path, times in profile.stacks.items():
        names = [frame.name for frame in path]
        if len(names) > 1 and names[1] not in TRIOS_OWN:
            idle = times.idle + times.scheduled
            found[";".join(names[1:])] = found[";".join(names[1:])].plus(
                times._replace(idle=idle, scheduled=0)
            )
    return dict(found)


def expected(name: str, scenario: Scenario) -> dict[str, dict[str, int | None]]:
    table = {}
    for stack, (busy, idle, steps, entries, *thread) in scenario.stacks.items():
        path = name + stack if stack.startswith(";") else stack
        table[path] = {
            "busy": busy,
            "idle": idle,
            "steps": steps,
            "entries": entries,
            "thread": thread[0] if thread else 0,
        }
    return table
