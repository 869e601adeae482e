"""Has a process recorded: all its trio runs by a `FlamegraphInstrument`, or all by `record`.

A pytest plugin as well as a hook at the start of subprocesses, which imports neither trio nor
pytest until the process itself does. The settings are in ``TRACETOOLS_FOREIGN``::

    {"folder": "/where/files/go", "way": "each", "options": {"flush_interval": 0.05}}

It is imported before pytest gets to see it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import atexit
import os
import sys
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reports

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from watch import Watch

    from tracetools import FlamegraphInstrument

_MODULE = "trio._core._run"
"""Where `trio.run` and `start_guest_run` both find `Instruments`, however they were imported."""

RECORDED = ("record", "record-each")
"""The ways that are of `tracetools.record`, and of all backends."""

_unchecked: list[Watch] = []


class _WhenTrioIsImported(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_attach(module: ModuleType) -> None:
            execute(module)
            _attach(module)

        spec.loader.exec_module = execute_and_attach  # type: ignore[method-assign]
        return spec


def start() -> None:
    """Have this process recorded, in the way that the settings say."""
    if reports.settings["way"] in RECORDED:
        import recorded

        recorded.record_process()
    else:
        _wait_for_trio()


def _wait_for_trio() -> None:
    """Attach to all runs of this process once it imports trio."""
    sys.meta_path.insert(0, _WhenTrioIsImported())
    atexit.register(_check_all)


def _attach(module: Any) -> None:
    """Give every run that starts from now on an instrument of ours, after its own ones."""
    instruments = module.Instruments

    def with_ours(incoming: Sequence[Any]) -> Any:
        return instruments([*incoming, *_ours_for_a_run()])

    module.Instruments = with_ours


def _ours_for_a_run() -> list[FlamegraphInstrument | Watch]:
    """Return what a new run is given: an instrument, and another one that watches it."""
    import watch  # which imports trio

    way = reports.settings["way"]
    if way == "shared" and watch.watched:
        seen = watch.watched[0]
    else:
        if not watch.watched:
            watch.listen()
        try:
            seen = watch.Watch(_new_instrument(reports.settings, len(watch.watched)), way)
        except Exception as error:
            reports.say("complaint", f"no instrument could be made: {error!r}")
            return []
    if way != "shared":  # that one grows all the time, and is checked at the end
        _unchecked.append(seen)
    reports.say("run", way)
    return [seen] if way == "midway" else [seen.ours, seen]


def _new_instrument(settings: dict[str, Any], number: int) -> FlamegraphInstrument:
    from tracetools import FlamegraphInstrument

    file = Path(settings["folder"], f"{os.getpid()}-{number}")
    return FlamegraphInstrument(file, **settings["options"])


def _check_all() -> None:
    if "watch" in sys.modules:
        for seen in sys.modules["watch"].watched:
            seen.check()


def pytest_configure() -> None:
    """Import what will be needed, so that no test sees it being imported."""
    way = reports.settings["way"]
    if way not in RECORDED:
        import_module("watch")
        import_module("tracetools.instruments.trio")
    elif way == "record-each":
        import recorded

        recorded.leave()  # only its subprocesses are recorded as a whole


def pytest_runtest_logstart() -> None:
    """Start a recording before the fixtures of a test are set up."""
    if reports.settings["way"] == "record-each":
        sys.modules["recorded"].enter()


def pytest_runtest_logfinish() -> None:
    """End it after they are torn down."""
    if reports.settings["way"] == "record-each":
        sys.modules["recorded"].leave()


def pytest_runtest_teardown() -> None:
    while _unchecked:
        _unchecked.pop().check()
