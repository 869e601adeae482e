"""Folded text: `frame;frame;frame count` lines, the format that every flame graph tool reads.

What may live here: the text of stacks and counts, strict when written and lenient when read. What
must not: what a count means, what a frame consists of, and anything about drawing.

A stack is a tuple of labels, root first. What is written is the subset that all known consumers
read alike: UTF-8, LF, sorted, one line a distinct stack, positive integers, no header, no blank
frame. What is read is anything that flamegraph.pl, inferno, tracing-flame or trace-tools write.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, NamedTuple

from tracetools.errors import NoStacksError, StackFileError
from tracetools.formats.files import explain, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

Stack = tuple[str, ...]

MAX_LABEL_BYTES = 240
"""The longest label that is written. 256 of them fit into the 64 KiB line that Pyroscope reads."""

MAX_LINE_BYTES = 1 << 20
"""The longest line that is read; a longer one is one bad line, and never held in memory whole."""

MAX_COUNT_CHARACTERS = 100
"""The longest number that is read: far beyond any count, and far below Python's own limit."""

UNKNOWN = "unknown"
"""The label of a frame that has none."""

_log = logging.getLogger("tracetools")


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
    """Turn any text into a label that no reader of folded text misreads; a clean one stays as is.

    This is the one substitution that tracetools makes, and making it twice changes nothing:

    - `;` becomes `:`, since it separates frames;
    - control characters, line separators and byte order marks become spaces;
    - lone surrogates and U+FFFE, U+FFFF, which UTF-8 or XML cannot hold, become U+FFFD;
    - blanks at either end go, and what is then empty is `unknown`;
    - a number after a blank at the end gets a `#`, since flamegraph.pl and inferno take it for a
      second count: `task 7` becomes `task #7`;
    - a `#` at the start gets a `_` before it, since the line would be a comment;
    - of more than 240 bytes of UTF-8 the head and the tail stay, around `…`.
    """
    text = label.translate(_SUBSTITUTES).strip() or UNKNOWN
    text = _COUNT_LOOKALIKE.sub("#", text)
    if text.startswith("#"):
        text = f"_{text}"
    return _shortened(text)


