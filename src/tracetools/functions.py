"""Which functions are shown below a task's stack, and the stacks that they make there.

What may live here: whose a function is, and what of a chain of functions has a frame already. What
must not: how the functions are found (`awaits`, `watch`), and where the time goes.

What has a frame already (the task's function, observed ones, the functions that spans are opened
in) gets no second one, and the plumbing of backends none at all. Functions are named by where they
are defined, so that one that waits here and computes there has one frame.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tracetools.stacks import frames_between

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType

    from tracetools.stacks import Stack

__all__ = ["Owner", "Shown", "owner_of", "qualified_name"]

Owner: TypeAlias = Literal["ours", "plumbing", "program"]

_PLUMBING: Final = (
    "trio",
    "anyio",
    "asyncio",
    "uvloop",
    "sniffio",
    "outcome",
    "contextlib",
    "threading",
    "concurrent.futures",
)
_OURS: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Shown:
    """What has a frame already, while a chain of functions is followed from the outermost on."""

    def __init__(self, base: Stack, own: Stack) -> None:
        self._places = [(frame.file, frame.line) for frame in frames_between(base, own)]

    def meets(self, code: CodeType) -> bool:
        """Whether a function has a frame, or is where a span that has one was opened.

        Each frame stands for one function: one may call itself.
        """
        for index, (file, line) in enumerate(self._places):
            if file == code.co_filename and _is_within(line, code):
                del self._places[: index + 1]
                return True
        return False


def _is_within(line: int, code: CodeType) -> bool:
    """Whether a line is the one that a function begins at, or belongs to it."""
    if line == code.co_firstlineno:
        return True
    return line > code.co_firstlineno and any(line == found for *_, found in code.co_lines())


def qualified_name(code: CodeType) -> str:
    """Return the name of a function by its code; before Python 3.11 without its class."""
    return getattr(code, "co_qualname", code.co_name)


def owner_of(file: str) -> Owner:
    """Tell whose a function is by the file that it is defined in."""
    if file.startswith(_OURS):
        return "ours"
    return "plumbing" if file.startswith(tuple(_plumbing())) else "program"


def _plumbing() -> Iterator[str]:
    """Give what the files of backends begin with, as far as these are imported."""
    for name in _PLUMBING:
        module = sys.modules.get(name)
        if module is None:
            continue
        # as it is: to ask a module that is loaded when it is asked would load it
        file = ModuleType.__getattribute__(module, "__dict__").get("__file__")
        if type(file) is str:
            folder, base = os.path.split(file)
            yield folder + os.sep if base == "__init__.py" else file
