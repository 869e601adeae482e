"""What child processes keep is found by the first process, and bounded."""

import json
import os
from pathlib import Path

import pytest

from tracetools.commands.running import kept as module
from tracetools.commands.running.family import Family
from tracetools.commands.running.kept import ChildFiles, read_kept
from tracetools.core.stacks import ROOT, Frame
from tracetools.guest.messages import to_log
from tracetools.recording.keeper import Kept
from tracetools.session.kept_files import KeptFile, KeptFiles
from tracetools.timelines.timeline import Life, SpanTime, Timeline

PATH = (ROOT, Frame("main"))
SPAN = SpanTime(1, 10, 30_000_000, (*PATH, Frame("span")))
TIMELINE = Timeline(0, 40_000_000, {1: Life(1, PATH, None, 0, None)}, spans=(SPAN,), subject=SPAN)


def kept(ms, name="span", **more):
    return Kept(name, ms * 1_000_000, TIMELINE, **more)


@pytest.fixture
def family(tmp_path):
    made = Family({}, [], kept=str(tmp_path / "stack.slow"))
    made.make_folder()
    yield made
    made.remove()


@pytest.fixture
def child(family):
    return ChildFiles(family.kept, family.new_name(), to_log)


def test_names_say_which_process_it_was(family, child):
    take_back = child.keep(kept(5))
    page = f"span-5ms-pid{os.getpid()}-1.html"
    assert [path.name for path in child.paths] == [page]
    assert (Path(family.kept) / page).exists()
    assert [file.path.name for file in family.collect().kept] == [page]
    take_back()
    assert family.collect().kept == []
    assert list(Path(family.kept).iterdir()) == []


def test_of_all_processes_the_slowest_of_each_name_stay(family, tmp_path):
    own = KeptFiles(lambda: tmp_path / "stack.folded", to_log)
    for ms in (3, 8):
        own.keep(kept(ms))
    for ms in (5, 9):
        child = ChildFiles(family.kept, family.new_name(), to_log)
        child.keep(kept(ms))
        child.keep(kept(1, "other"))
        child.keep(kept(ms, why="error", detail="ValueError"))
    own.adopt(family.collect().kept, most=2)
    names = sorted(f"{file.why} {file.name} {file.latency // 1_000_000}" for file in own.files)
    assert names == [
        "error span 5",
        "error span 9",
        "slow other 1",
        "slow other 1",
        "slow span 8",
        "slow span 9",
    ]
    assert len(list(Path(family.kept).iterdir())) == 2 * len(names)


def test_all_of_them_together_are_bounded_and_that_is_said_once(family, monkeypatch, caplog):
    monkeypatch.setattr(module, "_MOST_OF_ALL", 3)
    both = [ChildFiles(family.kept, family.new_name(), to_log) for _ in range(2)]
    take_back = both[0].keep(kept(1))
    for ms in range(3):
        both[1].keep(kept(ms))
        both[0].keep(kept(ms))
    assert sum(len(each.files) for each in both) == 3
    assert caplog.text.count("child processes keep no more slow spans: there are 3 already") == 2
    take_back()
    both[1].keep(kept(5))
    assert sum(len(each.files) for each in both) == 3


def test_without_its_family_a_child_goes_on(family, child):
    family.remove()
    child.keep(kept(5))()
    assert child.files == ()


@pytest.mark.parametrize("text", ["", "{", "[1]", '[["slow"]]', "{}"])
def test_a_list_that_makes_no_sense_is_none(tmp_path, text):
    (tmp_path / "x.kept").write_text(text)
    assert read_kept(tmp_path / "x.kept") == []
    assert read_kept(tmp_path / "y.kept") == []


def test_a_list_is_a_round_trip(tmp_path):
    file = KeptFile("slow", "span", "", 5, 6, "a.html", "a.trace.json.gz")
    (tmp_path / "x.kept").write_text(json.dumps([file]))
    assert read_kept(tmp_path / "x.kept") == [file]
