"""What is written of each period."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracetools import Profile, StackFileError
from tracetools.core.breakdown import Breakdown
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import Frame
from tracetools.fleet.batch import Source
from tracetools.fleet.folder import Folder
from tracetools.minutes.periods import Period
from tracetools.minutes.writing import MinuteWriter
from tracetools.testing import ScriptedLoop

SOURCE = Source("0" * 32, "shop")
MINUTE = 60_000_000_000
FRAME = Frame("a")
SLOW = {(FRAME,): SlowSpans(Breakdown(busy=5, duration=5, count=1))}


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = Folder(tmp_path / "minutes")
    found.make()
    return found


@pytest.fixture
def loop():
    made = ScriptedLoop(scheduled=True)
    yield made
    made.finish()


def period(index: int) -> Period:
    return Period(index * MINUTE, (index + 1) * MINUTE)


def work(loop: ScriptedLoop, nanoseconds: int) -> None:
    task = loop.spawn("a")
    loop.begin_step(task)
    loop.tick(nanoseconds)
    loop.end_step()
    loop.exit(task)


def test_each_file_has_what_was_recorded_in_its_minute(folder, loop):
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile)
    for index in range(3):
        work(loop, index + 5)
        writer.write(period(index))
    batches = [folder.read(file) for file in folder.files()]
    assert [batch.start for batch in batches] == [0, MINUTE, 2 * MINUTE]
    assert [batch.end for batch in batches] == [MINUTE, 2 * MINUTE, 3 * MINUTE]
    assert [batch.profile.busy for batch in batches] == [5, 6, 7]
    for batch in batches:
        batch.profile.check()
    whole = Profile.merge(*(batch.profile for batch in batches))
    assert whole.stacks == loop.profile.stacks
    assert writer.written == 3


def test_of_a_minute_in_which_no_loop_was_there_is_no_file(folder):
    writer = MinuteWriter(folder, SOURCE, Profile)
    assert writer.write(period(0)) is None
    assert folder.files() == []


def test_what_cannot_be_written_is_part_of_the_next_file(folder, loop):
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile)
    write = folder.write
    work(loop, 5)
    folder.write = _failing
    with pytest.raises(StackFileError):
        writer.write(period(0))
    work(loop, 6)
    with pytest.raises(StackFileError):
        writer.write(period(1))
    folder.write = write
    work(loop, 7)
    writer.write(period(2))
    [file] = folder.files()
    assert (file.start, file.length) == (0, 3 * MINUTE)
    assert folder.read(file).profile.busy == 5 + 6 + 7


def _failing(_):
    raise StackFileError("the disk is full")


def test_a_snapshot_that_makes_no_sense_loses_its_own_minute_alone(folder, loop):
    shown = [loop.profile]
    writer = MinuteWriter(folder, SOURCE, lambda: shown[-1])
    work(loop, 5)
    shown.append(loop.profile)
    writer.write(period(0))
    shown.append(replace(shown[0], start=1))
    with pytest.raises(ValueError, match="earlier snapshot"):
        writer.write(period(1))
    shown.append(replace(loop.profile, start=1))
    writer.write(period(2))
    assert [folder.read(file).start for file in folder.files()] == [0, 2 * MINUTE]


def test_slow_spans_are_in_the_minute_in_which_they_were_kept(folder, loop):
    taken = [SLOW, {}, SLOW]
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile, lambda: taken.pop(0))
    for index in range(3):
        work(loop, 5)
        writer.write(period(index))
    found = [dict(folder.read(file).profile.slow) for file in folder.files()]
    assert found == [SLOW, {}, SLOW]


def test_slow_spans_of_a_file_that_cannot_be_written_are_in_the_next_one(folder, loop):
    taken = [SLOW, SLOW]
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile, lambda: taken.pop(0))
    write, folder.write = folder.write, _failing
    work(loop, 5)
    with pytest.raises(StackFileError):
        writer.write(period(0))
    folder.write = write
    writer.write(period(1))
    [file] = folder.files()
    assert folder.read(file).profile.slow[FRAME,].breakdown.count == 2


def test_when_another_recording_goes_on_nothing_is_lost_and_nothing_counted_twice(folder, loop):
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile)
    work(loop, 5)
    writer.write(period(0))
    work(loop, 6)
    other = ScriptedLoop(scheduled=True)
    writer.begin_anew(loop.profile, lambda: other.profile)
    work(other, 7)
    writer.write(period(1))
    work(other, 8)
    writer.write(period(2))
    assert [folder.read(file).profile.busy for file in folder.files()] == [5, 6 + 7, 8]
    other.finish()


def test_the_last_profile_may_be_asked_for_twice(folder, loop):
    """A close after the last minute finds nothing new."""
    writer = MinuteWriter(folder, SOURCE, lambda: loop.profile)
    work(loop, 5)
    writer.write(period(0))
    assert writer.write(period(1)) is None
    assert replace(loop.profile, start=0).duration == 5
