"""Where the time of a trio or anyio program goes: by task and by span, as a flame graph.

Names only; a backend is imported when its instrument is asked for.
"""

from typing import TYPE_CHECKING, Any

from tracetools.core.errors import (
    GraphFileError,
    LawError,
    NoStacksError,
    RecordingError,
    StackFileError,
    TracetoolsError,
)
from tracetools.recording.spans import observe, span

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.output.flamegraph import Flamegrapher
    from tracetools.session.instrument import FlamegraphInstrument
    from tracetools.session.record import record

__all__ = [
    "FlamegraphInstrument",
    "Flamegrapher",
    "GraphFileError",
    "LawError",
    "NoStacksError",
    "Profile",
    "RecordingError",
    "StackFileError",
    "TracetoolsError",
    "observe",
    "record",
    "span",
]

_LATE = {
    "FlamegraphInstrument": "tracetools.session.instrument",
    "Flamegrapher": "tracetools.output.flamegraph",
    "Profile": "tracetools.core.profile",
    "record": "tracetools.session.record",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # only here

    return getattr(import_module(_LATE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
