"""Files are for their owner alone, whatever the umask says, unless the environment opens them."""

from __future__ import annotations

import os
import stat

import pytest

from tests.output.formats.mutations import PROFILE
from tests.output.timeline.examples import NOTES, TIMELINE
from tests.session.test_kept_files import kept
from tracetools.__main__ import main
from tracetools.core.errors import StackFileError
from tracetools.guest.messages import to_log
from tracetools.output.flamegraph import Flamegrapher
from tracetools.output.formats.chrome_trace import write_chrome_trace
from tracetools.output.formats.files import MODE_VARIABLE
from tracetools.output.formats.folded import write_folded
from tracetools.output.formats.profile_json import write_profile
from tracetools.output.formats.writing import SUFFIXES, write
from tracetools.output.report import write_report
from tracetools.output.stack_file import StackFile
from tracetools.output.timeline import write_timeline
from tracetools.session.kept_files import KeptFiles

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are a matter of Unix")


def write_formats(folder):
    for suffix in SUFFIXES:
        write(folder / f"written{suffix}", PROFILE)


def write_report_and_graph(folder):
    write_folded(folder / "stack.folded", {("root", "a"): 1})
    Flamegrapher().with_stack_file(folder / "stack.folded").with_graph_file(
        folder / "graph.svg"
    ).write_flamegraph()
    write_report(folder / "report.html", PROFILE)


def write_timelines(folder):
    write_timeline(folder / "page.html", TIMELINE, NOTES)
    write_chrome_trace(folder / "page.trace.json.gz", TIMELINE, NOTES)


def keep_spans(folder):
    files = KeptFiles(lambda: folder / "api.folded", to_log)
    files.keep(kept())
    files.dump([TIMELINE])


def follow_a_recording(folder):
    file = StackFile(folder / "stack.folded", lambda: PROFILE)
    assert modes_in(folder) <= {0o600}, "it is private before anything is in it"
    file.write()
    file.close()


def run_commands(folder):
    profile = str(folder / "a.profile.json")
    write_profile(profile, PROFILE)
    for line in (
        ["convert", profile, str(folder / "b.pb.gz")],
        ["merge", profile, profile, "-o", str(folder / "c.profile.json")],
        ["diff", profile, profile, "-o", str(folder / "d.svg")],
        ["render", profile, "-o", str(folder / "e.svg")],
        ["render", profile, "-o", str(folder / "e.html")],
    ):
        assert main(line) == 0, line


WRITERS = [
    write_formats,
    write_report_and_graph,
    write_timelines,
    keep_spans,
    follow_a_recording,
    run_commands,
]


def modes_in(folder, kind=stat.S_ISREG):
    found = [path.stat() for path in folder.rglob("*")]
    return {stat.S_IMODE(each.st_mode) for each in found if kind(each.st_mode)}


@pytest.fixture(params=[0, 0o077], ids=["open", "closed"], autouse=True)
def mask(request):
    """Let the umask open all, or nothing."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("writer", WRITERS)
def test_files_are_for_their_owner_alone(tmp_path, writer):
    writer(tmp_path)
    assert modes_in(tmp_path) == {0o600}
    assert modes_in(tmp_path, stat.S_ISDIR) <= {0o700}


@pytest.mark.parametrize(("mode", "of_folders"), [("640", 0o750), ("0644", 0o755)])
@pytest.mark.parametrize("writer", [each for each in WRITERS if each is not follow_a_recording])
def test_the_environment_opens_new_files(tmp_path, monkeypatch, writer, mode, of_folders):
    monkeypatch.setenv(MODE_VARIABLE, mode)
    writer(tmp_path)
    assert modes_in(tmp_path) == {int(mode, 8)}
    assert modes_in(tmp_path, stat.S_ISDIR) <= {of_folders}


@pytest.mark.parametrize("mode", ["rw", "777", "666", "440", "0o600", "6000", "-600"])
def test_a_mode_that_makes_no_sense_is_told_and_opens_nothing(tmp_path, monkeypatch, capsys, mode):
    monkeypatch.setenv(MODE_VARIABLE, mode)
    with pytest.raises(StackFileError, match="TRACETOOLS_FILE_MODE is a mode such as 600"):
        StackFile(tmp_path / "stack.folded", lambda: PROFILE)
    assert not list(tmp_path.iterdir())
    write_profile(tmp_path / "a.profile.json", PROFILE)
    assert main(["convert", str(tmp_path / "a.profile.json"), str(tmp_path / "b.folded")]) == 2
    assert f"not '{mode}'" in capsys.readouterr().err
    assert modes_in(tmp_path) == {0o600}
