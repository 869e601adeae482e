"""Entry points of the native core that read folded text and place frames; see `entries`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracetools.output.flamegraph.layout import place_stacks
from tracetools.output.formats.stack_table import StackTable

__all__ = ["STACK_ENTRIES"]

BLOCK = b"\n".join(b"\xc3\xa9; x%d;y %d" % (n, n) for n in range(70))
"""More names and stacks than there is room for at first."""


def keep(line: bytes, number: int) -> None:
    """Take a line that is not usual."""


def read_much(_: Any) -> None:
    StackTable().read(BLOCK, 1, keep)


def made() -> StackTable:
    """Make a table of a few stacks."""
    table = StackTable()
    for stack, count in ((b"a\0b\0c", 5), (b"a\0b", 6), (b"d", 7), (b"", 8)):
        table.add(stack, count)
    return table


def leave_out(_: Any) -> None:
    StackTable().read(b"a;b 5\n# no\na \xff;b 6\na\t;c 7", 3, keep)


def refused(make: Callable[[], object]) -> Callable[[Any], None]:
    """Make a call that is refused."""

    def call(_: Any) -> None:
        try:
            make()
        except (TypeError, OverflowError):
            return
        raise AssertionError("it was not refused")

    return call


def add(_: Any) -> None:
    table = StackTable()
    table.add(b"a\0b", 5)
    table.add(b"", 1)
    table.add(b"a\0b", 1 << 40)


STACK_ENTRIES: dict[str, Callable[[Any], object]] = {
    "StackTable": lambda _: StackTable(),
    "StackTable, refused": refused(lambda: StackTable(5)),  # type: ignore[call-arg]
    "StackTable.add": add,
    "StackTable.add, refused": refused(lambda: StackTable().add("a", 1)),  # type: ignore[arg-type]
    "StackTable.add, of too much, refused": refused(lambda: StackTable().add(b"a", 1 << 80)),
    "StackTable.read": read_much,
    "StackTable.read, of unusual lines": leave_out,
    "StackTable.read, of a line that is refused": refused(
        lambda: StackTable().read(b"a;b 5\nno", 1, divmod)
    ),
    "StackTable.read, refused": refused(lambda: StackTable().read("", 1, print)),  # type: ignore[arg-type]
    "StackTable.reversed": lambda _: made().reversed(),
    "StackTable.roots": lambda _: made().roots(),
    "StackTable.leaves": lambda _: made().leaves(),
    "StackTable.sums": lambda _: made().sums(),
    "StackTable, its stacks": lambda _: (len(made()), [*made()], made() == made()),
    "place_stacks": lambda _: place_stacks(made(), 1, 1 << 40),
    "place_stacks, of many": lambda _: place_stacks(made(), 6, 3),
    "place_stacks, refused": refused(lambda: place_stacks([], 1, 1)),  # type: ignore[arg-type]
}
"""What is called, by the name of what this is about: `Type`, `Type.method` or `function`."""
