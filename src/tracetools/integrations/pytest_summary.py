"""What the terminal shows of all tests at the end of a run: at most a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.output.lints import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tracetools.core.profile import Profile
    from tracetools.integrations.pytest_blocking import Blocked

__all__ = ["Figures", "summary"]

_LEAST: Final = 1_000_000
"""Nanoseconds. What took less is not listed."""


class Figures(NamedTuple):
    """What is known of a test, in values that can be sent to another process.

    Attributes:
        test: its id.
        file: the name of its report; empty if there is none.
        busy: for how long its loops stepped tasks, in nanoseconds.
        blocked: for how long they were blocked in all, in nanoseconds.
        steps: how many steps did that.
        where: the line that blocked them most, with its text.
        delay: the longest scheduling delay, in nanoseconds.
    """

    test: str
    file: str
    busy: int
    blocked: int = 0
    steps: int = 0
    where: str = ""
    delay: int = 0

    @classmethod
    def of(cls, test: str, file: str, profile: Profile, blocked: Blocked | None) -> Figures:
        """Return those of a profile."""
        delay = profile.scheduling_delay.max if profile.scheduling_delay.count else 0
        if blocked is None:
            return cls(test, file, profile.busy, delay=delay)
        return cls(test, file, profile.busy, blocked.total, blocked.steps, blocked.where, delay)


def summary(tests: Sequence[Figures], folder: str, width: int = 80) -> Iterator[str]:
    """Yield the lines: three lists, and the files of the tests in them.

    Names are shown whole. The text of a line of code ends where the terminal does.
    """
    listed: dict[str, Figures] = {}
    for heading, most, value, more in _LISTS:
        heaviest = sorted(tests, key=lambda test: (-value(test), test.test))[:most]
        found = [test for test in heaviest if value(test) >= _LEAST]
        if found:
            yield heading
        for test in found:
            listed[test.file] = test
            yield f"{amount(value(test)):>10}  {test.test}"
            yield from (
                line if len(line) <= width else f"{line[: width - 3]}..." for line in more(test)
            )
    reports = "1 report" if len(tests) == 1 else f"{len(tests):,} reports"
    yield f"{reports} in {folder}{':' * bool(listed)}"
    for file in listed:
        yield f"  {file}"


def _busy(test: Figures) -> int:
    return test.busy


def _blocked(test: Figures) -> int:
    return test.blocked


def _delay(test: Figures) -> int:
    return test.delay


def _line_at_fault(test: Figures) -> Iterator[str]:
    steps = "1 step" if test.steps == 1 else f"{test.steps:,} steps"
    yield f"{'':>10}  {steps}, at {test.where}"


def _nothing(_: Figures) -> Iterator[str]:
    yield from ()


_LISTS: Final[
    Sequence[tuple[str, int, Callable[[Figures], int], Callable[[Figures], Iterator[str]]]]
] = (
    ("Slowest, by busy time", 3, _busy, _nothing),
    ("Most blocked", 3, _blocked, _line_at_fault),
    ("Longest scheduling delay", 2, _delay, _nothing),
)
"""The heading of each list, how many tests it has, what they are sorted by, and what follows."""
