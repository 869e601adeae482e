"""What `-o` asks for, and what is refused before a program starts."""

import os
from dataclasses import replace

import pytest

from tests.commands.drawings import PROFILE
from tests.processes import not_root
from tracetools.commands import CommandError, UsageError
from tracetools.commands.running.formats import Look
from tracetools.commands.running.outputs import Outputs
from tracetools.output.formats.files import Rescue
from tracetools.output.formats.profile_json import write_profile

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*given):
    return [output.path.name for output in Outputs(given)]


THREE = [".profile.json", ".folded", ".html"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([], [f"stack{suffix}" for suffix in THREE]),
        (["app"], [f"app{suffix}" for suffix in THREE]),
        (["run-1.2"], [f"run-1.2{suffix}" for suffix in THREE]),
        (["a.html"], ["a.html"]),
        (["a.HTM"], ["a.HTM"]),
        (["run-1.2.svg"], ["run-1.2.svg"]),
        (["a.json", "a.profile.json"], ["a.json", "a.profile.json"]),
        (["a.folded", "b.svg"], ["a.folded", "b.svg"]),
        (["a", "a.svg"], [*(f"a{suffix}" for suffix in THREE), "a.svg"]),
        (["a.speedscope.json", "a.pb.gz"], ["a.speedscope.json", "a.pb.gz"]),
        ([".hidden"], [f".hidden{suffix}" for suffix in THREE]),
    ],
)
def test_a_name_makes_three_files_and_one_with_a_suffix_itself(given, made):
    assert names(*given) == made


def test_outputs_are_where_they_were_asked_for_when_the_program_changes_its_folder(folder):
    [output] = Outputs(["sub/../x.svg"])
    os.mkdir("sub")
    os.chdir("sub")
    assert output.path == folder / "sub/../x.svg"
    assert Outputs(Outputs(["x.svg"]).names).names == Outputs(["x.svg"]).names


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["x.png"], "no format has the suffix .png of x.png: choose one of .svg"),
        (["app.py"], "no format has the suffix .py"),
        (["x.xyz"], ".speedscope.json"),
        (["a", "a.html"], "two outputs are named a.html"),
        (["a.svg", "./a.svg"], "two outputs are named a.svg"),
        (["a", "a"], "two outputs are named a.profile.json"),
        ([""], "'' names no file: give a name such as 'stack'"),
        (["."], "names no file"),
        (["some/"], "'some/' names no file"),
        (["some/.."], "names no file"),
    ],
)
def test_names_that_make_no_sense_are_refused(given, said):
    with pytest.raises(UsageError) as error:
        Outputs(given)
    assert said in str(error.value)


@unix
def test_two_names_of_one_file_are_one(folder):
    (folder / "a.svg").symlink_to("b.svg")
    with pytest.raises(UsageError, match="two outputs are named"):
        Outputs(["a.svg", "b.svg"])


@unix
def test_a_pipe_gets_the_stacks_unless_its_name_says_otherwise(folder):
    os.mkfifo("pipe")
    os.mkfifo("pipe.svg")
    assert [(o.path.name, o.format.what) for o in Outputs(["pipe", "pipe.svg"])] == [
        ("pipe", "file of folded stacks"),
        ("pipe.svg", "flame graph of tracetools"),
    ]
    assert Outputs(["pipe"]).flushed == []


@unix
def test_a_hyphen_is_standard_output():
    assert Outputs(["-"]).names == ["/dev/stdout"]


def refused(*given):
    with pytest.raises(CommandError) as error:
        Outputs(given).check()
    return str(error.value)


def test_what_cannot_be_written_is_said_with_the_remedy(folder):
    assert "No such file or directory; check the path" in refused("gone/x.svg")
    os.mkdir("x.html")
    assert "this is a folder" in refused("x")
    assert "choose a shorter name" in refused("x" * 250)
    assert refused("nul\0.svg").startswith("cannot write ")
    assert [path.name for path in folder.iterdir()] == ["x.html"]


@unix
def test_a_folder_that_may_not_be_written_to_is_said(folder):
    os.mkdir("locked", 0o500)
    with not_root():
        assert "change its permissions" in refused("locked/x")


OTHERS = {
    "x.html": b"<!DOCTYPE html>\n<html><title>my page</title></html>\n",
    "x.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><circle/></svg>\n',
    "x.folded": b"Notes of mine\nand more\n",
    "x.json": b'{"name": "package", "version": "1.0"}\n',
    "x.profile.json": b"[]",
    "x.pb.gz": b"some text",
    "x.speedscope.json": b"{}",
    "x.txt": b"Dear diary,\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_of_another_kind_is_not_replaced(folder, name):
    (folder / name).write_bytes(OTHERS[name])
    assert "it would be lost; choose another -o" in refused(name)
    assert (folder / name).read_bytes() == OTHERS[name]


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("twice", [False, True], ids=["empty", "earlier"])
def test_what_was_written_before_is_replaced(folder, name, twice):
    outputs = Outputs([name])
    (folder / name).touch()
    for _ in range(1 + twice):
        outputs.check()
        rescue = Rescue()
        assert outputs.write(PROFILE, Look("busy", "name"), rescue) == [folder / name]
        assert rescue.said == []


def test_checking_changes_and_leaves_nothing(folder):
    (folder / "x.folded").write_text("a;b 1\n\nc 2\nhalf of a li")
    before = (folder / "x.folded").stat()
    Outputs(["x"]).check()
    assert (folder / "x.folded").stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in folder.iterdir()] == ["x.folded"]


def test_files_of_another_program_are_named_before_they_are_replaced(folder):
    outputs = Outputs(["x"])
    assert outputs.of_others(["app.py"]) == ""
    write_profile(folder / "x.profile.json", replace(PROFILE, programs=("app.py", "b,.py")))
    assert outputs.of_others(["uvicorn", "app.py"]) == ""
    assert outputs.of_others(["p.py"]) != ""
    assert outputs.of_others(["other.py"]) == (
        "x.profile.json of app.py and b,.py is going to be replaced"
    )


def test_a_profile_that_names_no_program_is_replaced_in_silence(folder):
    write_profile(folder / "x.profile.json", PROFILE)
    assert Outputs(["x"]).of_others(["other.py"]) == ""


def test_each_file_is_written_if_another_one_cannot_be(folder):
    outputs = Outputs(["x"])
    os.mkdir("x.folded")
    rescue = Rescue()
    written = outputs.write(PROFILE, Look("busy", "name"), rescue)
    assert [path.name for path in written] == ["x.profile.json", "x.folded", "x.html"]
    [said] = rescue.said
    assert "it is in" in said
    assert written[1].parent != folder
    assert written[1].read_text()
