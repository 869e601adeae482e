"""Counts by stack, as they are read from folded text: whole numbers, and most lines.

A stack is packed: its labels are in one `bytes`, with a separator between them. Here is the
reference of the native core, which keeps a tree of frames instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tracetools.core.native import accelerated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = [
    "MAX_COUNT_CHARACTERS",
    "MAX_LINE_BYTES",
    "SEPARATOR",
    "Lines",
    "StackTable",
    "leaves_of",
    "reversed_stack",
    "roots_of",
    "sums_of",
]

SEPARATOR: Final = b"\0"
"""Separates the labels of a packed stack. It sorts before all characters of labels, so packed
stacks sort as their tuples do: right after a stack come all that begin with it."""

MAX_LINE_BYTES: Final = 1 << 20
"""The longest line that is read. A longer one is a bad line and never in memory as a whole."""

MAX_COUNT_CHARACTERS: Final = 100
"""The longest number that is read: longer than any count, and shorter than Python's own bound."""

_MAX_TOTAL: Final = 1 << 62
"""The largest sum of all counts of a table."""

_UNUSUAL_BYTES: Final = (b"\0", b"\t", b"\r", b"\v", b"\f")
# Two expressions that each begin with a fixed byte are three times as fast as one, or as `in`.
_UNUSUAL_PAIRS: Final = (re.compile(rb";[ ;]"), re.compile(rb" ;"))
_UNUSUAL_STARTS: Final = frozenset(b"# " + SEPARATOR)
_UNUSUAL_ENDS: Final = frozenset(b"0123456789. " + SEPARATOR)


class Lines:
    """Reads lines of folded text that can have one meaning only.

    Attributes:
        last_line: the number of the last one; 0 if there is none.
    """

    def __init__(self) -> None:
        self.last_line = 0

    def add(self, packed: bytes, count: int, /) -> None:
        """Add a whole number of zero or more to the count of a packed stack.

        Raises:
            OverflowError: it is not between 0 and what is left up to the largest sum.
        """
        raise NotImplementedError

    def read(self, block: bytes, first: int, other: Callable[[bytes, int], object], /) -> int:
        """Add the lines of a block, the first of which has a number; return how many there are.

        What is no usual line goes to `other` with its number. What that raises is raised here.
        """
        if _is_usual(block):
            lines = block.replace(b";", SEPARATOR).split(b"\n")
            self._read_usual(lines, first, other)
        else:
            lines = block.split(b"\n")
            for number, line in enumerate(lines, start=first):
                other(line, number)
        return len(lines)

    def _read_usual(
        self, lines: list[bytes], first: int, other: Callable[[bytes, int], object]
    ) -> None:
        """Add lines that are packed already; only unusual ones are examined.

        Reading spends nearly all of its time here.
        """
        add = self.add
        for number, line in enumerate(lines, start=first):
            packed, _, count = line.rpartition(b" ")
            if (
                count.isdigit()
                and packed
                and packed[-1] not in _UNUSUAL_ENDS
                and packed[0] not in _UNUSUAL_STARTS
                and len(count) <= MAX_COUNT_CHARACTERS
            ):
                try:
                    add(packed, int(count))
                except OverflowError:
                    other(line.replace(SEPARATOR, b";"), number)
                else:
                    self.last_line = number
            else:
                other(line.replace(SEPARATOR, b";"), number)


def _is_usual(block: bytes) -> bool:
    """Return whether lines of a block that look like stacks and counts are just that."""
    return (
        not any(byte in block for byte in _UNUSUAL_BYTES)
        and not any(pair.search(block) for pair in _UNUSUAL_PAIRS)
        and _is_utf8(block)
        and len(block) <= MAX_LINE_BYTES
    )


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


@accelerated
class StackTable(Lines):
    """Counts by packed stack, in the order in which stacks were added first.

    A table equals another one, or a list, that has the same stacks in the same order.

    Attributes:
        total: the sum of all counts.
        last_line: the number of the last usual line that was read; 0 if there is none.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        return iter(self._counts.items())

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StackTable | list):
            return NotImplemented
        return [*self] == [*other]

    def add(self, packed: bytes, count: int, /) -> None:
        """Add a whole number to the count of a packed stack; see `Lines.add`."""
        if not 0 <= count <= _MAX_TOTAL - self.total:
            raise OverflowError("a count, or the sum of all, is out of bounds")
        if count:
            self.total += count
            self._counts[packed] = self._counts.get(packed, 0) + count

    def reversed(self) -> StackTable:
        """Return a table of the same stacks, each from its leaf to its root."""
        found = StackTable()
        for packed, count in self:
            found.add(reversed_stack(packed), count)
        return found

    def roots(self) -> set[bytes]:
        """Return the first labels of all stacks."""
        return roots_of(self._counts.items())

    def leaves(self) -> set[bytes]:
        """Return the last labels of all stacks that have more than one."""
        return leaves_of(self._counts.items())

    def sums(self) -> dict[bytes, tuple[int, int]]:
        """Return the sums by label; see `sums_of`."""
        return sums_of(self._counts.items())


def reversed_stack(packed: bytes) -> bytes:
    """Return a packed stack from its leaf to its root."""
    return SEPARATOR.join(reversed(packed.split(SEPARATOR)))


def roots_of(counts: Iterable[tuple[bytes, int]]) -> set[bytes]:
    """Return the first labels of packed stacks."""
    if isinstance(counts, StackTable):
        return counts.roots()
    return {packed.partition(SEPARATOR)[0] for packed, _ in counts}


def leaves_of(counts: Iterable[tuple[bytes, int]]) -> set[bytes]:
    """Return the last labels of packed stacks that have more than one."""
    if isinstance(counts, StackTable):
        return counts.leaves()
    return {packed.rpartition(SEPARATOR)[2] for packed, _ in counts if SEPARATOR in packed}


def sums_of(counts: Iterable[tuple[bytes, int]]) -> dict[bytes, tuple[int, int]]:
    """Return by label the counts of all stacks that end with it, and of all that have it at all."""
    if isinstance(counts, StackTable):
        return counts.sums()
    own: dict[bytes, int] = {}
    total: dict[bytes, int] = {}
    for packed, count in counts:
        labels = packed.split(SEPARATOR)
        own[labels[-1]] = own.get(labels[-1], 0) + count
        for label in {*labels}:
            total[label] = total.get(label, 0) + count
    return {label: (own.get(label, 0), total[label]) for label in total}
