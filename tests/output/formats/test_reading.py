"""The door for reading: the content says the format, whatever the suffix."""

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import PROFILE, mutated, read_bytes, read_or_refuse, relaxed
from tracetools import NoStacksError, StackFileError
from tracetools.output.formats import reading
from tracetools.output.formats.reading import load_content, read
from tracetools.output.formats.writing import encode

KINDS = {
    ".folded": "folded stacks of tracetools",
    ".profile.json": "a profile",
    ".speedscope.json": "speedscope: busy",
    ".pb": "pprof of tracetools",
}


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
@pytest.mark.parametrize("suffix", KINDS)
def test_a_file_is_what_it_holds_whatever_it_is_named(suffix, packing, tmp_path):
    path = tmp_path / "misleading.png"
    path.write_bytes(packing(encode(f"x{suffix}", PROFILE)))
    assert read(path).description == KINDS[suffix]


class Trickle:
    """A pipe that gives a byte at a time."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, size=-1, /):
        return self._file.read(min(size, 1))


@pytest.mark.parametrize("suffix", KINDS)
def test_a_pipe_may_give_little_at_a_time(suffix):
    data = encode(f"x{suffix}", PROFILE)
    assert load_content(Trickle(data), "x") == read_bytes(data)


def test_the_order_of_folded_stacks_is_kept_on_request():
    data = b"b 1\na 2\nb 3\n"
    assert read_bytes(data, keep_order=True).content.packed == [(b"b", 1), (b"a", 2), (b"b", 3)]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"{}", "its JSON is neither"),
        (b'{"traceEvents": []}', "a Chrome trace"),
        (b"\x1f\x8b", "broken gzip"),
        (gzip.compress(b"a 1\n" * 99)[:-9], "broken gzip"),
        (gzip.compress(gzip.compress(b"a 1\n")), "binary data"),
        (b'{"shared":', "no JSON"),
        ("a 1\n".encode("utf-16"), "binary data"),
    ],
)
def test_what_is_no_file_of_ours_is_refused(data, said):
    assert said in read_or_refuse(data)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(reading, "MAX_UNPACKED", 1 << 16)
    for content in (b"a 1\n" * (1 << 16), b"x" * (1 << 18), b'{"shared":' + b" " * (1 << 18)):
        assert "unpacks to more than" in read_or_refuse(gzip.compress(content))


def test_large_files_that_are_read_whole_are_refused(monkeypatch):
    monkeypatch.setattr(reading, "MAX_BYTES", 99)
    assert "more than 0 MiB" in read_or_refuse(b'{"shared":' + b" " * 99)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StackFileError, match=r"no file .*/none: check the path"):
        read(tmp_path / "none")
    with pytest.raises(StackFileError, match=r"cannot read .*this is a folder"):
        read(tmp_path)
    with pytest.raises(StackFileError, match="cannot read"):
        read("a\0b")


def test_text_that_begins_with_a_brace_is_folded():
    assert read_bytes(b"{main};x 5\n").content.packed == [(b"{main}\0x", 5)]
    with pytest.raises(NoStacksError):
        read_bytes(b"{main}")


@relaxed
@given(mutated(encode("x.folded", PROFILE)))
def test_folded_text_that_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(mutated(encode("x.json", PROFILE)))
def test_a_profile_that_is_tampered_with_is_read_or_refused(data):
    read_or_refuse(data)


@relaxed
@given(st.binary() | st.text().map(str.encode) | st.binary().map(gzip.compress))
def test_anything_is_read_or_refused(data):
    read_or_refuse(data)
