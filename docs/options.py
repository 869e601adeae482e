"""Make `reference/commands.md`: every option of every command, as argparse knows them.

    python docs/options.py

A test compares the page with what this makes.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tracetools.__main__ import make_parsers

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "reference" / "commands.md"
HEAD = """\
# Commands and their options

`tracetools COMMAND --help` says the same. This page is made by `python docs/options.py`.
"""
NOT_LISTED = (argparse._HelpAction, argparse._SubParsersAction)  # noqa: SLF001


def page() -> str:
    """Return the text of the page."""
    parser, commands = make_parsers()
    sections = [HEAD, *_lines_of("tracetools", parser)]
    for name, command in commands.items():
        sections += [f"\n## tracetools {name}\n", *_lines_of(f"tracetools {name}", command)]
    return "\n".join(sections).rstrip() + "\n"


def _lines_of(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    if parser.description:
        yield f"{_sentence(parser.description)}\n"
    usage = parser.usage or " ".join(parser.format_usage().removeprefix("usage: ").split())
    if name != "tracetools":
        yield f"```text\n{_wrapped(usage)}\n```\n"
    for action in parser._actions:  # noqa: SLF001
        if not isinstance(action, NOT_LISTED) and action.help != argparse.SUPPRESS:
            yield f"{_heading(action)}\n: {_help(action)}\n"
    if parser.epilog:
        yield f"{_sentence(parser.epilog)}\n"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."


def _wrapped(usage: str, width: int = 84) -> str:
    """Break a usage between its parts, so that no line is cut."""
    lines = [""]
    for part in re.findall(r"\[[^][]*(?:\[[^][]*\][^][]*)*\](?:\.\.\.)?|\([^()]*\)|\S+", usage):
        if len(lines[-1]) + len(part) >= width:
            lines.append("   ")
        lines[-1] += f" {part}" if lines[-1] else part
    return "\n".join(lines)


def _heading(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    return ", ".join(f"`{name}{_value(action)}`" for name in action.option_strings)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    value = action.metavar or (
        "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    )
    value = value if isinstance(value, str) else " ".join(value)
    return f"[={value}]" if action.nargs == "?" else f" {value}"


def _help(action: argparse.Action) -> str:
    values = {**vars(action), "prog": "tracetools"}
    return " ".join(((action.help or "") % values).split()).replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Written: {PAGE}")  # noqa: T201
