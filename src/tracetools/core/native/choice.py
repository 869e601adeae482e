"""Chooses between the native core and the Python reference, when tracetools is imported."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["choose"]

EXTENSION: Final = "tracetools.core.native._extension"
PURE: Final = "TRACETOOLS_PURE"
"""The environment variable that asks for the reference; empty or 0 is as if it were not set."""

FACE: Final = 1
"""The number of what the extension offers; `native.h` has the same. Each change adds one to both."""


def choose() -> tuple[ModuleType | None, str]:
    """Return the extension, or else why the reference is to be used."""
    if os.environ.get(PURE, "0") not in {"", "0"}:
        return None, f"{PURE} is set"
    try:
        extension = importlib.import_module(EXTENSION)
    except ModuleNotFoundError:
        return None, "it was installed without a compiler"
    except Exception as error:  # noqa: BLE001  # a broken file, or a Python that it does not support
        return None, f"its extension cannot be loaded: {error}"
    found = getattr(extension, "FACE", None)
    if found != FACE:
        return None, f"its extension is of another version ({found}, not {FACE})"
    return extension, ""
