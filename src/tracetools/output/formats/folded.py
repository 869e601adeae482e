"""Folded text: `frame;frame;frame count` lines, the format that every flame graph tool reads.

A stack is a tuple of labels, root first. We write the subset that all known tools read alike:
UTF-8, LF, sorted, one line for each distinct stack, positive integers, no header, no empty frame.
We read whatever flamegraph.pl, inferno, tracing-flame or trace-tools write.

Stacks that were read stay packed (`pack`), each in one `bytes`. So a file of a hundred thousand
distinct stacks takes little more memory than its text, and sorts as fast as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from tracetools.core.errors import NoStacksError, StackFileError
from tracetools.guest.messages import common
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.stack_table import (
    MAX_COUNT_CHARACTERS,
    MAX_LINE_BYTES,
    SEPARATOR,
    Lines,
    StackTable,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from _typeshed import SupportsRead

    from tracetools.core.labels import LabelPath

MAX_LABEL_BYTES = 240
"""The longest label that is written. 256 of them fit into 64 KiB, the longest line of Pyroscope."""

UNKNOWN = "unknown"
"""The label of a frame without a name."""


# -- writing -----------------------------------------------------------------------------------

_SUBSTITUTES: dict[int, str] = {
    ord(";"): ":",
    **dict.fromkeys(range(0x20), " "),
    **dict.fromkeys(range(0x7F, 0xA0), " "),
    **dict.fromkeys((0x2028, 0x2029, 0xFEFF), " "),
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
    **dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd"),
}
_COUNT_LOOKALIKE = re.compile(r"(?<=\s)(?=\d+(?:\.\d*)?\Z)")
_ELLIPSIS = "…"


def clean_label(label: str) -> str:
    """Return a label that no reader of folded text misreads; a clean label stays as it is.

    This is the one substitution that tracetools makes. Making it twice changes nothing:

    - `;` becomes `:`, since it separates frames;
    - control characters, line separators and byte order marks become spaces;
    - lone surrogates and U+FFFE, U+FFFF, which UTF-8 or XML cannot hold, become U+FFFD;
    - blanks at both ends go, and an empty label becomes `unknown`;
    - a number after a blank at the end gets a `#`, since flamegraph.pl and inferno read it as a
      second count: `task 7` becomes `task #7`;
    - a `#` at the start gets a `_` before it, since the line would be a comment;
    - more than 240 bytes of UTF-8 become head and tail around `…`.
    """
    text = label.translate(_SUBSTITUTES).strip() or UNKNOWN
    text = _COUNT_LOOKALIKE.sub("#", text)
    if text.startswith("#"):
        text = f"_{text}"
    return _shortened(text)


def _shortened(text: str) -> str:
    """Return head and tail of a text that is too long, without cutting through a character."""
    raw = text.encode()
    if len(raw) <= MAX_LABEL_BYTES:
        return text
    kept = MAX_LABEL_BYTES - len(_ELLIPSIS.encode())
    head = raw[: kept // 2].decode(errors="ignore")
    tail = raw[-(kept - kept // 2) :].decode(errors="ignore")
    return f"{head}{_ELLIPSIS}{tail}"


def format_folded(stacks: Mapping[LabelPath, int]) -> str:
    """Return the folded text of stacks and counts: cleaned, merged, sorted, each line ended.

    Stacks that are equal once they are clean add up. Counts of zero or less are left out, since
    they make some readers lose whole frames. A stack without frames becomes one frame, `unknown`.
    """
    merged = _clean_and_merged(stacks, ";")
    return "".join(sorted(f"{line} {count}\n" for line, count in merged.items()))


def pack_clean(stacks: Mapping[LabelPath, int]) -> list[tuple[bytes, int]]:
    """Return packed stacks as a file of these stacks would have them, without a file."""
    merged = _clean_and_merged(stacks, "\0")
    return [(line.encode(), count) for line, count in merged.items()]


def _clean_and_merged(stacks: Mapping[LabelPath, int], separator: str) -> dict[str, int]:
    clean: dict[str, str] = {}
    merged: dict[str, int] = {}
    for stack, count in stacks.items():
        if count <= 0:
            continue
        for label in stack:
            if label not in clean:
                clean[label] = clean_label(label)
        line = separator.join([clean[label] for label in stack]) or UNKNOWN
        merged[line] = merged.get(line, 0) + count
    return merged


def format_packed(stacks: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the folded text of packed stacks and counts, as `format_folded` does.

    It takes little more memory than the text.
    """
    clean: dict[str, str] = {}
    merged: dict[bytes, int] = {}
    for packed, count in stacks:
        if count <= 0:
            continue
        labels = packed.decode(errors="replace").split("\0")
        for label in labels:
            if label not in clean:
                clean[label] = clean_label(label)
        line = ";".join([clean[label] for label in labels]).encode()
        merged[line] = merged.get(line, 0) + count
    return b"".join(sorted(b"%b %d\n" % item for item in merged.items()))


