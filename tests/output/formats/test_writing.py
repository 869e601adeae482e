"""The door for writing: the suffix says the format."""

import os

import pytest
from hypothesis import given

from tests.output.formats.mutations import PROFILE, read_bytes, relaxed
from tests.strategies import PROFILES
from tracetools import StackFileError
from tracetools.core.profile import LENSES
from tracetools.output.formats.folded import format_folded
from tracetools.output.formats.writing import SUFFIXES, encode, format_of, write
from tracetools.output.stack_file import fold


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("a.folded", "folded"),
        ("a.txt", "folded"),
        ("a.b.collapsed", "folded"),
        ("run-1.2.json", "profile"),
        ("a.profile.json", "profile"),
        ("a.speedscope.json", "speedscope"),
        ("A.SPEEDSCOPE.JSON", "speedscope"),
        ("a.pb.gz", "pprof"),
        ("a.pprof", "pprof"),
        ("a.pb", "pprof"),
    ],
)
def test_the_suffix_says_the_format(name, format_name):
    assert format_of(name) == format_name


@pytest.mark.parametrize("name", ["a", "a.svg", "a.gz", "folded", "speedscope.xml", ""])
def test_a_suffix_that_is_not_known_is_refused_with_those_that_are(name):
    with pytest.raises(StackFileError, match=r"unclear what .* should be") as caught:
        format_of(name)
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)


@relaxed
@given(PROFILES)
def test_folded_text_is_that_of_a_stack_file(profile):
    for lens in LENSES:
        for labels in ("name", "location"):
            expected = format_folded(fold(profile, lens, labels)).encode()
            assert encode("a.folded", profile, lens=lens, labels=labels) == expected


@pytest.mark.parametrize("suffix", [each for each in SUFFIXES if each != ".prom"])
def test_every_suffix_but_that_of_metrics_can_be_written_and_read(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    write(path, PROFILE)
    read_bytes(path.read_bytes())
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_times_of_stacks_become_microseconds_in_folded_text():
    stacks = read_bytes(b"a;b 1500\na 400\n").content
    assert encode("a.folded", stacks, unit="nanoseconds") == b"a;b 2\n"
    assert encode("a.folded", stacks, unit="samples") == b"a 400\na;b 1500\n"


def test_stacks_are_no_profile():
    stacks = read_bytes(b"a 1\n").content
    with pytest.raises(StackFileError, match=r"cannot write a.json: folded stacks are no profile"):
        encode("a.json", stacks)


def test_what_cannot_be_written_is_named_and_what_was_there_is_untouched(tmp_path):
    with pytest.raises(StackFileError, match=r"cannot write .*its folder must exist"):
        write(tmp_path / "none" / "a.folded", PROFILE)
