"""`tracetools convert`, from the outside."""

import pytest

from tests.commands.drawings import PROFILE, write_files
from tests.commands.starting import run_command
from tracetools.__main__ import main
from tracetools.output.formats.profile_json import read_profile
from tracetools.output.formats.prometheus import format_prometheus
from tracetools.output.formats.reading import read
from tracetools.output.formats.writing import SUFFIXES


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


@pytest.mark.parametrize("suffix", [each for each in SUFFIXES if each != ".prom"])
def test_a_profile_becomes_a_file_of_any_format(folder, suffix, capsys):
    assert main(["convert", "p.profile.json", f"x{suffix}"]) == 0
    read(folder / f"x{suffix}")
    assert capsys.readouterr().err.startswith(f"tracetools: wrote x{suffix} from a profile")


def test_a_profile_becomes_metrics(folder):
    assert main(["convert", "p.profile.json", "x.prom"]) == 0
    assert (folder / "x.prom").read_text() == format_prometheus(PROFILE)


@pytest.mark.parametrize("suffix", [".json", ".pb", ".pb.gz", ".pprof"])
def test_a_profile_comes_back_without_loss(folder, suffix):
    assert main(["convert", "p.profile.json", f"x{suffix}"]) == 0
    assert main(["convert", f"x{suffix}", "again.profile.json"]) == 0
    assert read_profile(folder / "again.profile.json") == PROFILE


def test_a_lens_is_chosen(folder, capsys):
    assert main(["convert", "p.profile.json", "x.folded", "--lens", "idle"]) == 0
    assert capsys.readouterr().err == (
        "tracetools: wrote x.folded from a profile, with idle time\n"
    )
    assert (folder / "x.folded").read_text() == "all-spans;main (app.py:3) 5000\n"
    assert main(["convert", "p.profile.json", "x.speedscope.json"]) == 0
    assert main(["convert", "x.speedscope.json", "y.folded", "--lens", "idle"]) == 0
    assert (folder / "y.folded").read_text() == (folder / "x.folded").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.folded", "x.yz"], "unclear what x.yz should be: end it in one of .collapsed"),
        (["a.folded", "x.json"], "folded stacks are no profile"),
        (["a.folded", "x.prom"], "folded stacks are no profile"),
        (["a.folded", "a.folded"], "would replace what it is made from"),
        (["a.folded", "x.yz"], "usage: tracetools convert"),
        (["a.folded", "none/x.folded"], "no folder none"),
        (["a.folded", "folder.folded"], "cannot write folder.folded: "),
        (["none", "x.folded"], "no file none"),
        (["a.folded", "x.pb", "--lens", "idle"], "just one lens"),
        (["p.profile.json", "x.folded", "--lens", "x"], "no lens is named 'x'"),
        (["p.profile.json", "x.folded", "--lens", "scheduled"], "no scheduled time"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_file(folder, arguments, said, capsys):
    (folder / "folder.folded").mkdir()
    before = sorted(folder.iterdir())
    assert main(["convert", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_help_lists_all_suffixes(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["convert", "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert [suffix for suffix in SUFFIXES if suffix not in shown] == []


def test_wrong_use_ends_with_status_2(folder):
    status, _, errors = run_command("convert", "a.folded", folder=folder)
    assert status == 2
    assert "usage: tracetools convert" in errors
