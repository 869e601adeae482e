"""The blocks of code in a page of the documentation, and what comments say of them.

A command that ends with ``&`` is a server, which goes on to the end of the page. A comment before a
block says how it is run. A reader does not see it.

    <!-- not run: REASON -->        it cannot be run here
    <!-- exit: 1 -->                the status that its last command ends with, if it is not 0
    <!-- with: examples/load.py --> a file that its commands need, and that the page does not show
    <!-- meanwhile: COMMAND -->     run this when its server answers, then press Ctrl-C
    <!-- before: CODE -->           code that stands before the block, of the same language
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

CHECKOUT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [CHECKOUT / "README.md", *(CHECKOUT / "docs").rglob("*.md")], key=lambda path: path.as_posix()
)

_FENCE: Final = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`]*)$")
_COMMENT: Final = re.compile(r"<!--\s*(?P<key>[a-z ]+):(?P<value>.*?)-->", re.DOTALL)


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        language: what follows the fence: ``console``, ``{literalinclude}``.
        argument: what follows that: the path of a file.
        text: what stands between the fences, without the options of a directive.
        line: the number of the line of its fence.
        notes: what the comments directly before it say, by their keys.
    """

    language: str
    argument: str
    text: str
    line: int
    notes: dict[str, str]


class Command(NamedTuple):
    """A line that is typed in a terminal, and the lines shown below it."""

    text: str
    shown: list[str]


def blocks_of(text: str) -> Iterator[Block]:
    """Find the fenced blocks of a page."""
    lines = text.split("\n")
    number = 0
    after = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if not opening:
            number += 1
            continue
        end = _end(lines, number, opening["fence"])
        language, _, argument = opening["info"].strip().partition(" ")
        body = [line.removeprefix(opening["indent"]) for line in lines[number + 1 : end]]
        yield Block(
            language,
            argument.strip(),
            "\n".join(_without_options(body) if language.startswith("{") else body),
            number + 1,
            _notes("\n".join(lines[after:number])),
        )
        number = after = end + 1


def _end(lines: list[str], start: int, fence: str) -> int:
    for number in range(start + 1, len(lines)):
        if lines[number].strip() == fence:
            return number
    raise ValueError(f"line {start + 1}: the block has no end")


def _without_options(body: list[str]) -> list[str]:
    while body and re.match(r":[a-z-]+:", body[0]):
        body = body[1:]
    return body


def _notes(before: str) -> dict[str, str]:
    """Return what the comments at the very end of a text say."""
    notes = {}
    while (end := before.rstrip()).endswith("-->"):
        start = end.rindex("<!--")
        if found := _COMMENT.fullmatch(end[start:]):
            notes[found["key"]] = found["value"].strip("\n ")
        before = end[:start]
    return notes


def commands_of(text: str) -> list[Command]:
    """Return the commands of a block of language ``console``."""
    commands: list[Command] = []
    for line in text.split("\n"):
        if line.startswith("$ "):
            commands.append(Command(line[2:], []))
        elif commands and commands[-1].text.endswith("\\"):
            last = commands.pop()
            commands.append(Command(f"{last.text[:-1]}{line.strip()}", []))
        elif line.strip():
            commands[-1].shown.append(line)
    return [Command(_without_remark(command.text), command.shown) for command in commands]


def _without_remark(command: str) -> str:
    return re.sub(r"\s+# .*$", "", command)


def says(output: str, line: str) -> bool:
    """Whether a program has written a line as it is shown, with other numbers perhaps.

    Three dots stand for anything, a number for any number, and blanks for as many as you like.
    """
    pattern = re.compile(_pattern(line.strip()))
    return any(pattern.fullmatch(each.strip()) for each in output.splitlines())


def _pattern(line: str) -> str:
    parts = re.split(r"(\.\.\.|\d[\d.,]*|\s+)", line)
    return "".join(map(_of_part, parts))


def _of_part(part: str) -> str:
    if part == "...":
        return ".*"
    if part[:1].isdigit():
        return r"[\d.,]+"
    return r"\s+" if part.isspace() else re.escape(part)


def file_name(text: str) -> str | None:
    """Return the name of the file that a program is, if its first line says it: ``# app.py``."""
    found = re.match(r"# ([a-z_]+\.py)\n", text)
    return found[1] if found else None
