"""Which batches a question is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Selection"]


@dataclass(frozen=True)
class Selection:
    """Batches of one service.

    Attributes:
        service: its name.
        version: only this one; all, if it is None.
        host: likewise.
        start: those that begin then or later, in nanoseconds since the Unix epoch.
        end: those that begin earlier.
    """

    service: str
    version: str | None = None
    host: str | None = None
    start: int = 0
    end: int = 2**63

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the columns that have to have one value, with that."""
        for name in ("service", "version", "host"):
            value = getattr(self, name)
            if value is not None:
                yield name, value
