"""Engines by their URLs. Each is imported when it is opened, with what it needs."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from tracetools.fleet.engine import EngineRefusesError

if TYPE_CHECKING:
    from tracetools.fleet.engine import Engine

__all__ = ["SCHEMES", "check_url", "open_engine"]

SCHEMES: Final = {
    "duckdb": ("tracetools.fleet.duckdb_engine", "open_duckdb"),
    "chdb": ("tracetools.fleet.chdb_engine", "open_chdb"),
    "clickhouse": ("tracetools.fleet.clickhouse", "open_clickhouse"),
    "clickhouses": ("tracetools.fleet.clickhouse", "open_clickhouse"),
    "pyroscope+http": ("tracetools.fleet.pyroscope", "open_pyroscope"),
    "pyroscope+https": ("tracetools.fleet.pyroscope", "open_pyroscope"),
}
"""The module and the function that opens an engine, by the scheme of its URL."""


def open_engine(url: str) -> Engine:
    """Return the engine of a URL. Nothing is sent to it yet.

    - ``duckdb:PATH`` is a file, and needs no server.
    - ``chdb:FOLDER`` is ClickHouse within this process.
    - ``clickhouse://USER@HOST:PORT/DATABASE`` is a server of ClickHouse by HTTP; ``clickhouses``
      by HTTPS. Further hosts follow with commas. ``?cluster=NAME`` spreads the tables over a
      cluster. The password is in the environment: ``TRACETOOLS_CLICKHOUSE_PASSWORD``.
    - ``pyroscope+http://HOST:PORT`` and ``pyroscope+https`` push to Grafana Pyroscope. Secrets are
      in the environment: ``TRACETOOLS_PYROSCOPE_TOKEN`` and others.

    Raises:
        EngineRefusesError: there is no such engine, its URL makes no sense, or what it needs is not
            installed.
    """
    module, function = SCHEMES[check_url(url)]
    opened: Engine = getattr(importlib.import_module(module), function)(url)
    return opened


def check_url(url: str) -> str:
    """Return the scheme of the URL of an engine.

    Raises:
        EngineRefusesError: there is no such engine.
    """
    scheme, separator, _ = url.partition(":")
    if not separator or scheme not in SCHEMES:
        known = ", ".join(f"{name}:" for name in SCHEMES)
        raise EngineRefusesError(f"no engine is named by {url!r}: a URL begins with one of {known}")
    return scheme
