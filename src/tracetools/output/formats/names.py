"""Names of files: what of a name is a suffix, and how one name gives another.

A suffix says what a file holds. The ``.2`` of ``run-1.2`` says nothing of that: it is a part of the
name, and so are ``.v3``, ``.rc1`` and words that are too long for a suffix.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

__all__ = ["suffix_of", "with_suffix"]

_DOUBLE: Final = (
    *(".profile.json", ".speedscope.json", ".gecko.json", ".trace.json"),
    *(".trace.json.gz", ".pb.gz", ".folded.gz"),
)
"""Suffixes of several parts."""

_LONG: Final = (".folded", ".pstats", ".collapsed", ".speedscope")
"""Suffixes that are longer than others."""

_SUFFIX: Final = re.compile(r"\.[a-z][a-z0-9]{0,4}")
_VERSION: Final = re.compile(r"\.(v|r|a|b|rc|dev|post|alpha|beta)[0-9]+")


def suffix_of(path: str | os.PathLike[str]) -> str:
    """Return the suffix of a name as it is written; empty if it has none.

    A name that begins with its only dot has none.
    """
    name = os.path.basename(os.fspath(path))
    small = name.lower()
    for double in _DOUBLE:
        if small.endswith(double) and len(name) > len(double):
            return name[-len(double) :]
    last = Path(name).suffix
    known = last.lower()
    is_one = known in _LONG or (_SUFFIX.fullmatch(known) and not _VERSION.fullmatch(known))
    return last if is_one else ""


def with_suffix(path: str | os.PathLike[str], suffix: str) -> Path:
    """Return the path with another suffix, or with one if it has none: the rest is as given."""
    plain = Path(path)
    found = suffix_of(plain.name)
    return plain.with_name(plain.name[: len(plain.name) - len(found)] + suffix)
