"""The version of tracetools, and the checksum by which its C sources are known.

`setup.py` runs this file on its own, so it imports nothing of ours.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["VERSION", "checksum"]

VERSION: Final = "0.1.0"
"""The one place where it stands."""


def checksum(folder: str) -> str:
    """Return a checksum of the C sources in a folder; empty if there are none, as in a wheel."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.name.endswith((".c", ".h")))
    if not names:
        return ""
    from zlib import crc32  # noqa: PLC0415  # in a checkout alone

    found = 0
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            found = crc32(file.read(), crc32(name.encode(), found))
    return f"{found:08x}"
