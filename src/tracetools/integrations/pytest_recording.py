"""Records tests, each by itself: the call of a test, between its set-up and its tear-down.

What fixtures do before and after is not in it. What they leave running is: the tasks of a loop
that several tests share are followed from the test's begin on. pytest-trio sets fixtures up in the
run of the test, so there they are.

Nothing of ours fails a test but the marker. What goes wrong is one warning.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from tracetools.core.errors import TracetoolsError
from tracetools.core.native import native
from tracetools.integrations.file_names import file_name
from tracetools.integrations.pytest_blocking import complaint, limit_of, longest_block, most_blocked
from tracetools.integrations.pytest_names import MARKER
from tracetools.integrations.pytest_summary import Figures, summary
from tracetools.session.options import Options
from tracetools.session.record import Record
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tracetools.core.profile import Profile

__all__ = ["PLUGIN", "TestRecorder", "recorder_of"]

PLUGIN: Final = "tracetools-recording"
"""The name by which pytest knows what records."""

_ATTRIBUTE: Final = "tracetools"
"""The attribute of a test's report with its figures. xdist sends it to the controller."""

_IGNORED: Final = ".gitignore"

_BLOCKING: Final = 0.1
"""Seconds from which on a step is told of as blocking in reports, if no marker says less."""

_figures: Final = pytest.StashKey[dict[str, Any] | None]()


def recorder_of(config: pytest.Config) -> TestRecorder:
    """Return what records the tests of a run.

    Raises:
        pytest.UsageError: reports cannot be written where they are to go.
    """
    given = config.getoption("tracetools")
    if given is None:
        return TestRecorder(config, None)
    folder = config.invocation_params.dir / given
    config.option.tracetools = str(folder)  # for the workers of xdist
    try:
        is_new = _make_folder(folder)
    except OSError as error:
        raise pytest.UsageError(
            f"--tracetools: no report can be written to {folder}: {error.strerror or error}"
        ) from None
    return TestRecorder(config, folder, is_new=is_new)


