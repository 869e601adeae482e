"""The pytest plugin: its options, its marker and its fixture.

pytest imports this wherever tracetools is installed. So it imports nothing but pytest: what records
tests is imported when an option or a marker asks for it.
"""

from __future__ import annotations

import copy
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tracetools.integrations.pytest_names import FOLDER, MARKER

if TYPE_CHECKING:
    from pathlib import Path

    from tracetools.session.instrument import FlamegraphInstrument

_OPTION: Final = "--tracetools"
_HELP: Final = f"""\
Record each test that runs an event loop, of trio, anyio, asyncio or uvloop, and write an HTML
report of it to DIR (default: {FOLDER}). A report has what the loop did in the test itself. Of
fixtures, it has what runs meanwhile: with pytest-trio, their set-up and tear-down as well."""
_MARKER_LINE: Final = (
    f"{MARKER}(seconds): fail the test if one step blocks its event loop for longer, and name the"
    " line; times in which the process was stopped, or had no processor, do not count."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our option."""
    group = parser.getgroup("tracetools", "where the time of tests goes (tracetools)")
    group.addoption(
        _OPTION, nargs="?", const=FOLDER, metavar="DIR", help=_HELP, default=None, dest="tracetools"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Let ``pytest --tracetools tests`` run the tests in ``tests``.

    By itself, an option that may have a value takes the next word for it.
    """
    if _OPTION in args:
        args[:] = [f"{_OPTION}={FOLDER}" if word == _OPTION else word for word in args]
        early_config.known_args_namespace = parser.parse_known_args(
            args, namespace=copy.copy(early_config.option)
        )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker, and record all tests if the option is given.

    A recording of the whole run, as by `tracetools run -m pytest`, gets spans of tests.
    """
    config.addinivalue_line("markers", _MARKER_LINE)
    if config.getoption("tracetools") is not None:
        _record_tests(config)
    outer_spans = sys.modules.get("tracetools.recording.outer_spans")
    if outer_spans is not None and outer_spans.are_wanted():
        from tracetools.integrations.pytest_spans import TestSpans  # noqa: PLC0415  # see above

        config.pluginmanager.register(TestSpans(), "tracetools-spans")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers, and record the tests that have one.

    Raises:
        pytest.UsageError: a marker has wrong arguments.
    """
    if marked := [item for item in items if item.get_closest_marker(MARKER) is not None]:
        from tracetools.integrations.pytest_blocking import limit_of  # noqa: PLC0415  # see above

        if not hasattr(config, "workerinput"):  # a worker of xdist would crash: its test fails
            marked = [item for item in marked if limit_of(item) is not None]
        if marked:
            _record_tests(config)


def _record_tests(config: pytest.Config) -> None:
    """Have tests recorded from now on."""
    from tracetools.integrations.pytest_recording import PLUGIN, recorder_of  # noqa: PLC0415

    if not config.pluginmanager.has_plugin(PLUGIN):
        config.pluginmanager.register(recorder_of(config), PLUGIN)


@pytest.fixture
def flamegraph_instrument(tmp_path: Path) -> FlamegraphInstrument:
    """Record the trio run of a test, as pytest-trio gives it every instrument that a fixture is.

    Its ``profile`` can be asked for in the test. The stack file is ``stack.folded`` in the
    ``tmp_path`` of the test. Busy time is divided over functions, where the native core is.
    """
    from tracetools.core.native import native  # noqa: PLC0415  # see above
    from tracetools.session.instrument import FlamegraphInstrument  # noqa: PLC0415  # imports trio

    return FlamegraphInstrument(
        tmp_path / "stack", functions=native is not None, flush_interval=None
    )
