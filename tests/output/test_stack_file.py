"""The stack file: complete at every moment, and never in the program's way."""

from __future__ import annotations

import errno
import logging
import math
import os
import signal
import threading
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.processes import not_root, run
from tracetools import Profile, StackFileError
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.guest import threads as hidden_threads
from tracetools.guest.threads import running
from tracetools.output import stack_file
from tracetools.output.formats.folded import read_folded
from tracetools.output.stack_file import NoStackFile, StackFile, fold


def profile(microseconds: int = 1) -> Profile:
    return Profile(stacks={(ROOT,): Times(busy=1000 * microseconds)}, duration=1000 * microseconds)


def make(path, snapshot=profile, **options) -> StackFile:
    return StackFile(path, snapshot, **{"flush_interval": None, **options})


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def errors(caplog):
    """Return a function that gives what was logged as errors since it was asked last."""

    def said():
        found = [record.getMessage() for record in caplog.records if record.name == "tracetools"]
        assert {record.levelno for record in caplog.records} <= {logging.ERROR}
        caplog.clear()
        return found

    yield said
    assert said() == []


# ------------------------------------------------------------------------------------------- fold


def test_counts_are_microseconds_by_labels():
    path = (ROOT, Frame("f", "a.py", 3))
    recorded = Profile(stacks={(ROOT,): Times(busy=5000), path: Times(busy=7000, idle=11000)})
    assert fold(recorded) == {("all-spans",): 5, ("all-spans", "f (a.py:3)"): 7}
    assert fold(recorded, "idle", "location") == {("all-spans", "a.py:3"): 11}
    assert fold(recorded, "task") == {
        ("all-spans", "f (a.py:3)"): 7,
        ("all-spans", "f (a.py:3)", "[idle]"): 11,
    }


@pytest.mark.parametrize(
    ("nanoseconds", "microseconds"),
    [
        (1, 0),
        (499, 0),
        (500, 1),
        (501, 1),
        (1499, 1),
        (1500, 2),
        (2500, 3),
        (10**18 + 500, 10**15 + 1),
    ],
)
def test_nanoseconds_are_rounded_half_up(nanoseconds, microseconds):
    assert fold(Profile(stacks={(ROOT,): Times(busy=nanoseconds)})) == {
        ("all-spans",): microseconds
    }


def test_stacks_with_the_same_labels_are_rounded_once_together():
    stacks = {(ROOT, Frame(name, "a.py", 1)): Times(busy=300) for name in "abcde"}
    assert fold(Profile(stacks=stacks), labels="location") == {("all-spans", "a.py:1"): 2}


@given(st.lists(st.integers(1, 10**7), max_size=20))
def test_rounding_moves_each_stack_by_half_a_microsecond_at_most(times):
    stacks = {(ROOT, Frame(str(i), "")): Times(busy=time) for i, time in enumerate(times)}
    counts = fold(Profile(stacks=stacks))
    moved = [counts["all-spans", str(i)] - Fraction(time, 1000) for i, time in enumerate(times)]
    assert all(Fraction(-1, 2) < by <= Fraction(1, 2) for by in moved)


# -------------------------------------------------------------------------------------- the path


@pytest.mark.parametrize(
    ("given_name", "made"),
    [
        ("stack", "stack.folded"),
        ("stack.folded", "stack.folded"),
        ("stack.svg", "stack.folded"),
        ("a.b.c", "a.b.folded"),
        (".hidden", ".hidden.folded"),
        ("näme \udcff", "näme \udcff.folded"),
    ],
)
def test_the_suffix_is_forced_and_the_file_made_at_construction(tmp_path, given_name, made):
    file = make(tmp_path / given_name)
    assert file.path == tmp_path / made
    assert names_in(tmp_path) == [made]


def test_a_path_may_be_text(tmp_path):
    assert make(f"{tmp_path}/stack").path == tmp_path / "stack.folded"