def _make_folder(folder: Path) -> bool:
    """Make a folder that version control leaves alone, and see that it can be written to.

    Returns:
        Whether there was none.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if is_new:
        (folder / _IGNORED).write_text("*\n", encoding="ascii")
    probe = folder / ".probe"
    probe.touch()
    probe.unlink(missing_ok=True)
    return is_new


class _Messages:
    """Takes what a recording says. The program's log is the test's to look at, so it has none."""

    def __init__(self) -> None:
        self.error_text = ""

    def warning(self, text: str, /, *values: object) -> None:
        """Leave it out: the report has it."""

    def error(self, text: str, /, *values: object, exc_info: Any = None) -> None:  # noqa: ARG002
        """Keep the first one."""
        self.error_text = self.error_text or text % values

    def exception(self, text: str, /, *values: object) -> None:
        """Keep the first one."""
        self.error(text, *values)


class TestRecorder:
    """Records the tests of a run, and sums them up at its end.

    Args:
        config: of the run.
        folder: where reports go; None if there are none.
        is_new: whether the folder was made for it.
    """

    __test__ = False

    def __init__(self, config: pytest.Config, folder: Path | None, *, is_new: bool = False) -> None:
        self._config = config
        self._here = str(config.invocation_params.dir)
        self._is_new = is_new
        self._folder = folder
        self._is_worker = hasattr(config, "workerinput")
        self._tests: dict[str, Figures] = {}
        self._has_warned = False

    # -- hooks -------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Record a test; let it fail by its marker, unless it has failed already."""
        seconds = _checked_limit_of(item)
        if self._folder is None and seconds is None:
            return (yield)
        item.stash[_figures] = None
        begun = self._begin(item, seconds)
        profile = None
        try:
            result = yield
        finally:
            if begun is not None:
                profile = self._end(item, *begun)
        if seconds is not None and profile is not None:
            self._judge(item, profile, seconds)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[Any]
    ) -> Generator[None, Any, Any]:
        """Give the figures of a test to its report, which may travel to another process."""
        report = yield
        figures = item.stash.get(_figures, None)
        if call.when == "call" and figures is not None:
            setattr(report, _ATTRIBUTE, figures)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the figures of a test, of this process or of a worker's."""
        figures = getattr(report, _ATTRIBUTE, None)
        if figures is not None and not self._is_worker:
            self._tests[report.nodeid] = Figures(**figures)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Sum the tests up, if reports are wanted and any test had a loop."""
        if self._folder is None or not self._tests:
            return
        folder = _shown_path(self._folder, self._config.invocation_params.dir)
        terminalreporter.section("tracetools")
        width = self._config.get_terminal_writer().fullwidth
        for line in summary(list(self._tests.values()), folder, width):
            terminalreporter.line(line)

    def pytest_unconfigure(self) -> None:
        """Remove the folder for reports, if there are none and it was made here."""
        if self._is_new and self._folder is not None and not self._tests:
            with suppress(OSError):
                (self._folder / _IGNORED).unlink(missing_ok=True)
                self._folder.rmdir()

    # -- what they do ------------------------------------------------------------------------------

    def _begin(
        self, item: pytest.Item, seconds: float | None
    ) -> tuple[Record, Recording, _Messages] | None:
        """Record from now on."""
        messages = _Messages()
        options = Options(
            scheduled=True,
            functions=native is not None,
            blocking=min(_BLOCKING, seconds or _BLOCKING),
            flush_interval=None,
        )
        try:
            recording = Recording(None, options, closes=True, messages=messages)
            record = Record(recording)
            record.follow()
            record.join_guest_run()
        except Exception as error:  # noqa: BLE001  # the test comes first
            self._warn(item, error)
            return None
        return record, recording, messages

    def _end(
        self, item: pytest.Item, record: Record, recording: Recording, messages: _Messages
    ) -> Profile | None:
        """Record no more, and write the report."""
        try:
            record.__exit__(None, None, None)
            if messages.error_text:
                self._warn(item, messages.error_text)
            profile = replace(recording.profile, programs=(item.nodeid,))
            if profile.runs:
                figures = item.stash[_figures] = self._keep(item, profile)
                if not self._is_worker:  # one that is interrupted is not reported by pytest
                    self._tests[item.nodeid] = Figures(**figures)
        except Exception as error:  # noqa: BLE001  # likewise
            self._warn(item, error)
            return None
        return profile

    def _keep(self, item: pytest.Item, profile: Profile) -> dict[str, Any]:
        """Write the report of a test, and return its figures."""
        file = ""
        if self._folder is not None:
            from tracetools.output.report.of_profile import write_report  # noqa: PLC0415  # dear

            file = file_name(item.nodeid)
            write_report(self._folder / file, profile)
        return Figures.of(item.nodeid, file, profile, most_blocked(profile, self._here))._asdict()

    def _judge(self, item: pytest.Item, profile: Profile, seconds: float) -> None:
        """Let a test fail that has blocked its loop."""
        if not profile.runs:
            item.warn(
                pytest.PytestWarning(
                    f"{item.name}: {MARKER}({seconds:g}) has nothing to measure:"
                    " no event loop ran in the test"
                )
            )
            return
        blocked = longest_block(profile, seconds, self._here)
        if blocked is not None:
            pytest.fail(complaint(item.name, blocked, seconds), pytrace=False)

    def _warn(self, item: pytest.Item, error: Exception | str) -> None:
        """Say once that a test could not be recorded; never by an error, whatever the filters."""
        if self._has_warned:
            return
        self._has_warned = True
        why = error if isinstance(error, str | TracetoolsError) else repr(error)
        path, line, _ = item.location
        message = warnings.WarningMessage(
            pytest.PytestWarning(f"tracetools could not record {item.nodeid}: {why}"),
            pytest.PytestWarning,
            path,
            (line or 0) + 1,
        )
        item.ihook.pytest_warning_recorded.call_historic(
            kwargs={
                "warning_message": message,
                "nodeid": item.nodeid,
                "when": "runtest",
                "location": None,
            }
        )


def _checked_limit_of(item: pytest.Item) -> float | None:
    """Return the seconds of the test's marker; a test whose marker is wrong fails."""
    try:
        return limit_of(item)
    except pytest.UsageError as error:
        pytest.fail(str(error), pytrace=False)


def _shown_path(folder: Path, here: Path) -> str:
    try:
        return folder.relative_to(here).as_posix()
    except ValueError:
        return str(folder)
