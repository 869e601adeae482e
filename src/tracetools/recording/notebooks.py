"""Notebooks: which cell runs, what the files of cells are called, and what is the kernel's own.

IPython is not imported for it: where a cell runs, the program has imported it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.attribution.awaits import is_defined_in
from tracetools.attribution.functions import owner_of

if TYPE_CHECKING:
    from types import CodeType
    from typing import Protocol

    from tracetools.core.stacks import Frame

    class Showable(Protocol):
        """What a notebook can show."""

        @property
        def is_to_be_shown(self) -> bool:
            """Whether it is still to be shown."""


__all__ = [
    "awaits",
    "calling_code",
    "cell_of_file",
    "is_callback_of_kernel",
    "is_kernel_here",
    "is_of_kernel",
    "notebook_name",
    "show_after_cell",
    "shows_html",
]

_RUNS_CELLS: Final = "run_code", "IPython.core.interactiveshell"
"""The function of IPython that runs each statement of a cell, and its module."""

_AWAITS: Final = 0x80 | 0x100 | 0x200
"""`CO_COROUTINE`, `CO_ITERABLE_COROUTINE` and `CO_ASYNC_GENERATOR` of `inspect`, which takes a
while to import."""

_INPUT: Final = re.compile(r"<ipython-input-(\d+)-")
_OF_A_KERNEL: Final = re.compile(r"[/\\]ipykernel_\d+[/\\]([^/\\]+)$")
"""The file of a cell, which is never written. It has the number of the process."""


def _shell() -> Any:
    """Return IPython's shell; None if the program does not run in one."""
    get = getattr(sys.modules.get("IPython.core.getipython"), "get_ipython", None)
    return None if get is None else get()


# -- cells -----------------------------------------------------------------------------------------


def calling_code() -> CodeType | None:
    """Return the code of the program's function that calls, if a cell of a notebook calls it."""
    caller: CodeType | None = None
    frame = compat.getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name == _RUNS_CELLS[0] and is_defined_in(code, _RUNS_CELLS[1]):
            return caller
        if caller is None and owner_of(code.co_filename) == "program":
            caller = code
        frame = frame.f_back
    return None


def awaits(code: CodeType) -> bool:
    """Whether a function can await, so that the loop that it runs in goes on meanwhile."""
    return bool(code.co_flags & _AWAITS)


def cell_of_file(file: str) -> str | None:
    """Return the name of the cell whose code has a file, such as ``In [3]``; None for any other.

    The number is that of the last execution, as in IPython's tracebacks. A cell whose number is not
    known has a name without the number of the process.
    """
    with suppress(Exception):  # another version of IPython, or something in its place
        number = _number_of(_shell(), file)
        if number is not None:
            return f"In [{number}]"
    if (found := _INPUT.match(file)) is not None:
        return f"In [{found[1]}]"
    found = _OF_A_KERNEL.search(file)
    return None if found is None else f"ipykernel/{found[1]}"


def _number_of(shell: Any, file: str) -> int | None:
    """Return the number of the cell that has a file; None if IPython does not know."""
    if shell is None:
        return None
    tell = getattr(shell.compile, "format_code_name", None)
    if tell is not None:
        named = tell(file)
        digits = named and re.search(r"\[(\d+)\]", named[1])
        return int(digits[1]) if digits else None
    if _OF_A_KERNEL.search(file) is None:
        return None
    import linecache  # noqa: PLC0415  # takes a while

    if file not in linecache.cache:
        return None
    text = "".join(linecache.getlines(file)).rstrip("\n")  # before IPython 8: by what it has run
    inputs = shell.user_ns.get("In", ())
    return next((n for n in reversed(range(len(inputs))) if inputs[n].rstrip("\n") == text), None)


# -- the kernel ------------------------------------------------------------------------------------


def is_of_kernel(file: str | None) -> bool:
    """Whether a file is one of the notebook's kernel, whose tasks are not the program's."""
    return file is not None and _is_of_package(file, "ipykernel")


def _is_of_package(file: str, package: str) -> bool:
    """Whether a file is one of a package that is imported."""
    found = getattr(sys.modules.get(package), "__file__", None)
    return found is not None and file.startswith(os.path.dirname(str(found)) + os.sep)


def is_kernel_here() -> bool:
    """Whether this process is a notebook's kernel."""
    with suppress(Exception):  # something in the place of IPython's shell
        return hasattr(_shell(), "kernel")
    return False


def is_callback_of_kernel(frame: Frame) -> bool:
    """Whether a callback in the kernel's loop is the kernel's own, which has its sockets by zmq."""
    return is_of_kernel(frame.file) or _is_of_package(frame.file or "", "zmq")


def notebook_name() -> str | None:
    """Return the file name of the notebook that runs, or just ``notebook``; None if none does."""
    if not is_kernel_here():
        return None
    path = os.environ.get("JPY_SESSION_NAME")
    with suppress(Exception):  # something in the place of IPython's shell
        path = path or _shell().user_ns.get("__vsc_ipynb_file__")
    return os.path.basename(str(path or "")) or "notebook"


def shows_html() -> bool:
    """Whether a cell runs whose output may be HTML."""
    formatter = getattr(_shell(), "display_formatter", None)
    return calling_code() is not None and "text/html" in getattr(formatter, "active_types", ())


def show_after_cell(recording: Showable) -> None:
    """Show a recording below the cell that calls, when that has ended, unless it was shown by then.

    Nothing is done outside of cells, and where nothing but text can be shown. Of many recordings of
    one cell only the first are shown, for each makes the notebook larger.
    """
    if not shows_html():
        return
    if not _to_show:
        _shell().events.register("post_execute", _show)
    _to_show.append(recording if len(_to_show) < _MOST_SHOWN else None)


_MOST_SHOWN: Final = 10
_to_show: Final[list[Showable | None]] = []
"""The recordings of the cell that runs. None stands for one that is not going to be shown."""


def _show() -> None:
    """Show the recordings of a cell that has just run."""
    _shell().events.unregister("post_execute", _show)
    recordings, _to_show[:] = tuple(_to_show), []
    from importlib import import_module  # noqa: PLC0415  # takes a while

    display = import_module("IPython.display")
    for recording in recordings[:_MOST_SHOWN]:
        if recording is not None and recording.is_to_be_shown:
            display.display(recording)
    if more := len(recordings[_MOST_SHOWN:]):
        text = f"tracetools: {more:,} more recordings of this cell are not shown."
        display.display(display.HTML(f"<p>{text}</p>"))