def write_folded(path: Path, stacks: Mapping[LabelPath, int]) -> None:
    """Replace a folded file at once. Without stacks the file is empty.

    Raises:
        StackFileError: The file cannot be written; what was there before is untouched.
    """
    try:
        write_atomically(path, format_folded(stacks).encode())
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write stack file {path}: {explain(error)}") from error


# -- packed stacks -----------------------------------------------------------------------------


def pack(stack: LabelPath) -> bytes:
    """Return a stack as one value. What a label in a file cannot have is replaced as in a file."""
    labels = [label.replace("\0", " ") or UNKNOWN for label in stack]
    return "\0".join(labels).encode(errors="replace")


def unpack(packed: bytes) -> LabelPath:
    """Return the labels of a packed stack."""
    return tuple(packed.decode().split("\0")) if packed else ()


# -- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folded:
    """The content of a folded file: at least one stack with a positive count.

    Attributes:
        packed: packed stacks and their counts; of a differential file, the second counts. Each
            stack is there once, unless the order of the file was kept. A table is not changed.
        packed_before: the first counts of a differential file (`stack before after`), by packed
            stack; None for any other file.
        bad: how many lines were no stacks.
        first_bad: the number of the first such line, counted from 1.
        vanished: how many stacks had a count that rounds to 0.
    """

    packed: list[tuple[bytes, int]] | StackTable
    packed_before: dict[bytes, int] | None
    bad: int
    first_bad: int | None
    vanished: int

    @property
    def stacks(self) -> dict[LabelPath, int]:
        """Counts by stack, those of equal stacks added up."""
        return _unpacked(self.packed)

    @property
    def before(self) -> dict[LabelPath, int]:
        """The first counts of a differential file; empty for any other."""
        return _unpacked((self.packed_before or {}).items())


def _unpacked(counts: Iterable[tuple[bytes, int]]) -> dict[LabelPath, int]:
    totals: dict[LabelPath, int] = {}
    for packed, count in counts:
        stack = unpack(packed)
        totals[stack] = totals.get(stack, 0) + count
    return totals


def read_folded(path: Path, *, keep_order: bool = False) -> Folded:
    """Read a folded file, as leniently as `parse_folded`.

    Raises:
        StackFileError: The file is missing, cannot be read, or mixes lines of one count and two.
        NoStacksError: It has no stack with a count.
    """
    try:
        with path.open("rb") as file:
            return parse_folded(file, str(path), keep_order=keep_order)
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read stack file {path}: {explain(error)}") from error


def parse_folded(
    lines: Iterable[bytes] | SupportsRead[bytes],
    source: str = "<lines>",
    *,
    keep_order: bool = False,
) -> Folded:
    r"""Read folded text block by block; each distinct stack is in memory once.

    These are read as they are meant:

    - `; ` between frames, CRLF, blanks and tabs around the count, a byte order mark;
    - repeated stacks, which add up; with `keep_order` only neighbours do;
    - fractional counts, which add up exactly and are rounded once, half up;
    - two counts: the second is the count, the first is `before`;
    - frames without a name, which are `unknown`; at the end of a stack they are ignored;
    - bytes that are not UTF-8, which become U+FFFD.

    Blank lines and lines that start with `# ` are skipped. Any other line is bad: no count, no
    frame, a count with a sign or an exponent, NUL bytes, more than 1 MiB. Bad lines, and stacks
    whose count rounds to 0, are reported once, as a warning of the logger "tracetools". `source`
    names the input in messages.

    Raises:
        NoStacksError: There is no stack with a count.
        StackFileError: Some lines have one count and some have two, so the meaning is unclear.
    """
    tally = _Tally(source, _Sequence() if keep_order else _Counts())
    read, number = tally.after.read, 1
    for block in blocks(lines):
        number += read(block.removeprefix(_BOM) if number == 1 else block, number, tally.add)
    folded = tally.result()
    if not folded.packed:
        raise NoStacksError(f"{source}: {_why_no_stacks(folded, tally)}")
    _report(folded, source)
    return folded


_BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1 << 16
_NOT_A_NAME = b"; \t\r\n\v\f"
_SHAPE = "`frame;frame count`, where count is a number of zero or more"
_TABS_TO_BLANKS = bytes.maketrans(b"\t", b" ")
_SCALE = 10**MAX_COUNT_CHARACTERS


