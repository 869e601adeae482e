"""`tracetools completion`: prints what makes a shell complete commands, options and files.

It is made from the parsers, so it knows what they know. After the program of `tracetools run`, the
shell completes as it would without us.
"""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.commands.completion_scripts import BASH, FISH, ZSH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "print what completes command lines in bash, zsh or fish"

_EPILOG: Final = """\
bash: eval "$(tracetools completion bash)" in ~/.bashrc. zsh: eval "$(tracetools completion zsh)"
after compinit in ~/.zshrc. fish: tracetools completion fish | source in config.fish."""

_FILES: Final = ("FILE", "OUT", "DIR")
"""What the values of options are called that are files."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=list(_MAKERS), help="the shell that reads it")


def run(options: argparse.Namespace) -> int:
    """Print the script.

    Returns:
        0.
    """
    commands = {name: _options_of(parser) for name, parser in options.parsers.items()}
    words = {name: _words_of(parser) for name, parser in options.parsers.items()}
    summaries = {name: parser.description or "" for name, parser in options.parsers.items()}
    print(_MAKERS[options.shell](commands, words, summaries), end="")
    return 0


class _Option(NamedTuple):
    """An option of a command.

    Attributes:
        names: its spellings.
        takes: what its value is: ``files``, ``any``, words; nothing if it has none.
        text: what it does, in one line.
    """

    names: list[str]
    takes: str | tuple[str, ...]
    text: str


def _options_of(parser: argparse.ArgumentParser) -> list[_Option]:
    return [
        _Option(list(action.option_strings), _takes(action), _text(parser, action))
        for action in parser._actions  # noqa: SLF001  # there is no other way to ask
        if action.option_strings and action.help != argparse.SUPPRESS
    ]


def _words_of(parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Return the words that a command takes; none if it takes files."""
    return tuple(
        word
        for action in parser._actions  # noqa: SLF001
        if not action.option_strings and action.choices
        for word in action.choices
    )


def _takes(action: argparse.Action) -> str | tuple[str, ...]:
    if action.nargs == 0:
        return ()
    if action.choices:
        return tuple(map(str, action.choices))
    metavar = str(action.metavar)
    if re.fullmatch(r"[a-z]+(\|[a-z]+)+", metavar):
        return tuple(metavar.split("|"))
    return "files" if metavar in _FILES or action.dest == "output" else "any"


def _text(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter: Any = parser._get_formatter()  # noqa: SLF001
    text = " ".join(str(formatter._expand_help(action)).split()) if action.help else ""  # noqa: SLF001
    first = re.split(r"(?<=[a-z)])[.;:] | \(default", text)[0]
    return "".join(letter for letter in first if letter not in "'\"`[]{}\\$")[:80]


_Commands = dict[str, list[_Option]]


def _joined(words: Iterable[str]) -> str:
    return " ".join(words)


def _with_values(options: Iterable[_Option]) -> list[str]:
    return [name for option in options if option.takes for name in option.names]


# -- bash --------------------------------------------------------------------------------------


def _bash(commands: _Commands, words: Mapping[str, tuple[str, ...]], _: Mapping[str, str]) -> str:
    cases = "\n".join(
        line for name, options in commands.items() for line in _bash_values(name, options)
    )
    known = "\n".join(
        f"        {name}) options='{_joined(each for o in options for each in o.names)}'"
        f" words='{_joined(words[name])}';;"
        for name, options in commands.items()
    )
    return (
        BASH.replace("@COMMANDS@", _joined(commands))
        .replace("@VALUES@", "|".join(_with_values(commands["run"])))
        .replace("@CASES@", cases)
        .replace("@KNOWN@", known)
    )


def _bash_values(command: str, options: Iterable[_Option]) -> Iterator[str]:
    for option in options:
        names = "|".join(f"{command}:{name}" for name in option.names)
        if option.takes == "files":
            yield f"        {names}) _tracetools_files;;"
        elif option.takes == "any":
            yield f"        {names}) ;;"
        elif option.takes:
            yield f'        {names}) _tracetools_take -W "{_joined(option.takes)}";;'


# -- zsh ---------------------------------------------------------------------------------------


def _zsh(
    commands: _Commands, words: Mapping[str, tuple[str, ...]], summaries: Mapping[str, str]
) -> str:
    listed = "\n".join(f"        '{name}:{_plain(summaries[name])}'" for name in commands)
    cases = "\n".join(_zsh_case(name, commands[name], words[name]) for name in commands)
    return ZSH.replace("@COMMANDS@", listed).replace("@CASES@", cases)


def _zsh_case(command: str, options: Iterable[_Option], words: tuple[str, ...]) -> str:
    lines = [f"        {command})", "            _arguments -S -A '-*' \\"]
    if command != "run":
        lines[1] = "            _arguments -S \\"
    for option in options:
        action = {"files": ":file:_files", "any": ":value: "}.get(str(option.takes), "")
        if isinstance(option.takes, tuple) and option.takes:
            action = f":value:({_joined(option.takes)})"
        for name in option.names:
            is_long = name.startswith("--") and action
            spelled = f"{name}=" if is_long else f"{name}+" if action else name
            lines.append(f"                '*{spelled}[{_plain(option.text)}]{action}' \\")
    if words:
        lines.append(f"                '*:word:({_joined(words)})';;")
    elif command == "run":
        lines.append("                '*::program:_tracetools_program';;")
    else:
        lines.append("                '*:file:_files';;")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return text.replace(":", "").replace("'", "")


# -- fish --------------------------------------------------------------------------------------


def _fish(
    commands: _Commands, words: Mapping[str, tuple[str, ...]], summaries: Mapping[str, str]
) -> str:
    lines = [
        f"complete -c tracetools -n __fish_use_subcommand -f -a {name} -d '{_plain(text)}'"
        for name, text in summaries.items()
    ]
    for command, options in commands.items():
        seen = f"'__fish_seen_subcommand_from {command}'"
        where = "__tracetools_before_program" if command == "run" else seen
        start = f"complete -c tracetools -n {where}"
        lines += [f"{start} {_fish_option(option)}" for option in options]
        if words[command]:
            lines.append(f"{start} -f -a '{_joined(words[command])}'")
    values = _joined(_with_values(commands["run"]))
    return FISH.replace("@VALUES@", values).replace("@LINES@", "\n".join(lines))


def _fish_option(option: _Option) -> str:
    names = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    ]
    takes = {"files": " -r -F", "any": " -x"}.get(str(option.takes), "")
    if isinstance(option.takes, tuple) and option.takes:
        takes = f" -x -a '{_joined(option.takes)}'"
    return f"{_joined(names)}{takes} -d '{_plain(option.text)}'"


_MAKERS: Final = {"bash": _bash, "zsh": _zsh, "fish": _fish}
