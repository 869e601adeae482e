"""`tracetools push`: what is sent, what is left, and what is said."""

from __future__ import annotations

import pytest

from tests.fleet.servers import free_port, stub_server
from tracetools import Profile
from tracetools.__main__ import main
from tracetools.core.stacks import ROOT, Times
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.folder import Folder, mark_of
from tracetools.output.formats.profile_json import write_profile

MINUTE = 60_000_000_000


@pytest.fixture
def folder(tmp_path) -> Folder:
    found = Folder(tmp_path / "minutes")
    found.make()
    for index, instance in enumerate("aab"):
        profile = Profile(stacks={(ROOT,): Times(busy=5)}, duration=5, start=index * MINUTE)
        source = Source(instance * 32, "shop")
        found.write(Batch(source, index * MINUTE, (index + 1) * MINUTE, profile))
    return found


def test_all_processes_are_sent_once(folder, capsys):
    with stub_server() as stub:
        arguments = ["push", str(folder.path), "--to", f"pyroscope+{stub.url}"]
        assert main(arguments) == 0
        assert "sent 3, refused 0, left 0" in capsys.readouterr().err
        assert main(arguments) == 0
        assert "sent 0, refused 0, left 0" in capsys.readouterr().err
    assert len(stub.requests) == 1


def test_it_waits_as_long_as_is_said_before_it_looks_again(folder, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    with stub_server() as stub:
        main(
            ["push", str(folder.path), "--to", f"pyroscope+{stub.url}", "--follow", "--every", "90"]
        )
    assert waits == [90]
    assert len(stub.requests) == 1


def test_only_who_goes_on_waits(folder, capsys):
    assert main(["push", str(folder.path), "--to", "duckdb:fleet.duckdb", "--every", "90"]) == 2
    assert "for --every, give --follow too" in capsys.readouterr().err


def test_what_is_left_is_said_with_the_reason(folder, capsys):
    url = f"pyroscope+http://127.0.0.1:{free_port()}"
    assert main(["push", str(folder.path), "--to", url]) == 1
    said = capsys.readouterr().err
    assert "left 3" in said
    assert "cannot be reached" in said


def test_what_is_refused_is_said(folder, capsys):
    with stub_server((422, {}, b"too old")) as stub:
        assert main(["push", str(folder.path), "--to", f"pyroscope+{stub.url}"]) == 1
    said = capsys.readouterr().err
    assert "refused 3" in said
    assert "too old" in said


def test_two_do_not_push_from_one_folder_to_one_engine(folder, capsys):
    with stub_server() as stub:
        url = f"pyroscope+{stub.url}"
        with folder.locked(mark_of(url)):
            assert main(["push", str(folder.path), "--to", url]) == 2
        assert "another process pushes" in capsys.readouterr().err
        assert main(["push", str(folder.path), "--to", url]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none", "--to", "duckdb:x"], "cannot read"),
        ([".", "--to", "x"], "no engine is named"),
        ([".", "a", "--to", "duckdb:x", "--follow"], "give one folder, and no file"),
        ([".", "--to", "duckdb:x", "--service", "a"], "a folder says whose it is"),
    ],
)
def test_what_makes_no_sense_is_an_error(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").touch()
    assert main(["push", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_files_are_sent_and_count_once(tmp_path, folder, capsys):
    pytest.importorskip("duckdb")
    url = f"duckdb:{tmp_path / 'fleet.duckdb'}"
    file = tmp_path / "a.profile.json"
    stacks = {(ROOT,): Times(busy=5)}
    write_profile(file, Profile(stacks=stacks, duration=5, start=MINUTE, programs=("a",)))
    for _ in range(2):
        assert main(["push", str(file), "--version", "2", "--host", "h", "--to", url]) == 0
        assert "sent 1, refused 0, left 0" in capsys.readouterr().err
    assert main(["push", str(folder.path), str(file), "--to", url]) == 0
    assert main(["query", url, "--list"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("a ")]
    assert line.split()[:3] == ["a", "2", "h"]


def test_a_file_that_is_no_profile_is_said(tmp_path, capsys):
    (tmp_path / "a.json").write_text("{}")
    with stub_server() as stub:
        assert main(["push", str(tmp_path / "a.json"), "--to", f"pyroscope+{stub.url}"]) == 1
    said = capsys.readouterr().err
    assert "refused 1" in said
    assert "a.json is left out" in said
