"""The text of the lines of a program, if its files are here and are what ran."""

from __future__ import annotations

import linecache
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.core.profile import Profile

__all__ = ["lines_of"]

_LONGEST: Final = 100


def lines_of(profile: Profile) -> Callable[[str, int], str]:
    """Return a function from file and line to the text there, without blanks around it.

    It returns nothing for a file that is not here, or was changed since the program started, and
    for a line that is too long to be read beside others.
    """

    def text_of_line(file: str, line: int) -> str:
        try:
            changed = os.stat(file).st_mtime_ns
        except (OSError, ValueError):
            changed = 0 if file.startswith("<") else profile.start
        text = linecache.getline(file, line).strip() if changed < profile.start else ""
        return text if len(text) <= _LONGEST and text.isprintable() else ""

    return text_of_line
