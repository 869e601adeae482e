"""Which functions get frames below the stack of a task, and the stacks that they make.

A function that has a frame already gets no second one: the task's function, observed functions, and
functions in which spans are opened. Runtime functions, those of backends, get none. A function is
named by where it is defined, so it has one frame wherever in it a task waits or computes.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from tracetools.core.labels import memoised_frames
from tracetools.core.native import native
from tracetools.core.stacks import frames_between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType

    from tracetools.core.stacks import Frame, Stack, StackTree

__all__ = [
    "FunctionStacks",
    "Owner",
    "Sample",
    "Shown",
    "is_ours",
    "is_step",
    "owner_of",
    "qualified_name",
    "register_opener",
    "register_step",
]

Owner: TypeAlias = Literal["ours", "runtime", "program"]

_RUNTIME: Final = (
    "trio",
    "anyio",
    "asyncio",
    "uvloop",
    "sniffio",
    "outcome",
    "contextlib",
    "threading",
    "concurrent.futures",
    "IPython",
    "ipykernel",
)
_OURS: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_DEMO: Final = os.path.join(_OURS, "demo", "")
"""The demo is a program as any other."""


class Shown:
    """The frames that functions may have already; a chain is followed from the outermost in.

    Args:
        frames: the frames, of which the first is the task's unless `below_task`.
        below_task: whether the task's is not among them any more.
    """

    def __init__(self, frames: Iterable[Frame], *, below_task: bool = False) -> None:
        self._frames = tuple(frames)
        self._below_task = below_task

    def after(self, code: CodeType) -> Shown | None:
        """Return what is shown within a function that has a frame; ``None`` if it has none.

        A function has a frame as well if a span was opened in it, or by it in our name. Each frame
        belongs to one call: a function may call itself.
        """
        if id(code) in _openers:
            return self if self._frames[not self._below_task :] else None
        for index, (_, file, line) in enumerate(self._frames):
            if file == code.co_filename and _is_within(line, code):
                return Shown(self._frames[index + 1 :], below_task=True)
        return None


def _is_within(line: int, code: CodeType) -> bool:
    """Whether a line is the first of a function, or another of its lines."""
    if line == code.co_firstlineno:
        return True
    return line > code.co_firstlineno and any(line == found for *_, found in code.co_lines())


def qualified_name(code: CodeType) -> str:
    """Return the name of a function by its code; before Python 3.11 without its class."""
    return getattr(code, "co_qualname", code.co_name)


_MOST_FILES: Final = 4096
_owners: Final[dict[str, Owner]] = {}


def owner_of(file: str) -> Owner:
    """Return whose a function is, by the file that defines it."""
    known = _owners.get(file)
    if known is None:
        if len(_owners) >= _MOST_FILES:  # a program that makes up file names
            _owners.clear()
        if file.startswith(_OURS) and not file.startswith(_DEMO):
            known = "ours"
        else:
            known = "runtime" if file.startswith(tuple(_runtime_files())) else "program"
        _owners[file] = known
    return known


def _runtime_files() -> Iterator[str]:
    """Yield what the files of backends start with, of those that are imported."""
    for name in _RUNTIME:
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            # An attribute of a lazy module would load it; its dictionary does not.
            file = ModuleType.__getattribute__(module, "__dict__").get("__file__")
        except TypeError:  # something else in place of a module
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

    def functions(self, codes: Iterable[CodeType]) -> list[Frame]:
        """Return the frames of functions of the program, given outermost first."""
        return [
            self._function(qualified_name(code), code)
            for code in codes
            if owner_of(code.co_filename) == "program"
        ]

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


class Sample(NamedTuple):
    """A sample of a step, or of a worker thread: what ran in it at one moment.

    It is kept as it was found. A sample must be cheap; stacks are made of it later.

    Attributes:
        began: the step's `LoopAccount.began`; 0 in a worker thread.
        base: the stack of the task or thread.
        own: its current stack.
        tree: the tree of both.
        inwards: the functions of the step or thread, innermost first.
        lines: the line that each of them is at, if lines were asked for.
    """

    began: int
    base: Stack
    own: Stack
    tree: StackTree
    inwards: list[CodeType]
    lines: list[int | None]

    @property
    def key(self) -> tuple[object, ...]:
        """The same for all samples of the same functions, under the same stack."""
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


_openers: Final[dict[int, CodeType]] = {}


def register_opener(code: CodeType) -> None:
    """Register a function of ours that the program's calls are in while a span of ours is open."""
    _openers[id(code)] = code


def register_step(code: CodeType) -> None:
    """Register a function that steps tasks: the functions of the task lie below it."""
    if id(code) not in _steps:
        _steps[id(code)] = code
        if _register_natively is not None:
            _register_natively(code)


_register_natively: Final[Callable[[CodeType], None] | None] = getattr(
    native, "register_step_code", None
)


def is_step(code: CodeType) -> bool:
    """Whether a function steps tasks: the functions of the task lie below it."""
    return id(code) in _steps


def is_ours(code: CodeType) -> bool:
    """Whether a function is one of tracetools itself."""
    return owner_of(code.co_filename) == "ours"
