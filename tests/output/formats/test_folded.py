import gzip
import io
import logging
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.processes import not_root
from tracetools.core.errors import NoStacksError, StackFileError
from tracetools.output.formats.folded import (
    MAX_LABEL_BYTES,
    MAX_LINE_BYTES,
    clean_label,
    format_folded,
    pack_clean,
    parse_folded,
    read_folded,
    write_folded,
)

relaxed = settings(deadline=None)
any_text = st.text(st.characters(exclude_categories=()), max_size=300)
labels = st.one_of(any_text, st.text("# ;7.\t\u00a0a\ud800é", max_size=12))
stacks = st.dictionaries(
    st.lists(labels, max_size=5).map(tuple), st.integers(-2, 10**30), max_size=12
)


def parse(text):
    return parse_folded(io.BytesIO(text))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# -- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "clean"),
    [
        ("handle (app.py:7)", "handle (app.py:7)"),
        ("a;b", "a:b"),
        ("a\nb\u2028c\x1b[31m\x85d", "a b c [31m d"),
        ("\ud800x\udfff", "\ufffdx\ufffd"),
        ("\ufffe\uffff", "\ufffd\ufffd"),
        ("\ufeffa", "a"),
        (" \u00a0 a b\u3000", "a b"),
        ("", "unknown"),
        (" \n", "unknown"),
        ("task 7", "task #7"),
        ("task 7.", "task #7."),
        ("task 7.25", "task #7.25"),
        ("task\u00a07", "task\u00a0#7"),
        ("task \u0667", "task #\u0667"),
        ("task-7", "task-7"),
        ("task 7b", "task 7b"),
        ("task 7 b", "task 7 b"),
        ("7", "7"),
        ("# note", "_# note"),
        ("#", "_#"),
        ("#7", "_#7"),
    ],
)
def test_label_is_made_safe(label, clean):
    assert clean_label(label) == clean


def test_long_label_keeps_its_head_and_its_tail():
    clean = clean_label("head " + "x" * 500 + " (tail.py:1)")
    assert clean.startswith("head xxx")
    assert clean.endswith("xxx (tail.py:1)")
    assert clean.count("…") == 1
    assert len(clean.encode()) == MAX_LABEL_BYTES


def test_long_label_is_not_cut_within_a_character():
    assert clean_label("é" * 300).replace("…", "") == "é" * 118
    assert clean_label("😀" * 100).replace("…", "") == "😀" * 58


@relaxed
@given(labels)
def test_label_is_safe_whatever_it_was(label):
    clean = clean_label(label)
    assert clean_label(clean) == clean
    assert 0 < len(clean.encode()) <= MAX_LABEL_BYTES
    assert ";" not in clean
    assert clean == clean.strip()
    assert not clean.startswith("#")
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in clean)
    assert clean.splitlines() == [clean]


# -- writing -----------------------------------------------------------------------------------


def test_text_is_sorted_merged_and_without_zero_counts():
    text = format_folded(
        {("b",): 2, ("a", "x;y"): 1, ("a", "x:y"): 4, ("gone",): 0, ("less",): -1, (): 3}
    )
    assert text == "a;x:y 5\nb 2\nunknown 3\n"


def test_no_stacks_make_an_empty_text():
    assert format_folded({}) == ""


@relaxed
@given(stacks)
def test_written_stacks_are_read_back(stacks):
    text = format_folded(stacks)
    expected = {}
    for stack, count in stacks.items():
        if count > 0:
            clean = tuple(clean_label(label) for label in stack) or ("unknown",)
            expected[clean] = expected.get(clean, 0) + count
    if not expected:
        assert text == ""
        return
    folded = parse(text.encode())
    assert folded.stacks == expected
    assert (folded.before, folded.bad, folded.vanished) == ({}, 0, 0)
    assert text.splitlines() == sorted(text.splitlines())


def test_a_file_is_the_text_of_its_stacks(tmp_path):
    write_folded(tmp_path / "stack.folded", {("a", "b"): 5})
    assert (tmp_path / "stack.folded").read_bytes() == b"a;b 5\n"


def test_empty_stacks_make_an_empty_file(tmp_path):
    write_folded(tmp_path / "stack.folded", {})
    assert (tmp_path / "stack.folded").read_bytes() == b""


def test_a_failure_leaves_the_last_good_file_and_no_other(tmp_path, monkeypatch):
    def refuse(self, target):
        raise OSError(28, "No space left on device")

    path = tmp_path / "stack.folded"
    write_folded(path, {("good",): 1})
    with monkeypatch.context() as patch, pytest.raises(StackFileError) as caught:
        patch.setattr(Path, "replace", refuse)
        write_folded(path, {("worse",): 2})
    assert str(caught.value) == (
        f"cannot write stack file {path}: No space left on device; "
        "free some space, or choose another disk"
    )
    assert path.read_bytes() == b"good 1\n"
    assert names_in(tmp_path) == ["stack.folded"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("missing/stack.folded", "its folder must exist"),
        ("plain/stack.folded", "a part of the path is a file"),
        ("folder", "this is a folder"),
        ("x" * 300, "choose a shorter name"),
        ("nul\0", "choose another one"),
    ],
)
def test_path_that_cannot_be_written_is_named_with_a_remedy(tmp_path, name, remedy):
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").touch()
    with pytest.raises(StackFileError, match=remedy) as caught:
        write_folded(tmp_path / name, {("a",): 1})
    assert name in str(caught.value)
    assert names_in(tmp_path) == ["folder", "plain"]


