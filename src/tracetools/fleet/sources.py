"""Who this process is: its service, version and host, from what it was told or what is set up.

Nothing else of the environment is read, and no argument of the command line.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from tracetools.fleet.batch import Source
from tracetools.recording.recorder import program_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MOST_ATTRIBUTES", "bounded", "source_of_process"]

MOST_ATTRIBUTES: Final = 32
"""How many attributes of a resource are taken over."""

_LONGEST: Final = 200
"""How many characters a name or an attribute may have."""

_NAME, _VERSION, _HOST = "service.name", "service.version", "host.name"
_UNWANTED: Final = ("process.command", "process.command_line", "process.command_args")
"""Attributes that OpenTelemetry knows, and that may have secrets."""


def source_of_process(
    service: str | None = None,
    version: str | None = None,
    host: str | None = None,
    attributes: Mapping[str, str] | None = None,
    *,
    program: str | None = None,
) -> Source:
    """Return who this process is.

    What is not given is taken from OpenTelemetry: from the resource of its SDK, if that is set up,
    else from the variables ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``. Else the service
    is the name of the program.

    Args:
        service: the name of the service.
        version: its version.
        host: the name of the machine.
        attributes: what else is to be known of it.
        program: the name of the program; by default what `sys.argv` says.
    """
    known = {**_of_environment(), **_of_sdk()}
    for name in [name for name in known if name.startswith(_UNWANTED)]:
        del known[name]
    found = known.pop(_NAME, "")
    if found.startswith("unknown_service"):  # what the SDK makes up
        found = ""
    service = bounded(service or found or _stem(program or program_name()))
    found_version, found_host = known.pop(_VERSION, ""), known.pop(_HOST, "")
    version = bounded(found_version if version is None else version)
    host = bounded(host or found_host or socket.gethostname())
    known.update(attributes or {})
    kept = list(known.items())[-MOST_ATTRIBUTES:]
    return Source(
        instance=os.urandom(16).hex(),
        service=service,
        version=version,
        host=host,
        pid=os.getpid(),
        attributes={bounded(str(name)): bounded(str(value)) for name, value in kept},
    )


def bounded(text: str) -> str:
    """Return a text without control characters, and not too long."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return plain.strip()[:_LONGEST]


def _stem(program: str) -> str:
    return program.removesuffix(".py") or "python"


def _of_environment() -> dict[str, str]:
    """Return what the variables say: pairs with percent-encoded values."""
    found: dict[str, str] = {}
    for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[name.strip()] = unquote(value.strip())
    service = os.environ.get("OTEL_SERVICE_NAME", "").strip()
    return {**found, _NAME: service} if service else found


def _of_sdk() -> dict[str, str]:
    """Return what the resource says of the SDK that the program has set up, if it has."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None or sys.modules.get("opentelemetry.sdk") is None:
        return {}
    try:
        provider: Any = getattr(trace, "_TRACER_PROVIDER", None)
        attributes = provider.resource.attributes
        return {
            str(name): str(value)
            for name, value in attributes.items()
            if isinstance(value, str | int | float | bool)
            and not str(name).startswith("telemetry.")
        }
    except Exception:  # noqa: BLE001  # whatever the program has set up
        return {}
