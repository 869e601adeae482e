"""The report of a profile, which knows all there is to know.

What may live here: a `Profile` to a `Report`. What must not: markup.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import GraphFileError
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.iframe import iframe_of_page
from tracetools.output.flamegraph.marks import marks_of
from tracetools.output.flamegraph.options import GraphOptions, make_options
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.report.figures import Column, Figures, clean_stacks, make_table, sum_up
from tracetools.output.report.lenses import ORDER, graphs_with_time
from tracetools.output.report.notices import holds_of, notices_of
from tracetools.output.report.page import Report, write_page

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from typing_extensions import Unpack

    from tracetools.core.histogram import Spread
    from tracetools.core.labels import LabelPath
    from tracetools.core.profile import Lens, Profile
    from tracetools.core.stacks import StackPath
    from tracetools.output.flamegraph.options import GraphKeywords
    from tracetools.output.report.figures import Table

NOTEBOOK_FRAMES: Final = 5_000
"""How many frames a notebook's page draws at most, in all graphs together: notebooks keep the page
in their file, and grow slow with it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_show_time = amount_formatter("ns")


def report_of_profile(profile: Profile, options: GraphOptions) -> str:
    """Give the page of a profile: all lenses that have any time, a table, and the metadata.

    Counts are nanoseconds, whatever unit and factor the options name. Without a title in the
    options, it is what was run.
    """
    return write_page(
        make_report(profile, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def write_report(
    path: str | os.PathLike[str], profile: Profile, **options: Unpack[GraphKeywords]
) -> None:
    """Write the report of a profile to a file, replacing it at once.

    It is one HTML page that needs nothing outside itself: a graph for each lens that has any time,
    what stands out, tables of the heaviest tasks and spans and of what held the loop, and the
    metadata.

    Args:
        path: the file; by convention its name ends in `.html`.
        profile: what was recorded.
        **options: those of `Flamegrapher`, for all graphs; `title` is the page's.

    Raises:
        GraphFileError: the file cannot be written; what was there before is untouched.
        TypeError: there is no such option.
        ValueError: an option has a value that makes no sense.
    """
    text = report_of_profile(profile, make_options(options))
    try:
        write_atomically(Path(path), text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write report {path}: {explain(error)}") from error


def notebook_of_profile(profile: Profile) -> str:
    """Give the report in a frame for a notebook; of a profile without time, a sentence."""
    report = make_report(profile, GraphOptions(max_frames=NOTEBOOK_FRAMES))
    if not report.graphs:
        return "<p>tracetools: an empty profile, in which no time was recorded.</p>"
    return iframe_of_page(write_page(report), title=report.title)


def make_report(profile: Profile, options: GraphOptions) -> Report:
    """Say what the page of a profile shows."""
    labels = clean_stacks(profile.stacks)
    stacks_of = {name: _seen(profile, name, labels) for name in ORDER}
    return Report(
        title=_title(profile) if options.title is None else options.title,
        graphs=graphs_with_time(
            stacks_of,
            replace(options, count_name="ns", factor=1),
            {name: marks_of([profile], name) for name in ORDER},
        ),
        table=_table(profile, labels),
        metadata=[*_metadata(profile), *([("Notes", options.notes)] if options.notes else [])],
        notices=notices_of(profile),
        holds=holds_of(profile),
    )


def _title(profile: Profile) -> str:
    return ", ".join(profile.programs) or "tracetools report"


def _seen(profile: Profile, lens: Lens, labels: dict[StackPath, LabelPath]) -> dict[LabelPath, int]:
    """Give a lens by label. The leaves of the lens `task` are no stacks of the profile."""
    seen: dict[LabelPath, int] = defaultdict(int)
    for path, time in profile.lens(lens).items():
        stack = labels.get(path)
        if stack is None:
            stack = labels[path[:-1]] + (path[-1].label,)
        seen[stack] += time
    return dict(seen)


# -- the table ---------------------------------------------------------------------------------


def _table(profile: Profile, labels: dict[StackPath, LabelPath]) -> Table:
    figures = sum_up(
        (
            labels[path],
            Figures(
                busy=times.busy,
                scheduled=times.scheduled,
                idle=times.idle,
                thread=times.thread,
                steps=times.steps,
                entries=times.entries,
            ),
        )
        for path, times in profile.stacks.items()
    )
    return make_table(figures, _columns(profile))


def _columns(profile: Profile) -> Iterator[tuple[Column, Callable[[Figures], int | None]]]:
    yield _time("Busy, all", "Busy time with what stands below"), lambda row: row.whole
    yield _time("Busy", "Busy time of its own, without what stands below"), lambda row: row.busy
    if profile.scheduled_measured:
        yield _time("Scheduled", "Waiting for a turn"), lambda row: row.scheduled
    yield _time("Idle", "Waiting for something"), lambda row: row.idle
    if profile.thread_time:
        yield _time("Threads", "In worker threads, beside the loop"), lambda row: row.thread
    yield _count("Steps", "Steps that ended here"), lambda row: row.steps
    yield _count("Entries", "Tasks spawned, or spans opened"), lambda row: row.entries
    yield _time("Busy a step", "Busy time by steps, on average"), _busy_a_step


def _time(heading: str, explanation: str) -> Column:
    return Column(heading, explanation, _show_time)


def _count(heading: str, explanation: str) -> Column:
    return Column(heading, explanation, lambda count: f"{count:,}")


def _busy_a_step(row: Figures) -> int | None:
    """Divide the own busy time by the steps, in whole nanoseconds."""
    return row.busy // row.steps if row.steps else None


# -- the metadata ------------------------------------------------------------------------------


def _metadata(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.programs:
        yield "Programs", ", ".join(profile.programs)
    if profile.backends:
        yield "Backends", ", ".join(profile.backends)
    if profile.start:
        yield "Start", _moment(profile.start)
    yield "Duration", _show_time(profile.duration)
    yield "Loop's own waiting and overhead", _show_time(profile.waiting)
    yield "Task time", _show_time(profile.task_time)
    if profile.thread_time:
        yield "Thread time", _show_time(profile.thread_time)
    yield "Loops recorded", f"{profile.runs:,}"
    if profile.merged != 1:
        yield "Profiles merged", f"{profile.merged:,}"
    yield "Scheduled time", "measured" if profile.scheduled_measured else "part of the idle time"
    yield from _about_the_loop(profile)
    yield "Stacks", f"{len(profile.stacks):,}{_truncation(profile)}"
    yield "Frames", f"{len({frame for path in profile.stacks for frame in path}):,}"


def _about_the_loop(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.lateness.count:
        yield (
            "How late tasks ran",
            _spread(profile.lateness, _show_time, _show_time(round(profile.lateness.mean))),
        )
    if profile.queue.count:
        yield (
            "How long the queue was",
            _spread(profile.queue, "{:,}".format, f"{profile.queue.mean:,.1f}"),
        )
    if profile.blocking_limit is not None:
        yield "Blocking limit", _limit(profile, profile.blocking_limit)
    if profile.samples:
        yield "Looks at functions", f"{profile.samples:,}"
    if profile.unseen:
        yield "Tasks not followed", f"{profile.unseen:,}"


def _spread(spread: Spread, show: Callable[[int], str], mean: str) -> str:
    """Give how a quantity is spread. Lines break between numbers, not within them."""
    numbers = {
        "mean": mean,
        "p50": show(spread.quantile(0.5)),
        "p99": show(spread.quantile(0.99)),
        "max": show(spread.worst),
        "count": f"{spread.count:,}",
    }
    return ", ".join(f"{name} {number}".replace(" ", "\u00a0") for name, number in numbers.items())


def _limit(profile: Profile, limit: int) -> str:
    longer = sum(blocks.count for blocks in profile.blocking.values())
    steps = "1 step" if longer == 1 else f"{longer:,} steps"
    return f"{_show_time(limit)}, exceeded by {steps}"


def _truncation(profile: Profile) -> str:
    return ", truncated: (deeper) and (other) stand for more" if profile.truncated else ""


def _moment(nanoseconds: int) -> str:
    """Give a moment in ISO 8601, UTC, or as it is if no calendar has it."""
    try:
        moment = _EPOCH + timedelta(seconds=nanoseconds // 10**9)
    except OverflowError:
        return f"{nanoseconds} ns after 1970"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
