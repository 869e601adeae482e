"""Checks of the files that commands write, before any work is done."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from tracetools.commands import CommandError, UsageError
from tracetools.core.errors import StackFileError
from tracetools.output.formats.files import asked_mode, explain, is_device_or_pipe, make_empty

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["check_target", "check_writable", "format_of_target"]


def format_of_target(target: Path) -> str:
    """Return the format that the suffix of an output stands for.

    Raises:
        UsageError: it stands for none.
    """
    from tracetools.output.formats.writing import format_of  # takes a while

    try:
        return format_of(target)
    except StackFileError as error:
        raise UsageError(str(error)) from error


def check_target(target: Path, read: Iterable[Path]) -> None:
    """Refuse an output that would replace an input, or that cannot be written.

    Raises:
        CommandError: it would, or cannot.
    """
    if not os.path.isdir(target.parent):
        raise CommandError(f"no folder {target.parent} for {target.name}: create it first")
    for path in read:
        if os.path.exists(target) and os.path.exists(path) and target.samefile(path):
            raise CommandError(f"{target} would replace what it is made from: choose another name")
    try:
        check_writable(target)
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot write {target}: {explain(error)}") from error


def check_writable(path: Path) -> None:
    """Check that a file can be written, and leave none behind.

    Raises:
        OSError, ValueError: it cannot.
        CommandError: the environment asks for a mode of new files that makes no sense.
    """
    if is_device_or_pipe(path):  # opening a pipe waits for its reader, and closing it is its end
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return
    try:
        asked_mode()
    except ValueError as error:
        raise CommandError(str(error)) from error
    if make_empty(path):
        path.unlink()
    folder = os.path.dirname(os.path.realpath(path))
    if not os.access(folder, os.W_OK):  # each write replaces the file by a new one
        raise PermissionError(errno.EACCES, "its folder may not be written to")
