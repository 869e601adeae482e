"""Formats by their suffixes."""

import pytest

from tests.commands.drawings import BLOCKED
from tests.commands.drawings import MAIN as PATH
from tracetools.commands.running.formats import FORMATS, Look, format_named, known_suffixes
from tracetools.output.formats.folded import read_folded
from tracetools.output.formats.profile_json import read_profile

LOOK = Look("busy", "name")


def test_suffixes_stand_for_formats_in_any_case():
    assert format_named(".SVG") is FORMATS[".svg"]
    assert format_named(".pb.gz").what == "file of pprof"
    assert format_named("") is format_named(".png") is None


def test_all_that_can_be_written_is_known():
    suffixes = known_suffixes()
    assert {".html", ".svg", ".folded", ".json", ".speedscope.json", ".pb.gz"} <= set(suffixes)
    assert len(suffixes) == len(set(suffixes))
    assert all(format_named(each) for each in suffixes)


@pytest.mark.parametrize("suffix", known_suffixes())
def test_each_format_knows_what_it_writes(tmp_path, suffix):
    found = format_named(suffix)
    found.prepare()
    found.write(tmp_path / f"x{suffix}", BLOCKED, LOOK)
    assert found.is_one(tmp_path / f"x{suffix}")
    assert not FORMATS[".svg" if suffix != ".svg" else ".html"].is_one(tmp_path / f"x{suffix}")


def test_stacks_and_graphs_show_one_lens_and_labels(tmp_path):
    look = Look("idle", "location")
    FORMATS[".folded"].write(tmp_path / "x.folded", BLOCKED, look)
    assert read_folded(tmp_path / "x.folded").stacks == {("all-spans", "app.py:3"): 5000}
    FORMATS[".svg"].write(tmp_path / "x.svg", BLOCKED, look)
    assert "app.py:3 (5 ms" in (tmp_path / "x.svg").read_text()


def test_a_profile_has_all(tmp_path):
    FORMATS[".json"].write(tmp_path / "x.json", BLOCKED, LOOK)
    assert read_profile(tmp_path / "x.json") == BLOCKED
    assert PATH in BLOCKED.stacks