def blocks(lines: Iterable[bytes] | SupportsRead[bytes]) -> Iterator[bytes]:
    """Yield the text in blocks of whole lines, without the end of the last line.

    Of an overlong line there is just enough to see that it is one.
    """
    read = getattr(lines, "read", None)
    if read is None:
        yield from (line.removesuffix(b"\n") for line in cast("Iterable[bytes]", lines))
        return
    begun: list[bytes] = []
    length = 0
    while data := read(_BLOCK_BYTES):
        whole, newline, tail = data.rpartition(b"\n")
        if newline:
            yield b"".join([*begun, whole])
            begun, length = [tail], len(tail)
        elif length <= MAX_LINE_BYTES:
            begun.append(data)
            length += len(data)
    if length:
        yield b"".join(begun)


class _Sums:
    """Counts by packed stack, of any size and with fractions. Repeated stacks add up."""

    def __init__(self) -> None:
        self._whole: dict[bytes, int] = {}
        self._parts: dict[bytes, int] = {}

    def add(self, packed: bytes, count: int) -> None:
        """Add a whole number."""
        self._whole[packed] = self._whole.get(packed, 0) + count

    def add_fraction(self, packed: bytes, whole: int, part: int) -> None:
        """Add a number with digits after its point, as a part of `_SCALE`."""
        self.add(packed, whole)
        self._parts[packed] = self._parts.get(packed, 0) + part

    def totals(self) -> tuple[list[tuple[bytes, int]], int]:
        """Return the sums, rounded half up, and how many positive ones rounded to 0."""
        whole, vanished = self._whole, 0
        for packed, part in self._parts.items():
            whole[packed] += (2 * part + _SCALE) // (2 * _SCALE)
            vanished += not whole[packed] and part > 0
        return list(whole.items()), vanished


class _Counts:
    """Counts by packed stack: in a table, and those that it cannot have beside it."""

    def __init__(self) -> None:
        self._table = StackTable()
        self._others: _Sums | None = None
        self.read = self._table.read

    @property
    def last_line(self) -> int:
        """The number of the last usual line; see `Lines`."""
        return self._table.last_line

    def add(self, packed: bytes, count: int) -> None:
        """Add a whole number."""
        try:
            self._table.add(packed, count)
        except OverflowError:
            self.add_fraction(packed, count, 0)

    def add_fraction(self, packed: bytes, whole: int, part: int) -> None:
        """Add a number with digits after its point, as a part of `_SCALE`."""
        self._others = self._others or _Sums()
        self._others.add_fraction(packed, whole, part)

    def totals(self) -> tuple[list[tuple[bytes, int]] | StackTable, int]:
        """Return the sums, rounded half up, and how many positive ones rounded to 0."""
        if self._others is None:
            return self._table, 0
        for packed, count in self._table:
            self._others.add(packed, count)
        return self._others.totals()


