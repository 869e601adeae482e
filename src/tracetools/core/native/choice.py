"""Chooses between the native core and the Python reference, when tracetools is imported.

An extension that is broken, or of another version of ours, must never stop a program: the reference
is used, and `tracetools --version` says why.
"""

from __future__ import annotations

import importlib
import os
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Final

from tracetools.core.native.version import VERSION, checksum

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["choose"]

PURE: Final = "TRACETOOLS_PURE"
"""The environment variable that asks for the reference; empty or 0 is as if it were not set."""

_NAME: Final = "_extension"
_PACKAGE: Final = "tracetools.core.native"
_FOLDER: Final = os.path.dirname(__file__)


def choose() -> tuple[ModuleType | None, str]:
    """Return the extension, or else why the reference is to be used, in one line."""
    if os.environ.get(PURE, "0") not in {"", "0"}:
        return None, f"{PURE} is set"
    try:
        extension = _load()
        why_not = _misfit(extension)
    except ModuleNotFoundError:
        return None, _why_there_is_none()
    except Exception as error:  # noqa: BLE001  # a broken file, or a Python that it does not support
        return None, f"its extension cannot be loaded: {' '.join(str(error).split())}"
    return (None, why_not) if why_not else (extension, "")


def _load() -> ModuleType:
    for suffix in EXTENSION_SUFFIXES:
        file = os.path.join(_FOLDER, _NAME + suffix)
        if os.path.isfile(file):
            _check_is_whole(file)
            break
    return importlib.import_module(f"{_PACKAGE}.{_NAME}")


def _check_is_whole(path: str) -> None:
    """Refuse a file that is cut short: to load it may crash the process.

    What else can be wrong with a file, the loader finds.

    Raises:
        ImportError: it is shorter than its segments are.
    """
    if os.stat(path).st_size < _end_of_segments(path):
        raise ImportError(f"{path} is cut short")


def _end_of_segments(path: str) -> int:
    """Return up to where Linux loads a file; 0 for other kinds of files, and other machines'."""
    with open(path, "rb") as file:
        header = file.read(64)
        if not header.startswith(b"\x7fELF\x02\x01"):  # 64 bits, the lowest byte first
            return 0
        start, size, count = _int(header, 32, 8), _int(header, 54, 2), _int(header, 56, 2)
        file.seek(start)
        table = file.read(size * count)
    ends = [_int(table, at + 8, 8) + _int(table, at + 32, 8) for at in range(0, len(table), size)]
    return max([start + size * count, *ends])


def _int(of: bytes, start: int, size: int) -> int:
    return int.from_bytes(of[start : start + size], "little")


def _misfit(extension: ModuleType) -> str:
    """Return why an extension does not fit this package; empty if it does.

    In a checkout, the extension may be older than the sources beside it.
    """
    found = getattr(extension, "VERSION", "unknown")
    if found != VERSION:
        return f"its extension is of version {found}"
    sources = checksum(_FOLDER)
    if sources and sources != extension.SOURCES:
        return "its extension was built from other sources"
    return ""


def _why_there_is_none() -> str:
    try:
        with os.scandir(_FOLDER) as entries:
            names = [entry.name for entry in entries]
    except OSError:  # in a zip file
        return "its extension cannot be loaded from where it is"
    if any(name.startswith(f"{_NAME}.") for name in names):
        return "its extension was built for another Python"
    return "it was installed without a compiler"
