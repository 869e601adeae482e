"""What one process recorded in one minute, and who it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tracetools.core.profile import Profile

__all__ = ["Batch", "Source"]


@dataclass(frozen=True)
class Source:
    """Who sends: one process, from its start to its end.

    Attributes:
        instance: what no other process has, not even one of the same pid: 32 hexadecimal digits.
        service: what it belongs to, as OpenTelemetry's ``service.name``.
        version: of the service; empty where it is not known.
        host: the name of its machine.
        pid: its number there.
        attributes: what else is known of it, as OpenTelemetry's resource attributes.
    """

    instance: str
    service: str
    version: str = ""
    host: str = ""
    pid: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """What one process recorded from one moment to another.

    Attributes:
        source: the process.
        start: when it begins, in nanoseconds since the Unix epoch.
        end: when it ends.
        profile: what happened within.
    """

    source: Source
    start: int
    end: int
    profile: Profile

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits: the same each time that this is sent, so that it counts once."""
        return hashlib.sha256(f"{self.source.instance} {self.start}".encode()).hexdigest()[:32]
