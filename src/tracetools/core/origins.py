"""Whose a file is: the program's own, that of an installed library, or of Python itself."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ORIGINS", "Origin", "guessed_origin", "merged_origins", "origin_of"]

Origin: TypeAlias = Literal["own", "library", "runtime"]
"""``own`` for the program's own files, ``library`` for installed packages, ``runtime`` for Python's
standard library and for what has no file, such as frozen modules."""

ORIGINS: Final[tuple[Origin, ...]] = get_args(Origin)

_INSTALLED: Final = re.compile(r"(?:^|/)(?:site|dist)-packages/")
_COMPILED: Final = (".pyx", ".pxd", ".pxi")
"""The endings of files that a library was compiled from. They are not on this machine."""


def _folder_of(file: str) -> str:
    return os.path.dirname(os.path.abspath(file)).replace(os.sep, "/") + "/"


_STANDARD_LIBRARY: Final = _folder_of(os.__file__)
_ZIPPED: Final = f"python{sys.version_info[0]}{sys.version_info[1]}.zip/"
_OURS: Final = _folder_of(os.path.join(__file__, os.pardir))
_DEMO: Final = _OURS + "demo/"
"""The program of `tracetools demo`, which is a program like any other."""


def origin_of(file: str) -> Origin:
    """Return whose a file is, by its absolute path.

    Code without a file is the program's own, such as that of a notebook, but for frozen modules.
    """
    if file.startswith("<"):
        return "runtime" if file.startswith("<frozen ") else "own"
    path = file.replace(os.sep, "/")
    if path.startswith(_DEMO):
        return "own"
    if _INSTALLED.search(path) or path.endswith(_COMPILED) or path.startswith(_OURS):
        return "library"
    if path.startswith(_STANDARD_LIBRARY) or _ZIPPED in path:
        return "runtime"
    return "own"


def guessed_origin(file: str) -> Origin:
    """Return whose a file is, by the path that a label shows.

    For stacks that do not say it, such as those of other tools. A file is taken for Python's if it
    begins as a module of the standard library, and its folder is not said.
    """
    if file.startswith("<") or os.path.isabs(file):
        return origin_of(file)
    path = file.replace(os.sep, "/")
    if _INSTALLED.search(path) or path.endswith(_COMPILED):
        return "library"
    top = path.partition("/")[0].removesuffix(".py")
    return "runtime" if top in sys.stdlib_module_names else "own"


def merged_origins(several: Iterable[Mapping[str, Origin]]) -> dict[str, Origin]:
    """Return the origins of all files. A file that has several gets the first in order of names."""
    found: dict[str, Origin] = {}
    for origins in several:
        for file, origin in origins.items():
            found[file] = min(origin, found.get(file, origin))
    return found
