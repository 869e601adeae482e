"""Names of files, made of the ids of tests."""

from __future__ import annotations

import hashlib
import re
from typing import Final

__all__ = ["file_name"]

_MOST: Final = 100
"""Characters of an id that a name has at most. Some file systems allow 255 bytes in all."""

_PLAIN: Final = re.compile(r"(?:[a-z0-9_.]+/)*[a-z0-9_.]+(?:::[a-z0-9_.]+)*")
"""Ids that a name shows whole. Others may differ in nothing that a name can show."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.+=-]+")


def file_name(test: str, suffix: str = ".html") -> str:
    """Return the name of the file of a test: always the same, and another one for each id.

    It is safe on every file system: of ASCII letters, digits and ``_.+=-``, short, and never
    hidden. Case does not tell two names apart. An id that is not plain has a hash in it.
    """
    shown = test.replace("::", "--").replace("/", "-")
    is_plain = _PLAIN.fullmatch(test) is not None and len(shown) <= _MOST and shown[0] != "."
    if not is_plain:
        clean = _UNSAFE.sub("_", shown.replace("[", ".")).strip("._-")
        digest = hashlib.sha256(test.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        shown = f"{clean[:_MOST].rstrip('._-') or 'test'}~{digest}"
    return shown + suffix
