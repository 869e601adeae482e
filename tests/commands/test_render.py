"""The flags of `tracetools render`."""

import pytest

from tests.commands.drawings import write_files
from tracetools.__main__ import main
from tracetools.commands import render
from tracetools.output.flamegraph.options import GraphKeywords


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    return tmp_path


def test_every_option_has_a_flag():
    assert render._FLAGS.keys() == GraphKeywords.__annotations__.keys()


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--title", "One <2>"], "<title>One &lt;2&gt;</title>"),
        (["--subtitle", "below"], ">below<"),
        (["--notes", "kept"], "<metadata>kept</metadata>"),
        (["--width", "700"], 'width="700"'),
        (["--height", "30", "--fontsize", "20"], 'font-size="20"'),
        (["--minwidth", "50%"], "1 more frame is not drawn"),
        (["--max-frames", "2"], "2 more frames are not drawn"),
        (["--max-frames", "all"], "y (10"),
        (["--fonttype", "Inter"], 'font-family="Inter"'),
        (["--countname", "ns", "--factor", "1000"], "all (15 µs, 100%)"),
        (["--colors", "blue", "--hash", "--deterministic"], "<rect"),
        (["--bgcolors", "#010203"], 'fill="#010203"'),
        (["--truncate", "left"], 'data-cut="left"'),
        (["--search", "x|y"], 'data-search="x|y"'),
        (["--nonce", "abc"], 'nonce="abc"'),
        (["--inverted"], "Icicle Graph"),
        (["--flamechart"], "Flame Chart"),
        (["--reverse"], "all-spans (5"),
        (["--embedded"], 'data-embedded="true"'),
    ],
)
def test_flag_reaches_the_graph(folder, flags, found):
    assert main(["render", "a.folded", *flags]) == 0
    assert found in (folder / "a.svg").read_text()


def test_a_graph_may_have_no_script(folder):
    assert main(["render", "a.folded", "--no-javascript"]) == 0
    assert "<script" not in (folder / "a.svg").read_text()


@pytest.mark.parametrize("arguments", [[], ["a.folded", "--nosuch"], ["a.folded", "--width", "x"]])
def test_wrong_usage_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["render", *arguments])
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--min-width", "wide"], "'wide' is no percentage"),
        (["--max-frames", "many"], "'many' is no whole number"),
        (["--width", "1.5"], "'1.5' is no whole number"),
        (["--factor", "x"], "'x' is no number"),
    ],
)
def test_values_of_flags_are_named_in_words(capsys, flags, said):
    with pytest.raises(SystemExit) as exited:
        main(["render", "a.folded", *flags])
    assert exited.value.code == 2
    assert said in capsys.readouterr().err
