"""Names that the modules of the pytest plugin have in common."""

from typing import Final

__all__ = ["FOLDER", "MARKER"]

FOLDER: Final = ".tracetools"
"""Where reports go by default, below the directory that pytest was started in."""

MARKER: Final = "max_blocking"