# -- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stacks"),
    [
        pytest.param(b"a;b 5\n", {("a", "b"): 5}, id="plain"),
        pytest.param(b"a;b 5", {("a", "b"): 5}, id="no newline at the end"),
        pytest.param(b"a; b; c 5\n", {("a", "b", "c"): 5}, id="semicolon and blank"),
        pytest.param(b"a; 7 5\na;7 5\n", {("a", "7"): 10}, id="a number as a frame"),
        pytest.param(b"7 5\n", {("7",): 5}, id="a number as the only frame"),
        pytest.param(b"a;b 5\r\n", {("a", "b"): 5}, id="CRLF"),
        pytest.param(b"  a;b 5  \t\n", {("a", "b"): 5}, id="blanks around"),
        pytest.param(b"a;b\t \t5\n", {("a", "b"): 5}, id="tabs before the count"),
        pytest.param(b"a b;c d 5\n", {("a b", "c d"): 5}, id="blanks in names"),
        pytest.param(b"a;b 5\na; b 6\n", {("a", "b"): 11}, id="repeated"),
        pytest.param(b"a 0.1\n" * 15, {("a",): 2}, id="fractions, half up"),
        pytest.param(b"a 10.\n", {("a",): 10}, id="point without a fraction"),
        pytest.param(b"a 0\na;b 5\na;b 0\n", {("a", "b"): 5}, id="zero"),
        pytest.param(b"a %d\n" % 10**90, {("a",): 10**90}, id="huge"),
        pytest.param(b"\xef\xbb\xbfa 5\n", {("a",): 5}, id="byte order mark"),
        pytest.param(b"# a note 5\n#\n\n \na 5\n", {("a",): 5}, id="comments and blank lines"),
        pytest.param(b"#a 5\n", {("#a",): 5}, id="no comment"),
        pytest.param(b"a;;b;c; 5\n", {("a", "unknown", "b", "c"): 5}, id="nameless frames"),
        pytest.param(b"\xff\xe9;b 5\n", {("\ufffd\ufffd", "b"): 5}, id="not UTF-8"),
    ],
)
def test_unusual_text_is_read_as_it_is_meant(text, stacks):
    folded = parse(text)
    assert folded.stacks == stacks
    assert (folded.before, folded.bad, folded.first_bad, folded.vanished) == ({}, 0, None, 0)


def test_of_two_columns_the_second_counts_and_the_first_is_kept():
    folded = parse(b"a;b 3 5\na;c 0 4\na;d 2.5 0\n")
    assert folded.stacks == {("a", "b"): 5, ("a", "c"): 4}
    assert folded.before == {("a", "b"): 3, ("a", "c"): 0, ("a", "d"): 3}


def test_lines_of_one_count_and_of_two_do_not_mix():
    with pytest.raises(StackFileError, match=r"line 1 has two counts and line 2 has one; give"):
        parse(b"a;b 3 5\na;c 4\n")


BAD_LINES = [
    b"no_count",
    b"a -5",
    b"a 1e3",
    b"a nan",
    b"a .5",
    b"a 1.2.3",
    b"a +5",
    b"5",
    b" 5",
    b"; ; 5",
    b"nul\0 5",
    b"a " + b"9" * 101,
    "a \u0667".encode(),
    b"x" * MAX_LINE_BYTES + b" 5",
    b"x" * (3 * MAX_LINE_BYTES) + b" 5",
    b" " * (2 * MAX_LINE_BYTES) + b"a 5",
]


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: line[:12])
def test_bad_line_is_counted_and_the_rest_is_read(line, caplog):
    caplog.set_level(logging.WARNING, "tracetools")
    folded = parse_folded(io.BytesIO(b"a 1\n" + line + b"\nb 2\n"), "some.folded")
    assert folded.stacks == {("a",): 1, ("b",): 2}
    assert (folded.bad, folded.first_bad) == (1, 2)
    assert [record.name for record in caplog.records] == ["tracetools"]
    assert caplog.messages[0].startswith(
        "some.folded: left out 1 bad line (the first is line 2); a line should be `frame;frame"
    )


def test_many_bad_lines_are_reported_once(caplog):
    folded = parse_folded([b"\n", b"x\n", b"a 1\n", *[b"y\n"] * 50])
    assert (folded.bad, folded.first_bad) == (51, 2)
    assert len(caplog.messages) == 1
    assert "51 bad lines (the first is line 2)" in caplog.messages[0]


