"""What processes leave for each other is found, read and counted."""

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tracetools import Profile, slow
from tracetools.commands.running import family as module
from tracetools.commands.running.family import STARTUP, VARIABLE, Family
from tracetools.core.stacks import ROOT, Times
from tracetools.output.formats.profile_json import format_profile

GOOD = Profile(stacks={(ROOT,): Times(busy=5)}, duration=5, runs=1)
OPTIONS = {"lens": "idle", "clock": time.thread_time_ns}


def written(profile):
    return format_profile(profile).encode("ascii")


@pytest.fixture
def family(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(module, "_is_installed", lambda: False)
    made = Family(OPTIONS, ["a", "b"], command={"options": {"quiet": True}})
    yield made
    made.remove()
    assert list(tmp_path.glob("tracetools-*")) == []


def files(family):
    return sorted(file.suffix for file in Path(family.folder).iterdir())


def ended():
    """Return the number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "0"])
    process.wait()
    return process.pid


def test_what_is_kept_is_known_to_other_processes(family):
    for how in (None, 0.5, slow(0.5, errors=["span"], most=3)):
        made = Family({**OPTIONS, "keep": how}, [])
        found = Family.of(made.make_folder()).options["keep"]
        made.remove()
        assert found == how
        assert getattr(found, "__dict__", None) == getattr(how, "__dict__", None)


def test_processes_whose_window_ends_as_well_are_waited_for(family):
    family.make_folder()
    file = Path(family.folder, f"{os.getpid()}-x.folded")
    file.touch()
    Path(family.folder, f"{ended()}-x.folded").touch()  # killed: it never writes
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            file.write_bytes(written(GOOD))
            file.replace(file.with_suffix(".profile"))

    family.await_ends(sleep=sleep)
    assert len(looks) == 3
    assert family.collect().profiles == [GOOD]


def test_a_profile_is_found_though_it_gets_its_last_name_meanwhile(family, monkeypatch):
    family.make_folder()
    file = Path(family.folder, f"{os.getpid()}-x.folded")
    file.write_bytes(written(GOOD))

    def read(path, read=module._read):
        if file.exists():
            file.replace(file.with_suffix(".profile"))
        return read(path)

    monkeypatch.setattr(module, "_read", read)
    assert family.collect() == ([GOOD], 0, 0, {}, [])


def test_one_that_does_not_end_is_not_waited_for_long(family):
    family.await_ends(sleep=pytest.fail)
    family.make_folder()
    family.await_ends(sleep=pytest.fail)
    Path(family.folder, f"{os.getpid()}-x.folded").touch()
    looks = []
    family.await_ends(1.0, sleep=looks.append)
    assert sum(looks) == pytest.approx(1.0)


def test_the_folder_is_made_when_it_is_needed_and_only_its_owner_may_look(family):
    assert family.folder is None
    assert family.collect() == ([], 0, 0, {}, [])
    folder = family.make_folder()
    assert folder == family.make_folder() == family.folder
    assert Path(folder).stat().st_mode & 0o777 == 0o700


def test_another_process_finds_all_in_it(family):
    other = Family.of(family.make_folder())
    assert (other.options, other.path, other.everyone) == (OPTIONS, ["a", "b"], False)
    assert other.command == {"options": {"quiet": True}, "pid": os.getpid()}
    assert other.folder == family.folder


@pytest.mark.parametrize("content", ["", "{}", "[]", "nonsense"])
def test_no_family_is_made_of_other_files(tmp_path, content):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises((OSError, ValueError, LookupError, TypeError)):
        Family.of(str(tmp_path))


def test_a_process_that_is_going_to_be_started_is_expected(family, monkeypatch):
    added = family.environment()
    assert added["PYTHONPATH"] == STARTUP
    assert os.path.dirname(added[VARIABLE]) == family.folder
    assert os.path.exists(added[VARIABLE] + ".expected")
    monkeypatch.setenv("PYTHONPATH", "x")
    assert family.environment(expected=False) == {
        VARIABLE: os.path.join(family.folder, ""),
        "PYTHONPATH": f"{STARTUP}{os.pathsep}x",
    }
    (why, count), *others = family.collect().lost.items()
    assert (count, others) == (1, [])
    assert "-S" in why


def test_a_file_of_ours_that_is_installed_needs_no_path(family, monkeypatch, tmp_path):
    monkeypatch.undo()
    site = tmp_path / "site-packages"
    site.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    (site / module.INSTALLED).touch()
    assert family.environment().keys() == {VARIABLE}


@pytest.mark.parametrize("before", [None, "x", f"x{os.pathsep}y"])
def test_what_was_added_is_taken_out_again(family, monkeypatch, before):
    if before is not None:
        monkeypatch.setenv("PYTHONPATH", before)
    theirs = dict(os.environ)
    for name, value in family.environment().items():
        monkeypatch.setenv(name, value)
    family.forget_environment()
    assert dict(os.environ) == theirs
    family.everyone = True
    monkeypatch.setenv(VARIABLE, "z")
    family.forget_environment()
    assert os.environ[VARIABLE] == "z"
    monkeypatch.delenv(VARIABLE)


def test_where_no_folder_can_be_made_processes_are_counted(family, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert family.environment() == {}
    family.note_no_folder()
    assert family.collect().lost == {"no temporary folder can be made": 2}


def test_profiles_are_read_and_checked(family):
    folder = Path(family.make_folder())
    gone = ended()
    contents = {
        f"{gone}-1.folded": written(GOOD),  # of a process that was killed
        f"{gone}-2.profile": written(GOOD),
        f"{os.getpid()}-3.folded": written(GOOD),
        f"{os.getpid()}-4.profile": written(GOOD),
        f"{gone}-5.folded": b"",
        f"{os.getpid()}-6.folded": b"",
        f"{gone}-7.folded": written(Profile(duration=5, runs=1)),
        f"{gone}-8.profile": written(GOOD)[:-3],
        f"{gone}-9.profile": pickle.dumps(GOOD),
        ".tracetools-1-2.tmp": b"unfinished",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    assert family.collect() == ([GOOD] * 4, 3, 1, {}, [])


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="no /proc here")
def test_a_process_that_has_ended_unasked_does_not_go_on(family):
    process = subprocess.Popen([sys.executable, "-S", "-c", "0"], stdout=subprocess.PIPE)
    process.stdout.read()
    while module._is_running(process.pid):  # it takes a moment longer
        time.sleep(0.001)
    os.kill(process.pid, 0)  # it is there still
    process.stdout.close()
    process.wait()


def test_what_failed_is_counted_by_its_reason(family):
    family.make_folder()
    for why in ("one", "two", "two"):
        family.fail(why)
    assert family.collect().lost == {"one": 1, "two": 2}
    family.remove()
    family.fail("no folder")
    assert family.collect().lost == {"no folder": 1}
    assert list(Path.cwd().glob("*.failed")) == []


def test_where_the_folder_is_gone_nothing_is_noted(family, tmp_path):
    family.folder = str(tmp_path / "gone")
    family.fail("nobody asks")
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_was_left_can_be_taken_back(family):
    family.make_folder()
    undo = family.leave(GOOD)
    assert family.collect() == ([GOOD], 0, 0, {}, [])
    undo()
    family.leave(Profile())()
    assert files(family) == [".json"]


def test_the_plan_can_be_read_by_any_python(family):
    plan = json.loads(Path(family.make_folder(), "plan.json").read_bytes())
    assert plan["version"] == list(sys.version_info[:2])
    assert plan["options"]["clock"] == "cpu"


# -------------------------------------------------------------------- programs that are started

OWN = {"A": "1"}


@pytest.mark.parametrize(
    ("path", "words", "environment", "why"),
    [
        ("/bin/python3.13", ["python", "x.py"], None, ""),
        (b"/bin/python", [b"python", b"x.py"], {VARIABLE.encode(): b"1"}, ""),
        (Path("/bin/PYTHON3.exe"), ["-", "-mx", "-S"], None, ""),
        ("/bin/python", ["python", "-W", "-c", "-S"], None, ""),
        ("/bin/python", ["python", "-OcS"], None, ""),
        ("/bin/python", ["python", "x.py"], OWN, "it was given an environment of its own"),
        ("/bin/python", ["python", "-OS", "x.py"], None, "Python was started with -S"),
        ("/bin/python", ["python", "-I", "x.py"], None, "Python was started with -I or -E"),
        ("/bin/python", ["python", "-B", "-Em", "x"], None, "Python was started with -I or -E"),
        ("/bin/sh", ["sh", "-c", "python -S"], None, None),
        ("/bin/nowhere", ["nowhere"], None, None),
        ("pythonic", ["pythonic"], None, None),
    ],
)
def test_why_a_program_is_not_reached(family, path, words, environment, why):
    assert family.why_not(path, words, environment) == why
    assert family.reaches(path, words, environment) is False
    family.everyone = True
    assert family.reaches(path, words, environment) is (why == "")
    family.make_folder()
    family.note_unreached(path, words, environment)
    assert family.collect().lost == ({why: 1} if why else {})


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ("#!/usr/bin/python3", ""),
        ("#!/usr/bin/env python3", ""),
        ("#! /usr/bin/env python3.12 -S", "Python was started with -S"),
        ("#!/usr/bin/env", None),
        ("#!/bin/sh", None),
        ("#!", None),
        ("import sys", None),
    ],
)
def test_scripts_name_their_python(family, tmp_path, first, why):
    script = tmp_path / "script"
    script.write_text(first + "\n")
    assert family.why_not(str(script), [str(script), "-S"], None) == why


def test_an_installed_file_of_ours_is_found_with_i_and_e(family, monkeypatch):
    monkeypatch.setattr(module, "_is_installed", lambda: True)
    assert family.why_not("python", ["python", "-I"], None) == ""
    assert family.why_not("python", ["python", "-IS"], None) == "Python was started with -S"