def test_a_relative_path_is_where_it_was_when_the_program_changes_its_directory(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    file = make("stack")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file.write()
    assert (tmp_path / "stack.folded").read_text() == "all-spans 1\n"
    assert names_in(Path()) == []


def test_an_old_file_is_untouched_until_the_first_write(tmp_path):
    path = tmp_path / "stack.folded"
    path.write_text("before 1\n")
    file = make(path)
    file.start()
    assert path.read_text() == "before 1\n"
    assert file.write() == path
    assert path.read_text() == "all-spans 1\n"
    file.end()


def refused(path, **options) -> str:
    with pytest.raises(StackFileError) as caught:
        make(path, **options)
    assert isinstance(caught.value.__cause__, (OSError, ValueError))
    return str(caught.value)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path):
    assert refused(tmp_path / "no" / "stack") == (
        f"cannot write the stack file {tmp_path}/no/stack.folded: No such file or directory;"
        " check the path: its folder must exist"
    )
    assert names_in(tmp_path) == []


def test_a_folder_in_the_files_place_is_named_with_the_remedy(tmp_path):
    (tmp_path / "stack.folded").mkdir()
    assert refused(tmp_path / "stack") == (
        f"cannot write the stack file {tmp_path}/stack.folded: Is a directory;"
        " this is a folder: give the path of a file"
    )


def test_a_file_in_a_folders_place_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file" / "stack") == (
        f"cannot write the stack file {tmp_path}/file/stack.folded: Not a directory;"
        " a part of the path is a file: choose a path inside a folder"
    )


def test_a_name_with_nul_or_too_long_is_named_with_the_remedy(tmp_path):
    message = refused(tmp_path / "a\0b")
    assert message.startswith(f"cannot write the stack file {tmp_path}/a\0b.folded: ")
    assert message.endswith("; check the path, or choose another one")
    assert refused(tmp_path / ("x" * 300)).endswith("File name too long; choose a shorter name")