def test_stacks_that_round_to_nothing_are_reported(caplog):
    folded = parse(b"a 0.2\na 0.2\nb 1\n")
    assert folded.stacks == {("b",): 1}
    assert folded.vanished == 1
    assert "left out 1 stack whose count rounds to 0" in caplog.messages[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "empty: nothing was recorded"),
        (b"\n# note 5\n", "empty: nothing was recorded"),
        (b"\n-1\nx\n", r"no folded stacks, 2 bad lines \(the first is line 2\); a line should be"),
        (b"a 0\n", "all counts are 0"),
        (b"a 0.2\n", "all counts round to 0; give whole numbers"),
        (gzip.compress(b"a 5\n", mtime=0), r"binary data \(a NUL byte in line 1\)"),
        ("a 5\n".encode("utf-16"), r"binary data \(a NUL byte in line 1\)"),
    ],
)
def test_text_without_stacks_is_refused_with_the_reason(text, why):
    with pytest.raises(NoStacksError, match=f"^<lines>: {why}"):
        parse(text)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_longest_line_that_is_read_has_a_mebibyte(end):
    line = b"x" * (MAX_LINE_BYTES - len(end) - 1) + b" 5" + end
    assert len(line) == MAX_LINE_BYTES + 1
    assert parse(b"a 1\n" + line).bad == 0
    assert parse(b"a 1\nx" + line).bad == 1


def test_numbers_of_any_size_add_up_exactly():
    most = 1 << 62
    text = b"a %d\nb 1\na 5\na 0.5\nc %d\nb 2\n" % (most - 5, 10**30)
    assert parse(text).stacks == {("a",): most + 1, ("b",): 3, ("c",): 10**30}


def test_lines_that_begin_as_the_one_before_are_stacks_of_their_own():
    text = (
        b"a;b;c 1\na;b;cd 2\na;b 3\na;b c;c 4\na;b;c 5\na;b;c;d 6\na 7\nb;b;c 8\na;b;c 0\na;b;c 9\n"
    )
    assert parse(text).stacks == {
        ("a", "b", "c"): 15,
        ("a", "b", "cd"): 2,
        ("a", "b"): 3,
        ("a", "b c", "c"): 4,
        ("a", "b", "c", "d"): 6,
        ("a",): 7,
        ("b", "b", "c"): 8,
    }


class EndlessLine(io.RawIOBase):
    """A file of one line, far too long; it remembers the most that was asked of it at once."""

    def __init__(self, length):
        self.left = length
        self.most = 0

    def read(self, size=-1):
        self.most = max(self.most, size if size >= 0 else self.left)
        size = min(size, self.left) if size >= 0 else self.left
        self.left -= size
        return b"x" * size


def test_an_endless_line_is_never_in_memory_whole():
    file = EndlessLine(1 << 28)
    with pytest.raises(NoStacksError, match=r"1 bad line \(the first is line 1\)"):
        parse_folded(file)
    assert file.left == 0
    assert file.most <= MAX_LINE_BYTES + 1


@relaxed
@given(st.one_of(st.binary(), st.text("a; \t.#0123456789-\r\n\0é").map(str.encode)))
@example(b"9" * 5000)
@example(b"a " + b"9" * 5000)
@example(b"a 1." + b"9" * 5000)
def test_only_our_error_escapes_from_hostile_text(text):
    try:
        folded = parse(text)
    except NoStacksError:
        return
    assert folded.stacks
    assert all(count > 0 for count in folded.stacks.values())
    assert all(label for stack in folded.stacks for label in stack)
    assert parse(format_folded(folded.stacks).encode()).bad == 0


def test_file_is_read(tmp_path):
    (tmp_path / "stack.folded").write_bytes(b"a;b 5\n")
    assert read_folded(tmp_path / "stack.folded").stacks == {("a", "b"): 5}


def test_reason_names_the_file(tmp_path):
    path = tmp_path / "stack.folded"
    path.touch()
    with pytest.raises(NoStacksError, match=f"^{path}: empty"):
        read_folded(path)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("missing", "check the path"), (".", "this is a folder"), ("nul\0", "choose another one")],
)
def test_file_that_cannot_be_read_is_named_with_a_remedy(tmp_path, name, remedy):
    with pytest.raises(StackFileError, match=remedy) as caught:
        read_folded(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_file_without_permission_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "stack.folded"
    path.touch(mode=0)
    with not_root(), pytest.raises(StackFileError, match="change its permissions"):
        read_folded(path)


@pytest.mark.parametrize("other", ["", "z\t1\n"])
@pytest.mark.parametrize("label", ["\u2003b", "b\u00a0", "\u3000", "\u0085", "\x1c"])
def test_blanks_of_unicode_are_parts_of_names_whatever_stands_beside_them(label, other):
    stacks = parse_folded(io.BytesIO(f"a;{label} 5\n{other}".encode())).stacks
    assert stacks["a", label] == 5


def test_packed_stacks_are_those_of_a_file():
    stacks = {("a;", "b 1"): 3, ("a:", "b #1"): 4, ("x",): 0, (): 2}
    assert sorted(pack_clean(stacks)) == sorted(
        parse_folded(io.BytesIO(format_folded(stacks).encode())).packed
    )
