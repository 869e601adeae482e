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
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from tracetools.core.labels import memoised_frames
from tracetools.core.stacks import frames_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import CodeType

    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = [
    "FunctionStacks",
    "Owner",
    "Seen",
    "Shown",
    "is_ours",
    "is_step",
    "owner_of",
    "qualified_name",
    "step_begins_below",
]

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


class Seen(NamedTuple):
    """A step that was looked at, or what a worker thread does.

    All is as it was found: looks are to be cheap, and what is made of them can wait.

    Attributes:
        began: the step's `LoopAccount.began`; 0 in a worker thread.
        base: the stack of the task or thread.
        own: its current stack.
        tree: what both are of.
        inwards: the functions of the step or thread, innermost first.
        lines: where each of them is, if that was asked for.
    """

    began: int
    base: Stack
    own: Stack
    tree: StackTree
    inwards: list[CodeType]
    lines: list[int | None]

    @property
    def key(self) -> tuple[object, ...]:
        """The same for all looks that saw the same functions, under the same stack."""
        return (self.base, self.own, *map(id, self.inwards))

    @property
    def codes(self) -> list[CodeType]:
        """The functions, outermost first."""
        return self.inwards[::-1]

    @property
    def links(self) -> list[tuple[CodeType, int | None]]:
        """The functions with the lines that they are at, innermost first."""
        return list(zip(self.inwards, self.lines, strict=True))


_steps: Final[dict[int, CodeType]] = {}


def step_begins_below(code: CodeType) -> None:
    """Note that a task's own functions lie below this one while it steps."""
    _steps[id(code)] = code


def is_step(code: CodeType) -> bool:
    """Whether a task's own functions lie below this one."""
    return id(code) in _steps


def is_ours(code: CodeType) -> bool:
    """Whether a function is one of tracetools itself."""
    return owner_of(code.co_filename) == "ours"
