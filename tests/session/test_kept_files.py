"""The files of slow spans, in a folder beside the stack file."""

import errno
import gzip
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tracetools.core.errors import StackFileError
from tracetools.core.stacks import ROOT, Frame
from tracetools.guest.messages import to_log
from tracetools.recording.keeper import Kept
from tracetools.session.kept_files import KeptFiles
from tracetools.timelines.timeline import Life, SpanTime, Timeline

PATH = (ROOT, Frame("main"))
SPAN = SpanTime(1, 10, 30_000_000, (*PATH, Frame("span")))
TIMELINE = Timeline(0, 40_000_000, {1: Life(1, PATH, None, 0, None)}, spans=(SPAN,), subject=SPAN)


def kept(name="GET /report/{year}", latency=1_234_567_890):
    return Kept(name, latency, TIMELINE)


@pytest.fixture
def files(tmp_path):
    return KeptFiles(lambda: tmp_path / "api.folded", to_log)


def test_each_has_a_page_and_a_trace_named_by_the_span_and_its_latency(files, tmp_path):
    take_back = files.keep(kept())
    files.keep(kept("…"))
    names = ["GET-report-year-1234ms-1.html", "span-1234ms-2.html"]
    assert [path.name for path in files.paths] == names
    traces = [name.replace(".html", ".trace.json.gz") for name in names]
    assert sorted(path.name for path in (tmp_path / "api.slow").iterdir()) == sorted(names + traces)
    assert "<svg" in files.paths[0].read_text("utf-8")
    with gzip.open(tmp_path / "api.slow" / traces[0]) as file:
        assert "traceEvents" in json.load(file)
    take_back()
    take_back()
    assert [path.name for path in files.paths] == names[1:]
    assert len(list((tmp_path / "api.slow").iterdir())) == 2


def test_files_of_an_earlier_recording_stay(files, tmp_path):
    files.keep(kept())
    KeptFiles(lambda: tmp_path / "api.folded", to_log).keep(kept())
    assert len(list((tmp_path / "api.slow").iterdir())) == 4


def test_long_names_are_cut(files):
    files.keep(kept("x" * 1000))
    assert files.paths[0].exists()


def test_without_a_stack_file_there_is_none_and_that_is_said_once(caplog):
    files = KeptFiles(lambda: None, to_log)
    for _ in range(2):
        files.keep(kept())()
    assert files.paths == ()
    assert caplog.text.count("slow spans are in the profile alone, and have no pages") == 1
    with pytest.raises(StackFileError, match="no stack file"):
        files.dump([TIMELINE])


def test_a_file_that_cannot_be_written_is_logged_once(tmp_path, caplog):
    (tmp_path / "api.slow").touch()
    files = KeptFiles(lambda: tmp_path / "api.folded", to_log)
    for _ in range(3):
        files.keep(kept())()
    assert caplog.text.count("a slow span could not be kept: cannot make the folder") == 1
    with pytest.raises(StackFileError, match="cannot make the folder"):
        files.dump([TIMELINE])


def test_a_folder_that_cannot_be_searched_is_logged(files, tmp_path, monkeypatch, caplog):
    stat = os.stat

    def refuse(path, *args, **options):
        if isinstance(path, str | os.PathLike) and "api.slow" in Path(path).parts[:-1]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", refuse)
    files.keep(kept())()
    if sys.version_info >= (3, 11):  # before, pathlib has a stat of its own, and writes it
        assert "cannot write" in caplog.text
        assert "Permission denied" in caplog.text
    monkeypatch.undo()
    assert list((tmp_path / "api.slow").iterdir()) == []


def test_no_page_stays_whose_trace_cannot_be_written(files, tmp_path, monkeypatch, caplog):
    def write(path, *_):
        raise StackFileError(f"cannot write {path}: the disk is full")

    monkeypatch.setattr("tracetools.session.kept_files.write_chrome_trace", write)
    files.keep(kept())()
    assert "the disk is full" in caplog.text
    assert files.paths == ()
    assert list((tmp_path / "api.slow").iterdir()) == []


def test_a_full_disk_leaves_nothing_and_is_said_once(files, tmp_path, monkeypatch, caplog):
    def fill(file, data, _):
        file.write_bytes(b"".join(data() if callable(data) else [data])[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tracetools.output.formats.files._fill", fill)
    for _ in range(3):
        files.keep(kept())()
    assert caplog.text.count("No space left on device") == 1
    with pytest.raises(StackFileError, match=r"cannot write .*: No space left on device"):
        files.dump([TIMELINE])
    assert (files.paths, [*(tmp_path / "api.slow").iterdir()]) == ((), [])
    monkeypatch.undo()
    files.keep(kept())
    assert len(files.paths) == 1


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"why": "error", "detail": "httpx.ReadTimeout"}, "span-ReadTimeout-5ms-1.html"),
        ({"why": "blocking"}, "span-blocks-5ms-1.html"),
        ({"why": "signal"}, "span-1.trace.json.gz"),
    ],
)
def test_a_name_says_for_what_a_file_is_kept(files, more, name):
    timeline = replace(TIMELINE, subject=None) if more["why"] == "signal" else TIMELINE
    files.keep(Kept("span", 5_000_000, **{"timeline": timeline, **more}))
    assert [path.name for path in files.paths] == [name]


def test_a_dump_is_a_file_for_each_loop(files):
    assert files.dump([TIMELINE, TIMELINE]) == list(files.paths)
    assert [path.name for path in files.paths] == ["dump-1.trace.json.gz", "dump-2.trace.json.gz"]
