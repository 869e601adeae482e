"""What of a name is a suffix."""

from pathlib import Path

import pytest

from tracetools.output.formats.names import suffix_of, with_suffix


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("stack", ""),
        ("stack.svg", ".svg"),
        ("stack.SVG", ".SVG"),
        ("stack.html", ".html"),
        ("stack.folded", ".folded"),
        ("a.pstats", ".pstats"),
        ("a.json", ".json"),
        ("a.profile.json", ".profile.json"),
        ("a.speedscope.json", ".speedscope.json"),
        ("a.gecko.json", ".gecko.json"),
        ("a.trace.json", ".trace.json"),
        ("a.trace.json.gz", ".trace.json.gz"),
        ("a.pb.gz", ".pb.gz"),
        ("a.tar.gz", ".gz"),
        ("picture.png", ".png"),
        ("a.xyz", ".xyz"),
        ("app.py", ".py"),
        ("run-1.2", ""),
        ("1.2.3", ""),
        ("trio-0.25rc1", ""),
        ("run.v3", ""),
        ("run.rc1", ""),
        ("run-1.2.svg", ".svg"),
        ("run.production", ""),
        (".hidden", ""),
        (".pb.gz", ".gz"),
        ("a.", ""),
        ("a.b c", ""),
        ("folder.d/name", ""),
    ],
)
def test_a_suffix_says_what_a_file_holds(name, suffix):
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("stack", "stack.folded"),
        ("stack.svg", "stack.folded"),
        ("stack.profile.json", "stack.folded"),
        ("run-1.2", "run-1.2.folded"),
        ("run-1.2.html", "run-1.2.folded"),
        (".hidden", ".hidden.folded"),
        ("some.d/x", "some.d/x.folded"),
    ],
)
def test_another_suffix_leaves_the_name_as_it_was_given(name, made):
    assert with_suffix(name, ".folded") == Path(made)