def _shortened(text: str) -> str:
    """Keep head and tail of a text that is too long, without breaking a character."""
    raw = text.encode()
    if len(raw) <= MAX_LABEL_BYTES:
        return text
    kept = MAX_LABEL_BYTES - len(_ELLIPSIS.encode())
    head = raw[: kept // 2].decode(errors="ignore")
    tail = raw[-(kept - kept // 2) :].decode(errors="ignore")
    return f"{head}{_ELLIPSIS}{tail}"


def format_folded(stacks: Mapping[Stack, int]) -> str:
    """Give the folded text of stacks and their counts: cleaned, merged, sorted, each line ended.

    Stacks that are equal once cleaned add up. Counts of zero or less are left out, since some
    readers lose whole frames over them. A stack without frames is one frame, `unknown`.
    """
    clean: dict[str, str] = {}
    merged: dict[str, int] = {}
    for stack, count in stacks.items():
        if count <= 0:
            continue
        for label in stack:
            if label not in clean:
                clean[label] = clean_label(label)
        line = ";".join([clean[label] for label in stack]) or UNKNOWN
        merged[line] = merged.get(line, 0) + count
    return "".join(sorted(f"{line} {count}\n" for line, count in merged.items()))


def write_folded(path: Path, stacks: Mapping[Stack, int]) -> None:
    """Write stacks to a folded file, replacing it at once; no stacks make an empty file.

    Raises:
        StackFileError: The file cannot be written; what was there before is untouched.
    """
    try:
        write_atomically(path, format_folded(stacks).encode())
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write stack file {path}: {explain(error)}") from error


# -- reading -----------------------------------------------------------------------------------


class Folded(NamedTuple):
    """What a folded file says. `stacks` has at least one stack, and only positive counts."""

    stacks: dict[Stack, int]
    """Stacks and counts; of a differential file, the second counts."""

    before: dict[Stack, int]
    """The first counts of a differential file (`stack before after`); empty for any other."""

    bad: int
    """How many lines were no stacks."""

    first_bad: int | None
    """The number of the first such line, counted from 1."""

    vanished: int
    """How many stacks had a count, but one that rounds to 0."""


def read_folded(path: Path) -> Folded:
    """Read a folded file, as leniently as `parse_folded`.

    Raises:
        StackFileError: The file is missing or cannot be read.
        NoStacksError: It holds not one stack with a count.
    """
    try:
        with path.open("rb") as file:
            return parse_folded(file, str(path))
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read stack file {path}: {explain(error)}") from error


def parse_folded(lines: Iterable[bytes] | BinaryIO, source: str = "<lines>") -> Folded:
    r"""Read folded text as it comes, holding each distinct stack once.

    Taken as they are meant: `; ` between frames, CRLF, blanks and tabs around the count, repeated
    stacks (they add up), fractional counts (they add up exactly and are rounded once, half up),
    two counts (the second counts, the first is `before`), a byte order mark. Blank lines and lines
    that start with `# ` are skipped. A nameless frame is `unknown`, one at the end is no frame.
    Bytes that are not UTF-8 show as U+FFFD, rather than to lose the line's time.

    Any other line is bad: no count, no frame, a count with a sign or an exponent, NUL bytes, more
    than 1 MiB. Bad lines, and stacks that vanish by rounding, are reported once, as a warning of
    the logger "tracetools". `source` names the input in messages.

    Raises:
        NoStacksError: There is not one stack with a count.
    """
    tally = _Tally()
    for number, line in enumerate(_bounded(lines), start=1):
        if tally.add(line.removeprefix(_BOM) if number == 1 else line):
            continue
        tally.note_bad(number)
        if b"\0" in line and not tally.after:
            raise NoStacksError(
                f"{source}: binary data (a NUL byte in line {number}), not folded text; "
                "unpack it, or convert it to UTF-8 text"
            )
    folded = tally.result()
    if not folded.stacks:
        raise NoStacksError(f"{source}: {_why_no_stacks(folded, tally)}")
    _report(folded, source)
    return folded


_BOM = b"\xef\xbb\xbf"
_NOT_A_NAME = b"; \t\r\n\v\f"
_SHAPE = "`frame;frame count`, where count is a number of zero or more"
_TABS_TO_BLANKS = bytes.maketrans(b"\t", b" ")
_SCALE = 10**MAX_COUNT_CHARACTERS


def _bounded(lines: Iterable[bytes] | BinaryIO) -> Iterator[bytes]:
    """Yield lines; of a file's overlong line only its start, one byte longer than is allowed."""
    readline = getattr(lines, "readline", None)
    if readline is None:
        yield from lines
        return
    while line := readline(MAX_LINE_BYTES + 1):
        yield line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = readline(MAX_LINE_BYTES + 1)


class _Column:
    """Sums by the raw bytes of a stack, so that a repeated stack is taken apart only once."""

    def __init__(self) -> None:
        self._whole: dict[bytes, int] = {}
        self._parts: dict[bytes, int] = {}

    def __bool__(self) -> bool:
        return bool(self._whole)

    def add(self, raw: bytes, number: bytes) -> None:
        """Add a number as `_split_number` finds it; what follows its point is kept exactly."""
        whole, _, part = number.partition(b".")
        self._whole[raw] = self._whole.get(raw, 0) + int(whole)
        if part:
            scaled = int(part.ljust(MAX_COUNT_CHARACTERS, b"0"))
            self._parts[raw] = self._parts.get(raw, 0) + scaled

    def totals(self) -> tuple[dict[Stack, int], int]:
        """Give the sums by stack, rounded half up, and how many positive ones rounded to 0."""
        totals = _by_stack(self._whole)
        vanished = 0
        for stack, part in _by_stack(self._parts).items():
            totals[stack] += (2 * part + _SCALE) // (2 * _SCALE)
            vanished += not totals[stack] and part > 0
        return {stack: count for stack, count in totals.items() if count}, vanished


def _by_stack(sums: Mapping[bytes, int]) -> dict[Stack, int]:
    """Take raw stacks apart, adding up those that are spelt differently."""
    totals: dict[Stack, int] = {}
    for raw, count in sums.items():
        stack = _split_stack(raw)
        totals[stack] = totals.get(stack, 0) + count
    return totals


class _Tally:
    """What was read so far: two columns of counts, and the bad lines."""

    def __init__(self) -> None:
        self.after = _Column()
        self.before = _Column()
        self.bad = 0
        self.first_bad: int | None = None

    def add(self, line: bytes) -> bool:
        """Take one line in; say whether it is a good one (one that is to be skipped is good)."""
        text = line.strip()
        if text == b"#" or text.startswith(b"# "):
            return True
        if len(line) > MAX_LINE_BYTES or b"\0" in text:
            return False
        if not text:
            return True
        raw, after = _split_number(text)
        if after is None:
            return False
        shorter, before = _split_number(raw)
        # With "; " between frames a frame that is a number looks like a column, but is none.
        if before is not None and not shorter.endswith(b";"):
            raw = shorter
            self.before.add(raw, before)
        if not raw.strip(_NOT_A_NAME):
            return False
        self.after.add(raw, after)
        return True

    def note_bad(self, number: int) -> None:
        """Count a line that `add` refused."""
        self.bad += 1
        if self.first_bad is None:
            self.first_bad = number

    def result(self) -> Folded:
        """Sum up; the stacks may be none, which is for the caller to judge."""
        stacks, vanished = self.after.totals()
        before, _ = self.before.totals()
        return Folded(stacks, before, self.bad, self.first_bad, vanished)


def _split_number(text: bytes) -> tuple[bytes, bytes | None]:
    """Split off the number (digits, with one point after the first if any) that ends a text."""
    head, _, number = text.translate(_TABS_TO_BLANKS).rpartition(b" ")
    digits = number.replace(b".", b"", 1) if number[:1] != b"." else b""
    if head and digits.isdigit() and len(number) <= MAX_COUNT_CHARACTERS:
        return head.rstrip(), number
    return text, None


def _split_stack(raw: bytes) -> Stack:
    """Take a stack apart into labels; nameless ones are unknown, or at the end nothing."""
    text = raw.decode(errors="replace").rstrip("; \t\r\n\v\f")
    return tuple([label.strip() or UNKNOWN for label in text.split(";")])


def _why_no_stacks(folded: Folded, tally: _Tally) -> str:
    """Say what an input without stacks holds instead, and what would help."""
    if folded.vanished:
        return (
            "all counts round to 0; give whole numbers, for example microseconds "
            "in place of seconds"
        )
    if tally.after:
        return "all counts are 0: nothing was recorded, or it took no time"
    if folded.bad:
        return f"no folded stacks, {_bad_lines(folded)}; a line should be {_SHAPE}"
    return "empty: nothing was recorded, or the program has not ended yet"


def _bad_lines(folded: Folded) -> str:
    """Count the bad lines in words."""
    lines = "1 bad line" if folded.bad == 1 else f"{folded.bad} bad lines"
    return f"{lines} (the first is line {folded.first_bad})"


def _report(folded: Folded, source: str) -> None:
    """Log once what a file with stacks lost on the way."""
    if folded.bad:
        _log.warning("%s: left out %s; a line should be %s", source, _bad_lines(folded), _SHAPE)
    if folded.vanished:
        stacks = (
            "1 stack whose count rounds"
            if folded.vanished == 1
            else f"{folded.vanished} stacks whose counts round"
        )
        _log.warning("%s: left out %s to 0", source, stacks)
