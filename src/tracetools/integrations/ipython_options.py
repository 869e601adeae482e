"""The options of the magics of IPython: those of `record`, and where the stacks go."""

from __future__ import annotations

import shlex
import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tracetools.core.native import native
from tracetools.session.options import Options

if TYPE_CHECKING:
    from dataclasses import Field

__all__ = ["HELP", "OptionError", "parse", "split"]

_CLOCKS: Final = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}
_OPTIONS: Final = {"--" + each.name.replace("_", "-"): each for each in fields(Options)}

HELP: Final = f"""\
%%tracetools [options] records a cell, %tracetools [options] STATEMENT records a statement.
Options: -o FILE writes the stacks there; the others are those of `record`:
{" ".join(sorted(_OPTIONS))}
(switches have a --no-NAME as well)"""


class OptionError(Exception):
    """An option is wrong. The message says which, and what can be written."""


def split(line: str) -> tuple[str, str]:
    """Divide a line into its options and what follows them."""
    rest = line.strip()
    while rest.startswith("-"):
        word, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        if "=" not in word and _wants_value(word):
            if rest[:1] in {'"', "'"} and rest.find(rest[0], 1) > 0:
                rest = rest[rest.find(rest[0], 1) + 1 :].lstrip()
            else:
                rest = rest.partition(" ")[2].lstrip()
    return line.strip().removesuffix(rest).strip() if rest else line.strip(), rest


def _wants_value(word: str) -> bool:
    return word == "-o" or (word in _OPTIONS and not _is_switch(_OPTIONS[word]))


def _is_switch(option: Field[Any]) -> bool:
    return str(option.type).startswith("bool")


def parse(line: str) -> tuple[str | None, dict[str, Any]]:
    """Return the file and the options of `record` that a line says.

    Functions are recorded where the native core is, unless the line says otherwise.

    Raises:
        OptionError: it cannot be understood.
    """
    file: str | None = None
    chosen: dict[str, Any] = {"functions": native is not None}
    words = _words(line)
    while words:
        name, has_value, value = words.pop(0).partition("=")
        if name == "-o":
            file = value if has_value else _next(name, words)
            continue
        option, given = _switched(name)
        if option is None:
            _refuse(name)
        elif _is_switch(option):
            if has_value:
                raise OptionError(f"{name} takes no value")
            chosen[option.name] = given
        else:
            chosen[option.name] = _value(option, value if has_value else _next(name, words))
    return file, chosen


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise OptionError(f"{line!r} is not understood: {error}") from None


def _next(name: str, words: list[str]) -> str:
    if not words:
        raise OptionError(f"{name} needs a value")
    return words.pop(0)


def _switched(name: str) -> tuple[Field[Any] | None, bool]:
    """Return an option by its name, and what it sets, if it is a switch."""
    if name in _OPTIONS:
        return _OPTIONS[name], True
    negated = _OPTIONS.get("--" + name.removeprefix("--no-")) if name[:5] == "--no-" else None
    return (negated, False) if negated is not None and _is_switch(negated) else (None, False)


def _refuse(name: str) -> NoReturn:
    import difflib  # noqa: PLC0415  # takes a while

    alike = difflib.get_close_matches(name, _OPTIONS, 1, 0.5)
    hint = f"; did you mean {alike[0]}?" if alike else f"; there are -o and {', '.join(_OPTIONS)}"
    raise OptionError(f"there is no option {name}{hint}")


def _value(option: Field[Any], text: str) -> Any:
    """Convert the value of an option. `record` checks what it may be."""
    kind = str(option.type)
    if option.name == "clock":
        if text not in _CLOCKS:
            raise OptionError(f"no clock is named {text!r}; choose wall or cpu")
        return _CLOCKS[text]
    if kind in {"Lens", "Labels"}:
        return text
    if text == "none" and "None" in kind:
        return None
    try:
        return int(text) if kind == "int" else float(text)
    except ValueError:
        raise OptionError(f"--{option.name.replace('_', '-')}: {text!r} is no number") from None
