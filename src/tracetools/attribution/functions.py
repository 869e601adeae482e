"""Which functions are shown below a task's stack, and the stacks that they make there.

What may live here: whose a function is, and what of a chain of functions has a frame already. What
must not: how the functions are found (`awaits`, `looks`), and where the time goes.

What has a frame already (the task's function, observed ones, the functions that spans are opened
in) gets no second one, and the plumbing of backends none at all. Functions are named by where they
are defined, so that one that waits here and computes there has one frame.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from tracetools.core.labels import memoised_frames
from tracetools.core.stacks import frames_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = ["FunctionStacks", "Owner", "Shown", "owner_of", "qualified_name"]

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
_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO: Final = os.path.join(_OURS, "demo", "")
"""A program as any other."""


class Shown:
    """What has a frame already, while a chain of functions is followed from the outermost on."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._frames = tuple(frames)

    def after(self, code: CodeType) -> Shown | None:
        """Return what has a frame within a function that has one; ``None`` if it has none.

        A function has one as well where a span was opened in it. Each frame stands for one
        function: it may call itself.
        """
        for index, (_, file, line) in enumerate(self._frames):
            if file == code.co_filename and _is_within(line, code):
                return Shown(self._frames[index + 1 :])
        return None


def _is_within(line: int, code: CodeType) -> bool:
    """Whether a line is the one that a function begins at, or belongs to it."""
    if line == code.co_firstlineno:
        return True
    return line > code.co_firstlineno and any(line == found for *_, found in code.co_lines())


def qualified_name(code: CodeType) -> str:
    """Return the name of a function by its code; before Python 3.11 without its class."""
    return getattr(code, "co_qualname", code.co_name)


_MOST_FILES: Final = 4096
_owners: Final[dict[str, Owner]] = {}


def owner_of(file: str) -> Owner:
    """Tell whose a function is by the file that it is defined in."""
    known = _owners.get(file)
    if known is None:
        if len(_owners) >= _MOST_FILES:  # files that are made up without end
            _owners.clear()
        if file.startswith(_OURS) and not file.startswith(_DEMO):
            known = "ours"
        else:
            known = "plumbing" if file.startswith(tuple(_plumbing())) else "program"
        _owners[file] = known
    return known


def _plumbing() -> Iterator[str]:
    """Give what the files of backends begin with, as far as these are imported."""
    for name in _PLUMBING:
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            # as it is: to ask a module that is loaded when it is asked would load it
            file = ModuleType.__getattribute__(module, "__dict__").get("__file__")
        except TypeError:  # something else that stands for a module
            continue
        if type(file) is str:
            folder, base = os.path.split(file)
            yield folder + os.sep if base == "__init__.py" else file


class FunctionStacks:
    """The stacks of functions below those of tasks."""

    def __init__(self) -> None:
        self._function = memoised_frames()

    def stack(self, codes: Iterable[CodeType], base: Stack, own: Stack, tree: StackTree) -> Stack:
        """Return the stack of functions, given outermost first, that run under `own`."""
        return tree.detail(own, self.frames(codes, base, own))

    def frames(self, codes: Iterable[CodeType], base: Stack, own: Stack) -> list[Frame]:
        """Return the frames that functions, given outermost first, have under `own`."""
        shown = Shown(frames_between(base, own))
        frames: list[Frame] = []
        for code in codes:
            after = shown.after(code)
            if after is not None:
                shown = after
                frames.clear()
            elif owner_of(code.co_filename) == "program":
                frames.append(self._function(qualified_name(code), code))
        return frames
