"""Files that are replaced at once, and errors in words."""

import errno
import itertools
import os
import stat
from pathlib import Path

import pytest

from tracetools.core.errors import StackFileError
from tracetools.output.formats import files
from tracetools.output.formats.files import Rescue, explain, write_atomically


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_a_new_file_is_for_its_owner_alone(tmp_path, mask):
    path = tmp_path / "new"
    before = os.umask(mask)
    try:
        write_atomically(path, b"data")
    finally:
        os.umask(before)
    assert path.read_bytes() == b"data"
    assert mode_of(path) == 0o600
    assert names_in(tmp_path) == ["new"]


@pytest.fixture(params=[False, True], ids=["named", "nameless"])
def nameless(request, monkeypatch):
    """Let files have no name, or one from the beginning."""
    if not request.param:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    return request.param


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_a_file_keeps_the_mode_that_it_had(tmp_path, mode, nameless):
    path = tmp_path / "old"
    path.touch()
    path.chmod(mode)
    write_atomically(path, b"data")
    assert mode_of(path) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_keeps_the_owner_that_it_had(tmp_path):
    path = tmp_path / "old"
    path.touch(0o640)
    os.chown(path, 12, 34)
    write_atomically(path, b"data")
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (12, 34, 0o640)


def test_a_group_that_cannot_be_kept_loses_its_rights_to_no_other(tmp_path, monkeypatch):
    path = tmp_path / "old"
    path.touch()
    path.chmod(0o664)
    old = path.stat()
    other = os.stat_result((*old[:5], old.st_gid + 1, *old[6:]))
    real = Path.stat

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)

    def stat_of(self, **options):
        return other if self == path else real(self, **options)

    monkeypatch.setattr(Path, "stat", stat_of)
    write_atomically(path, b"data")
    monkeypatch.undo()
    assert mode_of(path) == 0o604


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a matter of Linux")
def test_a_file_has_no_name_until_it_is_whole(tmp_path, monkeypatch):
    real = Path.open

    def look(self, mode):
        assert names_in(tmp_path) == []
        return real(self, mode)

    monkeypatch.setattr(Path, "open", look)
    write_atomically(tmp_path / "new", b"data")
    assert names_in(tmp_path) == ["new"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a matter of Linux")
@pytest.mark.parametrize("what", ["folder", "process"])
def test_a_system_that_has_no_nameless_files_is_done_without(tmp_path, monkeypatch, what):
    if what == "folder":
        monkeypatch.setattr(os, "O_TMPFILE", os.O_EXCL | os.O_CREAT)
    else:
        monkeypatch.setattr(Path, "exists", lambda _: False)
    write_atomically(tmp_path / "new", b"data")
    assert names_in(tmp_path) == ["new"]
    assert mode_of(tmp_path / "new") == 0o600


def test_a_file_may_be_written_piece_by_piece(tmp_path, nameless):
    path = tmp_path / "new"
    write_atomically(path, lambda: iter([b"one", b"", b"two"]))
    assert path.read_bytes() == b"onetwo"

    def fails():
        yield b"three"
        raise KeyError

    with pytest.raises(KeyError):
        write_atomically(path, fails)
    assert path.read_bytes() == b"onetwo"
    assert names_in(tmp_path) == ["new"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a matter of Linux")
def test_pieces_are_made_again_where_a_nameless_file_gets_no_name(tmp_path, monkeypatch):
    def refuses(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuses)
    write_atomically(tmp_path / "new", lambda: iter([b"one", b"two"]))
    assert (tmp_path / "new").read_bytes() == b"onetwo"


def test_of_a_symbolic_link_the_target_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real" / "target")
    write_atomically(link, b"1")
    write_atomically(link, b"2")
    assert link.is_symlink()
    assert (tmp_path / "real" / "target").read_bytes() == b"2"
    assert names_in(tmp_path / "real") == ["target"]


def test_a_device_is_written_to_and_not_replaced():
    write_atomically(Path("/dev/null"), b"data")
    assert Path("/dev/null").is_char_device()


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(path, b"data")
        assert os.read(reading, 10) == b"data"
    finally:
        os.close(reading)
    assert path.is_fifo()


def test_a_pipe_gets_all_pieces(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(path, lambda: iter([b"one", b"two"]))
        assert os.read(reader, 100) == b"onetwo"
    finally:
        os.close(reader)


def test_a_pipe_without_a_reader_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device") as caught:
        write_atomically(tmp_path / "pipe", b"data")
    assert "start its reader first" in explain(caught.value)


def test_a_reader_that_reads_no_more_is_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    seconds = itertools.count()
    monkeypatch.setattr(files.time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(files.time, "sleep", lambda _: None)
    try:
        with pytest.raises(OSError, match="timed out") as caught:
            write_atomically(path, bytes(1_000_000))
    finally:
        os.close(reading)
    assert "choose another path" in explain(caught.value)


def test_a_slow_reader_gets_all(tmp_path, monkeypatch):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    got = []
    monkeypatch.setattr(files.time, "sleep", lambda _: got.append(os.read(reading, 10_000)))
    write_atomically(path, bytes(300_000))
    got.append(os.read(reading, 1_000_000))
    os.close(reading)
    assert b"".join(got) == bytes(300_000)


# -------------------------------------------------------------------------------------- rescue


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Return the folder in which temporary folders are made."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def write(path):
    write_atomically(path, path.name.encode())


def test_a_file_that_can_be_written_is_where_it_should_be(tmp_path, temporary):
    rescue = Rescue()
    assert rescue.write(tmp_path / "a", write) == tmp_path / "a"
    assert rescue.said == names_in(temporary) == []


def test_files_that_cannot_be_written_are_in_one_temporary_folder(tmp_path, temporary):
    rescue = Rescue()
    found = [rescue.write(tmp_path / "gone" / name, write) for name in "ab"]
    [folder] = temporary.iterdir()
    assert found == [folder / "a", folder / "b"]
    assert [path.read_text() for path in found] == ["a", "b"]
    assert mode_of(folder) == 0o700
    assert [said.partition("; it is in ")[2] for said in rescue.said] == list(map(str, found))
    assert str(tmp_path / "gone" / "a") in rescue.said[0]


def test_what_can_be_written_nowhere_is_said_and_leaves_no_folder(tmp_path, temporary):
    def fail(path):
        raise StackFileError(f"cannot write {path.name}:\nno space")

    rescue = Rescue()
    assert rescue.write(tmp_path / "a", fail) is None
    assert rescue.said == ["cannot write a: no space"]
    assert names_in(temporary) == []
    assert rescue.write(tmp_path / "gone" / "b", write).parent.parent == temporary


def test_without_any_temporary_folder_it_is_said(tmp_path, temporary, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refuse)
    rescue = Rescue()
    assert rescue.write(tmp_path / "gone" / "a", write) is None
    assert len(rescue.said) == 1


def open_full_device(self, mode):
    self.touch()
    return open("/dev/full", "wb")


def refuse_to_replace(self, target):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("step", "failing"), [("open", open_full_device), ("replace", refuse_to_replace)]
)
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step, failing, nameless):
    path = tmp_path / "file"
    path.write_bytes(b"good")
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left on device"):
        patch.setattr(Path, step, failing)
        write_atomically(path, b"worse")
    assert path.read_bytes() == b"good"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            OSError(errno.ENOENT, "No such file or directory"),
            "No such file or directory; check the path: its folder must exist",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; check the path, or"),
        (OSError("it failed"), "it failed; check the path, or choose another one"),
        (ValueError("embedded null byte"), "embedded null byte; check the path, or"),
    ],
)
def test_an_error_is_explained_in_one_line_with_a_remedy(error, text):
    assert explain(error).startswith(text)
    assert "\n" not in explain(error)
