"""The files that commands read, standard input among them, and what is said of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import UsageError
from tracetools.commands.terminal.progress import progress
from tracetools.commands.terminal.screen import printable
from tracetools.core.errors import StackFileError
from tracetools.core.profile import LENSES, Profile
from tracetools.output.formats.files import explain
from tracetools.output.formats.reading import load_content

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracetools.core.profile import Lens
    from tracetools.output.formats.content import Content

__all__ = ["STANDARD", "described", "lens_of", "read_input", "say", "source_of"]

STANDARD: Final = Path("-")
"""Standard input or output."""


def source_of(path: Path) -> str:
    """Return the file as messages name it."""
    return "standard input" if path == STANDARD else str(path)


def read_input(path: Path, *, lens: str | None = None, keep_order: bool = False) -> Content:
    """Read a file of any format, or standard input; see `tracetools.output.formats.reading.read`.

    A progress bar is shown if it takes long.

    Raises:
        StackFileError, NoStacksError: it cannot be read, or makes no sense.
    """
    source = source_of(path)
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size or None
            with progress(f"reading {source}", size) as shown:
                return load_content(shown.reading(file), source, lens=lens, keep_order=keep_order)
    except FileNotFoundError as error:
        raise StackFileError(f"no file {source}: check the path") from error
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read {source}: {explain(error)}") from error


def _opened(path: Path) -> Any:
    return open(0, "rb", closefd=False) if path == STANDARD else path.open("rb")


def lens_of(given: str | None, contents: Iterable[Content]) -> Lens:
    """Return the lens by which profiles are taken: the one that was given, or else busy.

    Raises:
        UsageError: it is no lens though there is a profile, or nothing can be chosen.
    """
    contents = [*contents]
    has_profile = any(isinstance(each.content, Profile) for each in contents)
    if given is None:
        return "busy"
    for lens in LENSES:
        if lens == given:
            if has_profile or any(each.choices for each in contents):
                return lens
            raise UsageError("--lens chooses from a profile, and folded stacks have just one lens")
    if has_profile:
        raise UsageError(f"no lens is named {given!r}; choose one of {', '.join(LENSES)}")
    return "busy"


def described(content: Content) -> str:
    """Return in words what a file was taken for, and what its numbers are."""
    if isinstance(content.content, Profile):
        return content.description
    return f"{content.description} ({content.unit or 'of an unknown unit, kept as it is'})"


def say(text: str) -> None:
    """Write a line to stderr, where notes go."""
    print("tracetools:", printable(text), file=sys.stderr)
