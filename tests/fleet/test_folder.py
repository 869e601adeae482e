"""Profiles by the minute in a folder."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools import Profile, StackFileError
from tracetools.core.stacks import ROOT, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.folder import Folder, Pruned, mark_of, minute_file
from tracetools.output.formats.reading import read

MINUTE = 60_000_000_000
NOW = 1_800_000_000 * 1_000_000_000
SOURCE = Source("0" * 31 + "a", "shop", "1.2", "web-1", 7, {"team": "é"})
OTHER = Source("0" * 31 + "b", "till")
URL = "pyroscope+http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = Folder(tmp_path / "minutes")
    found.make()
    found.write_source(SOURCE)
    return found


def batch(index: int = 0, source: Source = SOURCE, busy: int = 5) -> Batch:
    start = NOW + index * MINUTE
    profile = Profile(stacks={(ROOT,): Times(busy=busy)}, duration=busy, start=start, runs=1)
    return Batch(source, start, start + MINUTE, profile)


def names(folder: Folder) -> list[str]:
    return [file.path.name for file in folder.files()]


# ------------------------------------------------------------------------------------- files


def test_what_is_written_is_read_again(folder):
    written = folder.write(batch())
    [file] = folder.files()
    assert file == written
    assert folder.read(file) == batch()


def test_a_batch_has_the_same_id_when_it_is_read_again(folder):
    odd = batch()
    odd = Batch(odd.source, odd.start + 123_456_789, odd.end + 987_654, odd.profile)
    assert folder.read(folder.write(odd)).id == odd.id


def test_the_name_says_when_whose_and_how_long(folder):
    folder.write(batch())
    assert names(folder) == [
        "20270115T080000.000Z-60000ms-shop-0000000000000000000000000000000a.profile.json"
    ]


def test_a_file_is_a_profile_as_any_other(folder):
    file = folder.write(batch())
    assert read(file.path).content == batch().profile


def test_files_are_private_and_so_is_the_folder(folder):
    file = folder.write(batch())
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder.path, file.path)]
    assert modes == [0o700, 0o600]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()} == {0o600}


def test_the_oldest_come_first_whoever_wrote_them(folder):
    for index, source in ((2, SOURCE), (0, OTHER), (1, SOURCE), (1, OTHER)):
        folder.write(batch(index, source))
    starts = [(file.start - NOW) // MINUTE for file in folder.files()]
    assert starts == [0, 1, 1, 2]


@given(
    start=st.integers(0, 250_000_000_000 * 10**9),
    length=st.integers(0, 10**15),
    service=st.text(max_size=100),
)
def test_any_name_is_understood_again(tmp_path_factory, start, length, service):
    folder = Folder(tmp_path_factory.mktemp("names"))
    made = Batch(Source("f" * 32, service), start, start + length, Profile(start=start))
    file = folder.write(made)
    assert minute_file(file.path) == file
    assert abs(file.start - start) < 1_000_000
    assert len(file.path.name.encode()) < 200


@pytest.mark.parametrize(
    "name",
    [
        "stack.profile.json",
        "20261399T223500.000Z-1ms-a-00000000000000000000000000000000.profile.json",
        "20261130T223500.000Z-1ms-a-0.profile.json",
        "..profile.json",
    ],
)
def test_other_files_are_left_alone(folder, name):
    (folder.path / name).write_text("mine")
    assert folder.files() == []
    assert folder.prune(0, 0) == Pruned()
    assert (folder.path / name).exists()


def test_a_folder_that_others_may_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(StackFileError, match="chmod 700"):
        Folder(tmp_path).make()


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackFileError, match="cannot make the folder"):
        Folder(tmp_path / "file").make()


def test_a_folder_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(StackFileError, match="cannot read"):
        Folder(tmp_path / "none").files()


# ------------------------------------------------------------------------------------- sources


def test_without_its_source_a_file_has_the_service_of_its_name(folder):
    file = folder.write(batch(source=OTHER))
    assert folder.read(file).source == Source(OTHER.instance, "till")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"service": 5, "version": "", "host": "", "pid": 1, "attributes": {}}',
        '{"service": "a", "version": "", "host": "", "pid": "x", "attributes": {}}',
        '{"service": "a", "version": "", "host": "", "pid": 1, "attributes": {"a": []}}',
        '{"service": "a", "version": "", "host": "", "pid": 1, "attributes": 7}',
        "[" * 50_000,
    ],
)
def test_a_broken_source_is_as_none(folder, text):
    file = folder.write(batch())
    (folder.path / f"{SOURCE.instance}.source.json").write_text(text)
    assert folder.read(file).source == Source(SOURCE.instance, "shop")


# ------------------------------------------------------------------------------------- marks


def test_what_was_sent_is_not_sent_again(folder):
    mark = mark_of(URL)
    for index in range(2):
        folder.write(batch(index))
    first, second = folder.unsent(mark)
    folder.mark(first, mark)
    assert folder.unsent(mark) == [second]
    assert len(folder.files()) == 2
    assert [folder.read(file).start for file in folder.files()] == [NOW, NOW + MINUTE]


def test_each_engine_has_a_mark_of_its_own(folder):
    one, other = mark_of(URL), mark_of(URL + "0")
    folder.write(batch())
    folder.mark(folder.unsent(one)[0], one)
    [file] = folder.unsent(other)
    folder.mark(file, other, "refused")
    assert folder.unsent(one) == folder.unsent(other) == []


def test_a_file_that_somebody_else_has_marked_is_left_alone(folder):
    mark = mark_of(URL)
    file = folder.write(batch())
    folder.mark(file, mark)
    folder.mark(file, mark)
    assert len(folder.files()) == 1


def test_only_those_of_one_process_may_be_asked_for(folder):
    folder.write(batch())
    folder.write(batch(source=OTHER))
    assert [file.instance for file in folder.unsent("0" * 8, OTHER.instance)] == [OTHER.instance]


# ------------------------------------------------------------------------------------- bounds


def size_of(folder: Folder) -> int:
    return sum(path.stat().st_size for path in folder.path.iterdir())


def test_the_oldest_go_first_until_the_others_are_within_the_bounds(folder):
    for index in range(10):
        folder.write(batch(index))
    most = size_of(folder) - folder.files()[0].path.stat().st_size
    assert folder.prune(most, 1e9, now=lambda: NOW / 1e9) == Pruned(1, 0)
    assert len(folder.files()) == 9
    assert size_of(folder) <= most
    assert folder.files()[0].start == NOW + MINUTE


def test_what_is_too_old_goes(folder):
    for index in range(10):
        folder.write(batch(index))
    now = (NOW + 10 * MINUTE) / 1e9
    assert folder.prune(1e9, 180, now=lambda: now).files == 6
    assert [file.start for file in folder.files()] == [NOW + i * MINUTE for i in range(6, 10)]


def test_files_that_were_not_sent_are_counted(folder):
    mark = mark_of(URL)
    for index in range(3):
        folder.write(batch(index))
    folder.mark(folder.files()[0], mark)
    assert folder.prune(0, 1e9, mark=mark) == Pruned(3, 2)


def test_a_file_from_a_time_to_come_is_not_old(folder):
    folder.write(batch())
    assert folder.prune(1e9, 1, now=lambda: NOW / 1e9 - 10_000) == Pruned()


def test_the_source_of_a_process_goes_with_its_last_file_when_it_is_over(folder):
    source = folder.path / f"{SOURCE.instance}.source.json"
    folder.write(batch())
    os.utime(source, (0, 0))
    folder.prune(1e9, 1e9, now=lambda: NOW / 1e9)
    assert source.exists()
    folder.prune(0, 1e9, keep=[SOURCE.instance], now=lambda: NOW / 1e9)
    assert source.exists()
    folder.prune(0, 1e9, now=lambda: NOW / 1e9)
    assert not source.exists()


def test_what_a_killed_process_left_half_done_goes_after_an_hour(folder):
    left = folder.path / ".tracetools-77-0123abcd.tmp"
    left.write_text("half")
    folder.prune(1e9, 1e9)
    assert left.exists()
    os.utime(left, (0, 0))
    folder.prune(1e9, 1e9)
    assert not left.exists()
