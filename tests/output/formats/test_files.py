"""Files that are replaced at once, and errors in words."""

import errno
import os
import stat
from pathlib import Path

import pytest

from tracetools.output.formats.files import explain, write_atomically


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_the_permissions_that_the_umask_gives(tmp_path):
    path = tmp_path / "new"
    mask = os.umask(0o027)
    try:
        write_atomically(path, b"data")
    finally:
        os.umask(mask)
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert names_in(tmp_path) == ["new"]


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


def open_full_device(self, mode):
    self.touch()
    return open("/dev/full", "wb")


def refuse_to_replace(self, target):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("step", "failing"), [("open", open_full_device), ("replace", refuse_to_replace)]
)
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step, failing):
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