class _Sequence(Lines):
    """Counts in the order of the file. Only neighbours with the same stack add up."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: list[tuple[bytes, int]] = []
        self._scaled: list[int] = []

    def add(self, packed: bytes, count: int, /) -> None:
        """Add a whole number."""
        if self._counts and self._counts[-1][0] == packed:
            self._scaled[-1] += count * _SCALE
        else:
            self._counts.append((packed, 0))
            self._scaled.append(count * _SCALE)

    def add_fraction(self, packed: bytes, whole: int, part: int) -> None:
        """Add a number with digits after its point, as a part of `_SCALE`."""
        self.add(packed, whole)
        self._scaled[-1] += part

    def totals(self) -> tuple[list[tuple[bytes, int]], int]:
        """Return the counts, rounded half up, and how many positive ones rounded to 0."""
        rounded = [(2 * scaled + _SCALE) // (2 * _SCALE) for scaled in self._scaled]
        vanished = sum(
            not count and scaled > 0 for count, scaled in zip(rounded, self._scaled, strict=True)
        )
        packed = (packed for packed, _ in self._counts)
        return list(zip(packed, rounded, strict=True)), vanished


class _Tally:
    """What has been read so far: two columns of counts, and the bad lines."""

    def __init__(self, source: str, after: _Counts | _Sequence) -> None:
        self.source = source
        self.after = after
        self.before = _Sums()
        self.bad = 0
        self.first_bad: int | None = None
        self.last_double = 0
        self._last_single = 0

    @property
    def last_single(self) -> int:
        """The number of the last line with one count; 0 if there is none."""
        return max(self._last_single, self.after.last_line)

    def add(self, line: bytes, number: int) -> None:
        """Add one line, whatever it is; usual ones need not come here."""
        text = line.strip()
        if text == b"#" or text.startswith(b"# "):
            return
        if len(line) > MAX_LINE_BYTES or b"\0" in text:
            self._note_bad(number)
            if len(line) <= MAX_LINE_BYTES and not self.last_single and not self.last_double:
                raise NoStacksError(
                    f"{self.source}: binary data (a NUL byte in line {number}), not folded text; "
                    "unpack it, or convert it to UTF-8 text"
                )
        elif text and not self._add_stack(text, number):
            self._note_bad(number)

    def _add_stack(self, text: bytes, number: int) -> bool:
        """Add a stack and its one or two counts; return whether it was one."""
        raw, after = _split_number(text)
        if after is None:
            return False
        shorter, before = _split_number(raw)
        # With "; " between frames, a frame that is a number looks like a count, but is none.
        if before is not None and not shorter.endswith(b";"):
            raw = shorter
        else:
            before = None
        if not raw.strip(_NOT_A_NAME):
            return False
        packed = _pack_raw(raw)
        if before is None:
            self._last_single = number
        else:
            self.last_double = number
            _add_number(self.before, packed, before)
        _add_number(self.after, packed, after)
        return True

    def _note_bad(self, number: int) -> None:
        self.bad += 1
        if self.first_bad is None:
            self.first_bad = number

    def result(self) -> Folded:
        """Return the sums. There may be no stacks, which the caller must check."""
        if self.last_single and self.last_double:
            raise StackFileError(
                f"{self.source}: line {self.last_double} has two counts and line "
                f"{self.last_single} has one; give a differential file two in every line "
                "(0 for what was not there), and in any other write no blank and number at the "
                "end of a stack"
            )
        after, vanished = self.after.totals()
        before = dict(self.before.totals()[0]) if self.last_double else None
        if isinstance(after, list):
            after = [(packed, count) for packed, count in after if count]
        return Folded(after, before, self.bad, self.first_bad, vanished)


def _add_number(column: _Sums | _Counts | _Sequence, packed: bytes, number: bytes) -> None:
    """Add a number as `_split_number` returns it. Digits after its point are kept exactly."""
    whole, _, part = number.partition(b".")
    if part:
        column.add_fraction(packed, int(whole), int(part.ljust(MAX_COUNT_CHARACTERS, b"0")))
    else:
        column.add(packed, int(whole))


def _split_number(text: bytes) -> tuple[bytes, bytes | None]:
    """Split off the number at the end of a text: digits, perhaps with a point among them."""
    head, _, number = text.translate(_TABS_TO_BLANKS).rpartition(b" ")
    digits = number.replace(b".", b"", 1) if number[:1] != b"." else b""
    if head and digits.isdigit() and len(number) <= MAX_COUNT_CHARACTERS:
        return head.rstrip(), number
    return text, None


def _pack_raw(raw: bytes) -> bytes:
    """Pack a stack from a file. Frames without a name become `unknown`; at the end they go."""
    text = raw.decode(errors="replace").rstrip(f";{_BLANKS}")
    return SEPARATOR.join([(label.strip(_BLANKS) or UNKNOWN).encode() for label in text.split(";")])


_BLANKS: Final = " \t\r\n\v\f"
"""Other blanks of Unicode are parts of names."""


def _why_no_stacks(folded: Folded, tally: _Tally) -> str:
    """Return what an input without stacks has instead, and what would help."""
    if folded.vanished:
        return (
            "all counts round to 0; give whole numbers, for example microseconds instead of seconds"
        )
    if folded.packed_before:
        return "all second counts are 0, and a graph is as wide as those; change the two columns"
    if tally.last_single:
        return "all counts are 0: nothing was recorded, or it took no time"
    if folded.bad:
        return f"no folded stacks, {_bad_lines(folded)}; a line should be {_SHAPE}"
    return "empty: nothing was recorded, or the program has not ended yet"


def _bad_lines(folded: Folded) -> str:
    """Return in words how many bad lines there are."""
    lines = "1 bad line" if folded.bad == 1 else f"{folded.bad} bad lines"
    return f"{lines} (the first is line {folded.first_bad})"


def _report(folded: Folded, source: str) -> None:
    """Log once what was left out of a file with stacks."""
    if folded.bad:
        common.warning("%s: left out %s; a line should be %s", source, _bad_lines(folded), _SHAPE)
    if folded.vanished:
        stacks = (
            "1 stack whose count rounds"
            if folded.vanished == 1
            else f"{folded.vanished} stacks whose counts round"
        )
        common.warning("%s: left out %s to 0", source, stacks)
