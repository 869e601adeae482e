"""Sends to Grafana Pyroscope by its push protocol.

``POST /push.v1.PusherService/Push`` takes series of profiles: labels, and pprof for each. Of each
minute two are sent:

- ``process_cpu`` (``cpu``): busy time, by stack, and the time of worker threads. Time in which the
  loop waits for events is left out: no processor is used then.
- ``wall`` (``wall``): all time of tasks. What a stack waited for its turn or for something else
  are its frames ``[scheduled]`` and ``[idle]``, as in the lens ``task``.

Secrets are in the environment, never in the URL: ``TRACETOOLS_PYROSCOPE_TOKEN`` for a bearer token,
or ``TRACETOOLS_PYROSCOPE_USER`` and ``TRACETOOLS_PYROSCOPE_PASSWORD``;
``TRACETOOLS_PYROSCOPE_TENANT`` names the tenant.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import uuid
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.stacks import ALL_WAITING
from tracetools.fleet.engine import EngineRefusesError, EngineUnavailableError
from tracetools.fleet.posting import Server
from tracetools.output.formats.pprof import format_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath
    from tracetools.fleet.batch import Batch, Source
    from tracetools.fleet.posting import Answer

__all__ = ["Pyroscope", "labels_of", "open_pyroscope"]

_PATH: Final = "/push.v1.PusherService/Push"
_SCHEME: Final = "pyroscope+"
_VARIABLES: Final = "TRACETOOLS_PYROSCOPE_"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_]")
_TOO_MANY: Final = 429
_LATER: Final = (408, 425, _TOO_MANY)
_REFUSED: Final = (400, 413, 415, 422)
_OK, _ERROR, _BROKEN = 200, 300, 500


def open_pyroscope(url: str) -> Pyroscope:
    """Return the engine of a URL such as ``pyroscope+http://127.0.0.1:4040``.

    Raises:
        EngineRefusesError: it makes no sense, or has a password in it.
    """
    return Pyroscope(url.removeprefix(_SCHEME), os.environ)


class Pyroscope:
    """A server of Pyroscope.

    Args:
        url: where it is.
        environment: has the secrets.
        timeout: seconds that each part of a request may take.

    Raises:
        EngineRefusesError: the URL makes no sense, or has a password in it.
    """

    def __init__(self, url: str, environment: Mapping[str, str], timeout: float = 10.0) -> None:
        self._server = Server(url, timeout)
        self._headers = {
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "Connect-Protocol-Version": "1",
            "User-Agent": "tracetools",
            **_secrets(environment),
        }

    def send(self, batches: Sequence[Batch]) -> None:
        """Push profiles. Those without any time are left out.

        Raises:
            EngineUnavailableError: it is down, slow or full, does not answer as Pyroscope does, or
                does not let us in.
            EngineRefusesError: it takes none of them, and never will.
        """
        series = [each for batch in batches for each in _series(batch)]
        if not series:
            return
        body = gzip.compress(json.dumps({"series": series}).encode("ascii"), 6, mtime=0)
        self._check(self._server.post(_PATH, body, self._headers))

    def close(self) -> None:
        """Do nothing: each request has a connection of its own."""

    def _check(self, answer: Answer) -> None:
        """Check that profiles were taken.

        Raises:
            EngineUnavailableError, EngineRefusesError: they were not.
        """
        status, name = answer.status, self._server.name
        if _OK <= status < _ERROR:
            if not _is_object(answer.body):
                raise EngineUnavailableError(
                    f"{name} does not answer as Pyroscope does: {answer.text}"
                )
            return
        said = f"{name} answers {status}: {answer.text}"
        if status in _REFUSED:
            raise EngineRefusesError(said)
        if answer.location:
            said = f"{name} redirects to {answer.location[:200]!r}: give that URL"
        elif status in (401, 403):
            said += f"; set {_VARIABLES}TOKEN, or {_VARIABLES}USER and {_VARIABLES}PASSWORD"
        waits = status in _LATER or status >= _BROKEN
        raise EngineUnavailableError(said, retry_after=answer.retry_after if waits else None)


def _secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that say who we are.

    Raises:
        EngineRefusesError: one of them cannot be in a header.
    """
    token, user, password, tenant = (
        environment.get(f"{_VARIABLES}{name}", "")
        for name in ("TOKEN", "USER", "PASSWORD", "TENANT")
    )
    found: dict[str, str] = {}
    if token:
        found["Authorization"] = f"Bearer {token}"
    elif user or password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        found["Authorization"] = f"Basic {pair}"
    if tenant:
        found["X-Scope-OrgID"] = tenant
    for name, value in found.items():
        if not (value.isascii() and value.isprintable()):
            raise EngineRefusesError(
                f"what {_VARIABLES}* says for the header {name} has characters that it cannot have"
            )
    return found


def labels_of(source: Source) -> dict[str, str]:
    """Return the labels of a source, by names that Pyroscope takes."""
    named = {_UNSAFE.sub("_", name): value for name, value in source.attributes.items()}
    found = {
        **{f"_{name}" if name[:1].isdigit() else name: value for name, value in named.items()},
        "service_name": source.service,
        "service_version": source.version,
        "host": source.host,
        "service_instance_id": source.instance,
    }
    return {
        name: value
        for name, value in sorted(found.items())
        if name and value and not name.startswith("__")
    }


def _series(batch: Batch) -> list[dict[str, Any]]:
    """Return what is sent of one minute."""
    labels = labels_of(batch.source)
    return [
        {
            "labels": [
                {"name": name, "value": value}
                for name, value in sorted({"__name__": kind, **labels}.items())
            ],
            "samples": [
                {
                    "ID": str(uuid.uuid5(uuid.UUID(batch.id), kind)),
                    "rawProfile": base64.b64encode(_pprof(batch, name, times)).decode("ascii"),
                }
            ],
        }
        for kind, name, times in (
            ("process_cpu", "cpu", _used(batch.profile)),
            ("wall", "wall", batch.profile.lens("task")),
        )
        if times
    ]


def _used(profile: Profile) -> dict[StackPath, int]:
    """Return the busy time, without that in which loops wait for events."""
    return {
        path: time
        for path, time in profile.lens("busy").items()
        if path[1:2] == () or path[1] not in ALL_WAITING
    }


def _pprof(batch: Batch, name: str, times: Mapping[StackPath, int]) -> bytes:
    owners = {path for path, numbers in batch.profile.stacks.items() if numbers.entries}
    return format_times(
        times,
        name,
        owners=owners,
        start=batch.start,
        duration=max(batch.end - batch.start, 0),
        program=batch.source.service,
    )


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