def test_a_folder_in_which_nothing_can_be_made_is_refused_for_root_too():
    assert refused("/proc/self/stack").startswith(
        "cannot write the stack file /proc/self/stack.folded: "
    )


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "change its permissions, or choose another path"),
        (errno.EROFS, "choose a path on a file system that can be written"),
        (errno.ENOSPC, "free some space, or choose another disk"),
    ],
)
def test_a_file_that_may_not_be_opened_is_named_with_the_remedy(
    tmp_path, monkeypatch, number, remedy
):
    def fail(*_args, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    assert refused(tmp_path / "stack") == (
        f"cannot write the stack file {tmp_path}/stack.folded: {os.strerror(number)}; {remedy}"
    )


def test_a_folder_in_which_no_file_may_be_replaced_is_refused(tmp_path, monkeypatch):
    asked = []

    def access(*args):
        asked.append(args)
        return False

    monkeypatch.setattr(os, "access", access)
    assert refused(tmp_path / "stack") == (
        f"cannot write the stack file {tmp_path}/stack.folded: its folder may not be written to;"
        " change its permissions, or choose another path"
    )
    assert asked == [(str(tmp_path.resolve()), os.W_OK)]


def test_a_read_only_folder_and_a_read_only_file_are_refused(tmp_path):
    (tmp_path / "stack.folded").touch(mode=0o400)
    tmp_path.chmod(0o500)
    with not_root():
        assert "Permission denied" in refused(tmp_path / "stack")
        assert "Permission denied" in refused(tmp_path / "other")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("path", ["", ".", "/", ".."])
def test_a_path_that_names_no_file_is_refused_with_an_example(path):
    with pytest.raises(StackFileError) as caught:
        make(path)
    assert str(caught.value) == f"{path!r} names no file; give a name such as 'stack'"


def test_a_relative_path_without_a_working_directory_is_refused(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert refused("stack") == (
            "cannot write the stack file stack.folded: the working directory is gone;"
            " give a whole path"
        )
        assert make(tmp_path / "stack").path == tmp_path / "stack.folded"
    finally:
        os.chdir(tmp_path)


# --------------------------------------------------------------------------------------- options


@pytest.mark.parametrize("what", ["lens", "labels"])
def test_an_unknown_choice_is_refused_with_the_known_ones(tmp_path, what):
    with pytest.raises(ValueError, match=f"{what} is one of .*, .*, not 'x'"):
        make(tmp_path / "stack", **{what: "x"})
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("interval", [0, -1, 0.0, -0.5, math.nan, math.inf, -math.inf])
def test_an_interval_that_is_no_positive_number_is_refused(tmp_path, interval):
    with pytest.raises(ValueError, match="positive number of seconds or None, not ") as caught:
        make(tmp_path / "stack", flush_interval=interval)
    assert str(caught.value).endswith(repr(interval))


@pytest.mark.parametrize("interval", ["x", "5", True, False, [], 1j, Fraction(1, 2)])
def test_an_interval_that_is_no_number_is_refused(tmp_path, interval):
    with pytest.raises(TypeError) as caught:
        make(tmp_path / "stack", flush_interval=interval)
    assert str(caught.value) == (f"flush_interval is a number of seconds or None, not {interval!r}")


@pytest.mark.parametrize("interval", [None, 1, 1e-300, 1e300, 10**400])
def test_any_positive_interval_will_do(tmp_path, interval):
    file = make(tmp_path / "stack", flush_interval=interval)
    file.start()
    file.end()
    assert file.path.read_text() == "all-spans 1\n"


def test_a_file_that_was_made_in_vain_is_removed(tmp_path):
    make(tmp_path / "stack").discard()
    assert names_in(tmp_path) == []


def test_a_file_that_was_there_or_written_is_not_removed(tmp_path):
    (tmp_path / "old.folded").touch()
    make(tmp_path / "old").discard()
    file = make(tmp_path / "new", Profile)
    file.write()
    file.discard()
    assert names_in(tmp_path) == ["new.folded", "old.folded"]


def test_a_new_file_is_for_its_owner_alone(tmp_path):
    assert make(tmp_path / "stack").path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_not_opened_before_it_is_written(tmp_path):
    os.mkfifo(tmp_path / "stack.folded")
    file = make(tmp_path / "stack", flush_interval=5)
    threads = len(hidden_threads.running())
    file.start()
    assert len(hidden_threads.running()) == threads
    assert file.is_fresh
    reading = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK)
    file.close()
    assert os.read(reading, 100) == b"all-spans 1\n"
    os.close(reading)
    assert names_in(tmp_path) == ["stack.folded"]


def test_beside_a_device_that_was_given_no_file_is_made():
    file = make("/dev/null")
    assert file.path == Path("/dev/null")
    file.close()
    assert not os.path.exists("/dev/null.folded")


def test_a_device_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "Permission denied" in refused("/dev/null")


# ------------------------------------------------------------------------------------- following


def test_end_writes_the_file_and_stops_the_flushes(tmp_path):
    file = make(tmp_path / "stack")
    file.start()
    assert set(stack_file._unfinished) == {file}
    file.end()
    assert set(stack_file._unfinished) == set()
    assert file.path.read_text() == "all-spans 1\n"


def test_start_and_end_can_be_repeated(tmp_path):
    counts = iter(range(1, 100))
    file = make(tmp_path / "stack", lambda: profile(next(counts)))
    for expected in (1, 2):
        file.start()
        file.start()
        file.end()
        assert file.path.read_text() == f"all-spans {expected}\n"


def test_an_end_after_another_end_still_writes(tmp_path):
    """Two runs in two threads: one ends the file while the other has just begun."""
    counts = iter(range(1, 100))
    file = make(tmp_path / "stack", lambda: profile(next(counts)))
    file.start()
    file.start()
    file.end()
    file.end()
    assert file.path.read_text() == "all-spans 2\n"


class Waits:
    """In place of the event that the flusher waits for: each wait is let go by hand, and noted."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._waiting = threading.Semaphore(0)
        self._go = threading.Semaphore(0)
        self._over = False

    def wait(self, timeout: float) -> bool:
        self.asked.append(timeout)
        self._waiting.release()
        self._go.acquire()
        return self._over

    def let_pass(self) -> None:
        """Let one wait time out, and return when the flusher waits again."""
        self._waiting.acquire()
        self._go.release()
        self._waiting.acquire()
        self._waiting.release()

    def set(self) -> None:
        self._over = True
        self._go.release()

    def clear(self) -> None:
        self._over = False


class Clock:
    """In place of `thread_time`: each flush takes as long as is said."""

    def __init__(self, *takes: float) -> None:
        self.takes = list(takes)
        self.now = 0.0
        self.flushing = False

    def __call__(self) -> float:
        if self.flushing:
            self.now += self.takes.pop(0)
        self.flushing = not self.flushing
        return self.now


def start(file, waits):
    """Begin with the fake event, though threads need real ones to start."""
    file._new_event = lambda: waits
    file.start()


def test_a_thread_rewrites_the_file_between_start_and_end(tmp_path):
    counts = iter(range(1, 100))
    file, waits = make(tmp_path / "stack", lambda: profile(next(counts)), flush_interval=7), Waits()
    start(file, waits)
    (flusher,) = [t for t in hidden_threads.running() if t.name == "tracetools flush"]
    assert flusher.daemon
    for expected in (1, 2, 3):
        waits.let_pass()
        assert file.path.read_text() == f"all-spans {expected}\n"
    file.end()
    assert file.path.read_text() == "all-spans 4\n"
    assert not flusher.is_alive()


def test_the_interval_stretches_so_that_flushing_takes_one_percent_at_most(tmp_path, monkeypatch):
    monkeypatch.setattr(stack_file, "thread_time", Clock(0.001, 0.05, 0.5, 0.0))
    file, waits = make(tmp_path / "stack", flush_interval=5), Waits()
    start(file, waits)
    for _ in range(4):
        waits.let_pass()
    file.end()
    assert waits.asked == [0.05, 0.5, 5, pytest.approx(49.5), 5]
    assert 0.5 / (0.5 + waits.asked[3]) == pytest.approx(0.01)


def test_no_wait_is_longer_than_threads_can_wait(tmp_path):
    file, waits = make(tmp_path / "stack", flush_interval=1e300), Waits()
    start(file, waits)
    waits.let_pass()
    waits.let_pass()
    file.end()
    assert waits.asked == [0.05, 0.5, threading.TIMEOUT_MAX]


def test_a_file_that_was_written_before_is_flushed_after_half_a_second(tmp_path):
    file, waits = make(tmp_path / "stack", flush_interval=5), Waits()
    file.write()
    file._pause = 0
    start(file, waits)
    waits.let_pass()
    file.end()
    assert waits.asked == [0.5, 5]


def test_a_short_interval_is_that_of_the_first_flush_too(tmp_path):
    file, waits = make(tmp_path / "stack", flush_interval=0.01), Waits()
    file._pause = 0
    start(file, waits)
    file.end()
    assert waits.asked == [0.01]


def test_a_pause_does_not_put_the_next_flush_off(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(stack_file, "perf_counter", lambda: now[0])
    file, waits = make(tmp_path / "stack", flush_interval=5), Waits()
    file.write()
    file._pause = 0
    start(file, waits)
    for passed in (0.2, 0.2, 0.2):
        flusher = file.pause()
        flusher.join()
        assert not flusher.is_alive()
        now[0] += passed
        waits.clear()
        file.resume()
    file.end()
    assert waits.asked == [0.5, pytest.approx(0.3), pytest.approx(0.1), 0]


def test_a_pause_of_a_file_that_is_not_flushed_is_none(tmp_path):
    file = make(tmp_path / "stack", flush_interval=None)
    for _ in range(2):
        assert file.pause() is None
        file.resume()
        file.start()
    file.end()


def test_a_file_that_ends_during_a_pause_is_not_flushed_any_more(tmp_path):
    file = make(tmp_path / "stack", flush_interval=5)
    file.start()
    file.pause().join()
    file.end()
    file.resume()
    assert running() == ()


def test_without_an_interval_there_is_no_thread(tmp_path):
    file = make(tmp_path / "stack")
    threads = len(hidden_threads.running())
    file.start()
    assert len(hidden_threads.running()) == threads
    file.end()


def test_without_threads_the_file_is_written_at_the_end(tmp_path, monkeypatch, caplog):
    def fail(_):
        raise RuntimeError("can't start new thread")

    file = make(tmp_path / "stack", flush_interval=5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        file.start()
    file.end()
    assert file.path.read_text() == "all-spans 1\n"
    assert [record.getMessage() for record in caplog.records] == [
        f"{file.path} is written at the end only: can't start new thread"
    ]


# -------------------------------------------------------------------------------- failing writes


@pytest.fixture
def full_disk(monkeypatch):
    """Return a switch: while it is on, no byte can be written to the end of a file."""
    state = {"full": False}
    real = Path.replace

    def replace(self, target):
        if state["full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return state


def test_a_failing_write_raises_to_who_asks_and_the_last_good_file_stays(tmp_path, full_disk):
    file = make(tmp_path / "stack")
    file.write()
    full_disk["full"] = True
    with pytest.raises(StackFileError) as caught:
        file.write()
    assert str(caught.value) == (
        f"cannot write stack file {tmp_path}/stack.folded: {os.strerror(errno.ENOSPC)};"
        " free some space, or choose another disk"
    )
    assert file.path.read_text() == "all-spans 1\n"
    assert names_in(tmp_path) == ["stack.folded"]


def test_failing_flushes_are_logged_once_until_one_works_again(tmp_path, full_disk, errors):
    counts = iter(range(1, 100))
    file, waits = make(tmp_path / "stack", lambda: profile(next(counts)), flush_interval=5), Waits()
    start(file, waits)
    message = (
        f"cannot write stack file {tmp_path}/stack.folded: {os.strerror(errno.ENOSPC)};"
        " free some space, or choose another disk; the program goes on"
    )
    for full, said, text in [
        (False, [], "all-spans 1\n"),
        (True, [message], "all-spans 1\n"),
        (True, [], "all-spans 1\n"),
        (False, [], "all-spans 4\n"),
        (True, [message], "all-spans 4\n"),
    ]:
        full_disk["full"] = full
        waits.let_pass()
        assert (errors(), file.path.read_text()) == (said, text)
    full_disk["full"] = False
    file.end()
    assert file.path.read_text() == "all-spans 6\n"


def test_an_end_that_cannot_write_is_logged_and_does_not_raise(tmp_path, full_disk, errors):
    file = make(tmp_path / "stack")
    file.start()
    full_disk["full"] = True
    file.end()
    assert len(errors()) == 1


def test_a_close_that_cannot_write_puts_the_file_elsewhere(tmp_path, errors, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "b"))
    file = make(tmp_path / "a" / "stack")
    file.path.unlink()
    file.path.parent.rmdir()
    file.close()
    [folder] = (tmp_path / "b").iterdir()
    assert names_in(folder) == ["stack.folded"]
    [said] = errors()
    assert said.endswith(f"; it is in {folder}/stack.folded")
    file.close()
    assert names_in(tmp_path / "b") == [folder.name]


def test_a_close_that_is_not_to_write_does_not(tmp_path):
    file = make(tmp_path / "stack")
    file.start()
    file.close(write=False)
    assert file.path.read_bytes() == b""
    assert set(stack_file._unfinished) == set()


def test_an_error_of_ours_is_logged_with_its_traceback(tmp_path, caplog):
    def fail():
        raise ZeroDivisionError("ours")

    file = make(tmp_path / "stack", fail)
    file.start()
    file.end()
    (record,) = caplog.records
    assert record.getMessage() == "ours; the program goes on"
    assert record.exc_info[0] is ZeroDivisionError


def test_a_folder_that_vanishes_meanwhile_stops_nothing(tmp_path, errors):
    folder = tmp_path / "folder"
    folder.mkdir()
    file = make(folder / "stack")
    file.start()
    file.path.unlink()
    folder.rmdir()
    file.end()
    (said,) = errors()
    assert said == (
        f"cannot write stack file {folder}/stack.folded: No such file or directory;"
        " check the path: its folder must exist; the program goes on"
    )


def test_a_write_within_a_write_does_not_hang(tmp_path):
    """As a signal handler does that dumps the profile, while the main thread dumps it."""
    writes = []

    def snapshot():
        writes.append(None)
        if len(writes) == 1:
            file.write()
        return profile(len(writes))

    file = make(tmp_path / "stack", snapshot)
    file.write()
    assert len(writes) == 2
    assert file.path.read_text() == "all-spans 2\n"


def test_a_handler_ends_a_file_though_it_interrupts_who_holds_what_a_flush_needs(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(hidden_threads, "_LONGEST_END", 0.01)
    lock, flushes = threading.RLock(), threading.Event()

    def snapshot():
        flushes.set()
        with lock:  # as a recording has one, which the main thread may hold as well
            return profile(1)

    file = make(tmp_path / "stack", snapshot, flush_interval=0.001)
    with lock:
        file.start()
        flusher, _ = file._flusher
        assert flushes.wait(10)
        file.end()  # as a signal handler does
    flusher.join(10)
    assert not flusher.is_alive()
    assert file.path.read_text() == "all-spans 1\n"


# ------------------------------------------------------------------------------- other processes


SETUP = """
import trio
from tracetools import FlamegraphInstrument
"""


def test_a_forked_copy_of_the_process_does_not_write(tmp_path):
    done = run(
        """
from tracetools.output.stack_file import StackFile
from tracetools.core.stacks import ROOT, Times

profile = tracetools.Profile(stacks={(ROOT,): Times(busy=5000)}, duration=5000)
file = StackFile("stack", lambda: profile, flush_interval=None)
file.start()
child = os.fork()
if child == 0:
    file.write()
    file.end()
    file.start()
    sys.exit(0 if file.path.read_text() == "" else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert file.path.read_text() == ""
file.end()
""",
        tmp_path,
    )
    assert done.stderr == ""
    assert (tmp_path / "stack.folded").read_text() == "all-spans 5\n"


def test_a_run_that_is_abandoned_leaves_a_complete_file_at_exit(tmp_path):
    done = run(
        SETUP
        + """
def abandon():
    trio.lowlevel.start_guest_run(
        trio.sleep_forever,
        run_sync_soon_threadsafe=lambda _: None,
        done_callback=lambda _: None,
        instruments=[FlamegraphInstrument("stack", flush_interval=1000)],
    )
abandon()
""",
        tmp_path,
    )
    assert "tracetools" not in done.stderr  # the rest is trio, which is abandoned
    stacks = read_folded(tmp_path / "stack.folded").stacks
    assert {stack[0] for stack in stacks} == {"all-spans"}
    assert sum(stacks.values()) > 0


def test_a_killed_process_leaves_a_complete_file_of_what_was_flushed(tmp_path):
    done = run(
        SETUP
        + """
async def main():
    with span("named"):
        while True:
            if written.is_set():
                os.kill(os.getpid(), signal.SIGKILL)
            await trio.sleep(0)

written = threading.Event()
import tracetools.output.stack_file as module
write_folded = module.write_folded
def tell(*args):
    write_folded(*args)
    written.set()
module.write_folded = tell
trio.run(main, instruments=[FlamegraphInstrument("stack", flush_interval=0.05)])
""",
        tmp_path,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    folded = read_folded(tmp_path / "stack.folded")
    assert folded.bad == 0
    assert any(label.startswith("named (") for stack in folded.stacks for label in stack)
    assert names_in(tmp_path) == ["stack.folded"]


def test_a_run_that_ends_by_an_error_or_by_ctrl_c_is_written(tmp_path):
    for error in ("ZeroDivisionError", "KeyboardInterrupt", "SystemExit"):
        done = run(
            SETUP
            + f"""
async def main():
    with span("named"):
        await trio.lowlevel.checkpoint()
        sum(range(100_000))
        raise {error}

trio.run(main, instruments=[FlamegraphInstrument("{error}", lens="task")])
""",
            tmp_path,
            check=False,
        )
        assert error in done.stderr or (error, done.returncode) == ("SystemExit", 0)
        stacks = read_folded(tmp_path / f"{error}.folded").stacks
        assert any(label.startswith("named (") for stack in stacks for label in stack)


def test_a_closed_file_does_not_start_again(tmp_path):
    file = make(tmp_path / "stack", lambda: profile(1))
    file.start()
    file.close()
    file.start()
    assert file not in stack_file._unfinished
    assert not [t for t in hidden_threads.running() if t.name == "tracetools flush"]


def test_many_threads_may_start_and_end_a_file_at_once(tmp_path):
    file = make(tmp_path / "stack", lambda: profile(1))

    def hurry():
        for _ in range(20):
            file.start()
            file.end()

    threads = [threading.Thread(target=hurry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()
    assert not [t for t in hidden_threads.running() if t.name == "tracetools flush"]


# ----------------------------------------------------------------------------------- no stack file


def test_a_recording_without_a_file_does_nothing_and_says_so_when_it_is_to_write():
    none = NoStackFile()
    for action in (none.start, none.end, none.close, none.discard):
        action()
    assert none.path is None
    assert none.is_fresh
    with pytest.raises(StackFileError, match="no stack file: give it the name of one"):
        none.write()


@pytest.mark.parametrize("wrong", [{"lens": "x"}, {"labels": "x"}, {"flush_interval": 0}])
def test_options_are_checked_without_a_file_too(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NoStackFile(**wrong)
