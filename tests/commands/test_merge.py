"""`tracetools merge`, from the outside."""

import pytest

from tests.commands.drawings import PROFILE, write_files
from tracetools.__main__ import main
from tracetools.output.formats.profile_json import read_profile


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


def test_profiles_of_any_format_make_a_profile(folder, capsys):
    assert main(["convert", "p.profile.json", "p.pb.gz"]) == 0
    assert main(["merge", "p.profile.json", "p.pb.gz", "p.profile.json", "-o", "m.json"]) == 0
    assert read_profile(folder / "m.json") == PROFILE.merge(PROFILE, PROFILE)
    assert "wrote m.json: a profile of 3 files" in capsys.readouterr().err


def test_mixed_files_become_stacks_with_a_note(folder, capsys):
    assert main(["merge", "p.profile.json", "a.folded", "-o", "m.folded"]) == 0
    assert (folder / "m.folded").read_text() == (
        "all-spans 1000\nall-spans;main (app.py:3) 2000\nall-spans;x 5\nall-spans;y 10\n"
    )
    assert "a.folded is no profile, so all become stacks" in capsys.readouterr().err


def test_the_lens_of_profiles_may_be_chosen_beside_stacks(folder):
    arguments = ["p.profile.json", "a.folded", "-o", "m.folded", "--lens", "idle"]
    assert main(["merge", *arguments]) == 0
    assert "main (app.py:3) 5000" in (folder / "m.folded").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.folded", "b.folded", "-o", "m.folded"], "which do not add up"),
        (["a.folded", "-o", "a.folded"], "would replace what it is made from"),
        (["a.folded", "-o", "m.xyz"], "unclear what m.xyz should be"),
        (["a.folded", "-o", "m.xyz"], "usage: tracetools merge"),
        (["p.profile.json", "a.folded", "-o", "m.json"], "folded stacks are no profile"),
        (["p.profile.json", "-o", "m.json", "--lens", "x"], "no lens is named 'x'"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_file(folder, arguments, said, capsys):
    before = sorted(folder.iterdir())
    assert main(["merge", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


def test_an_output_must_be_named(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["merge", "a.folded"])
    assert stopped.value.code == 2
    assert "-o" in capsys.readouterr().err
