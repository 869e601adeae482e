"""Where the time of a trio, anyio or asyncio program goes: by task and by span, as a flame graph.

Names only: each is imported when it is asked for. So pytest, which imports our plugin wherever
tracetools is installed, does not pay for what it does not use.

PYTEST_DONT_REWRITE: pytest would warn that `tracetools run` had imported this before it.
"""

from typing import TYPE_CHECKING, Any

from tracetools.core.errors import (
    DoorError,
    GraphFileError,
    LawError,
    NoStacksError,
    RecordingError,
    StackFileError,
    TracetoolsError,
)

if TYPE_CHECKING:
    from tracetools.core.profile import Profile
    from tracetools.door.serving import serve
    from tracetools.minutes.always_on import continuous
    from tracetools.output.flamegraph import Flamegrapher
    from tracetools.recording.keeper import slow
    from tracetools.recording.spans import observe, span
    from tracetools.session.instrument import FlamegraphInstrument
    from tracetools.session.record import record
    from tracetools.web.app import web_app

__all__ = [
    "DoorError",
    "FlamegraphInstrument",
    "Flamegrapher",
    "GraphFileError",
    "LawError",
    "NoStacksError",
    "Profile",
    "RecordingError",
    "StackFileError",
    "TracetoolsError",
    "continuous",
    "observe",
    "record",
    "serve",
    "slow",
    "span",
    "web_app",
]

_LATE = {
    "FlamegraphInstrument": "tracetools.session.instrument",
    "Flamegrapher": "tracetools.output.flamegraph",
    "Profile": "tracetools.core.profile",
    "continuous": "tracetools.minutes.always_on",
    "observe": "tracetools.recording.spans",
    "record": "tracetools.session.record",
    "serve": "tracetools.door.serving",
    "slow": "tracetools.recording.keeper",
    "span": "tracetools.recording.spans",
    "web_app": "tracetools.web.app",
}

_OF_IPYTHON = {
    "load_ipython_extension": "tracetools.integrations.ipython",
    "unload_ipython_extension": "tracetools.integrations.ipython",
}
"""What `%load_ext tracetools` calls, and nobody else."""


def __getattr__(name: str) -> Any:
    module = _LATE.get(name) or _OF_IPYTHON.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  # only here

    found = globals()[name] = getattr(import_module(module), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
