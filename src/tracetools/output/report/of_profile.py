"""The report of a profile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import GraphFileError
from tracetools.output.answers.of_profile import answers_of
from tracetools.output.answers.source import lines_of
from tracetools.output.flamegraph.amounts import amount_formatter
from tracetools.output.flamegraph.iframe import iframe_of_page
from tracetools.output.flamegraph.marks import marks_of
from tracetools.output.flamegraph.options import GraphOptions, make_options
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.frame_kinds import kinds_of
from tracetools.output.nodes import Nodes
from tracetools.output.report.answering import answer_groups
from tracetools.output.report.figures import Column, make_table, sum_up
from tracetools.output.report.findings import blocking_steps_of, findings_of
from tracetools.output.report.labelled import LabelledTree, clean_label_of
from tracetools.output.report.latencies import latencies_of_page
from tracetools.output.report.lenses import Variant, graphs_with_time, make_variant
from tracetools.output.report.page import Report, write_page
from tracetools.output.report.resources import resources_of
from tracetools.output.report.transforms import (
    all_frames,
    kinds_of_shown,
    own_first,
    variants_of,
)
from tracetools.output.report.tree import Tree, tree_of
from tracetools.output.who_ended import ended_waits

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Unpack

    from tracetools.core.histogram import Histogram
    from tracetools.core.profile import Lens, Profile
    from tracetools.core.stacks import StackPath
    from tracetools.output.flamegraph.options import GraphKeywords
    from tracetools.output.report.figures import Figures

NOTEBOOK_FRAMES: Final = 5_000
"""How many frames all graphs of a notebook's page have at most. Notebooks keep the page in their
file, and become slow with it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_show_time = amount_formatter("ns")


def report_of_profile(profile: Profile, options: GraphOptions) -> str:
    """Return the page of a profile: a graph for each lens that has any time, tables, metadata.

    Counts are nanoseconds, whatever unit and factor the options have. Without a title in the
    options, the title is what was run.
    """
    return write_page(
        make_report(profile, options), nonce=options.nonce, no_javascript=options.no_javascript
    )


def write_report(
    path: str | os.PathLike[str], profile: Profile, **options: Unpack[GraphKeywords]
) -> None:
    """Write the report of a profile to a file, replacing it at once.

    It is one HTML page that needs nothing outside itself. It has a graph for each lens that has any
    time, what stands out, tables of the heaviest tasks and spans and of what blocked the loop, and
    the metadata.

    Args:
        path: the file; its name should end in `.html`.
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
    """Return the report in a frame for a notebook; for a profile without time, a sentence."""
    report = make_report(profile, GraphOptions(max_frames=NOTEBOOK_FRAMES))
    if not report.graphs:
        return "<p>tracetools: an empty profile, in which no time was recorded.</p>"
    return iframe_of_page(write_page(report), title=report.title)


def make_report(profile: Profile, options: GraphOptions) -> Report:
    """Return what the page of a profile shows."""
    graph_options = replace(options, count_name="ns", factor=1)
    nodes = Nodes(profile)
    tree, places = tree_of(nodes)
    own = partial(own_first, kind_of=kinds_of(profile.origins))
    latencies, slow = latencies_of_page(profile)
    return Report(
        title=_title(profile) if options.title is None else options.title,
        about=tuple(_about(profile)),
        answers=(
            *slow,
            *answer_groups(answers_of(profile, lines_of(profile), nodes), profile, own),
        ),
        graphs=graphs_with_time(_variants(profile, tree, options), graph_options, _titles(profile)),
        table=make_table(sum_up(tree, places, nodes, clean_label_of), _columns(profile)),
        metadata=[
            *_metadata(profile, tree),
            *([("Notes", options.notes)] if options.notes else []),
        ],
        findings=findings_of(profile, nodes),
        blocking=blocking_steps_of(profile),
        resources=resources_of(profile),
        latencies=latencies,
        who_ended=ended_waits(profile),
    )


def _title(profile: Profile) -> str:
    return ", ".join(profile.programs) or "tracetools report"


def _about(profile: Profile) -> Iterator[str]:
    """Yield what the title says beside the program: how much, when, which Python."""
    yield f"{_show_time(profile.duration)} recorded"
    if profile.duration:
        busy = profile.busy
        yield f"loop busy {_show_time(busy)} ({100 * busy / profile.duration:.0f} %)"
    yield from filter(None, [", ".join(profile.backends)])
    if profile.pythons:
        yield f"Python {', '.join(profile.pythons)}"
    if profile.start:
        yield _moment(profile.start)


def _titles(profile: Profile) -> dict[Lens, str]:
    """Return what graphs show, where their total alone does not say that."""
    critical = [spans.critical for spans in profile.slow.values()]
    count, lasted = (
        sum(getattr(each, name) for each in critical) for name in ("count", "duration")
    )
    spans = "1 slow span that was" if count == 1 else f"{count:,} slow spans that were"
    return {
        "busy": _busy_title(profile),
        "critical": f"Critical paths of {spans} kept, {_show_time(lasted)} in all",
    }


def _busy_title(profile: Profile) -> str:
    """Return what the graph of busy time shows, for most of it may be waiting for events."""
    busy, whole, beside = map(_show_time, (profile.busy, profile.duration, profile.thread_time))
    in_threads = f", and {beside} in threads" if profile.thread_time else ""
    return f"Busy {busy} of {whole} that loops ran{in_threads}"


def _variants(profile: Profile, tree: Tree, options: GraphOptions) -> list[Variant]:
    """Return what is drawn: stacks with frames of libraries folded, and all if they differ."""
    kind_of = kinds_of(profile.origins)
    kinds = kinds_of_shown(kind_of)
    own, whole = map(LabelledTree, variants_of(tree, kind_of))
    marks_of_own = partial(marks_of, [profile], transform=partial(own_first, kind_of=kind_of))
    marks_of_all = partial(marks_of, [profile], transform=all_frames)
    lenses: tuple[Lens, ...] = ("chain", "critical")
    others = {lens: profile.lens(lens) for lens in lenses}
    of_own, of_all = (
        {lens: _transformed(stacks, transform) for lens, stacks in others.items()}
        for transform in (partial(own_first, kind_of=kind_of), all_frames)
    )
    folded = make_variant(own, kinds, options, marks_of_own, **of_own)
    if own.is_same(whole) and of_own == of_all:
        return [folded]
    return [folded, make_variant(whole, kinds, options, marks_of_all, **of_all)]


def _transformed(
    stacks: Mapping[StackPath, int], transform: Callable[[StackPath], StackPath]
) -> dict[StackPath, int]:
    found: dict[StackPath, int] = {}
    for path, time in stacks.items():
        made = transform(path)
        found[made] = found.get(made, 0) + time
    return found


# -- the table ---------------------------------------------------------------------------------


def _columns(profile: Profile) -> Iterator[tuple[Column, Callable[[Figures], int | None]]]:
    yield _time("Busy, total", "Busy time with all stacks below"), lambda row: row.total
    yield _time("Busy, self", "Busy time without the stacks below"), lambda row: row.busy
    if profile.scheduled_measured:
        yield _time("Scheduled", "Could step, and did not yet"), lambda row: row.scheduled
    yield _time("Idle", "Waiting for something"), lambda row: row.idle
    if profile.thread_time:
        yield _time("Threads", "In worker threads, beside the loop"), lambda row: row.thread
    yield _count("Steps", "Steps that ended here"), lambda row: row.steps
    yield _count("Entries", "Tasks spawned, or spans opened"), lambda row: row.entries
    yield _time("Busy per step", "Busy time of a step, on average"), _busy_per_step


def _time(heading: str, explanation: str) -> Column:
    return Column(heading, explanation, _show_time)


def _count(heading: str, explanation: str) -> Column:
    return Column(heading, explanation, lambda count: f"{count:,}")


def _busy_per_step(row: Figures) -> int | None:
    """Return the busy time of one step on average, in whole nanoseconds."""
    return row.busy // row.steps if row.steps else None


# -- the metadata ------------------------------------------------------------------------------


def _metadata(profile: Profile, tree: Tree) -> Iterator[tuple[str, str]]:
    if profile.programs:
        yield "Programs", ", ".join(profile.programs)
    if profile.backends:
        yield "Backends", ", ".join(profile.backends)
    if profile.start:
        yield "Start", _moment(profile.start)
    yield "Duration", _show_time(profile.duration)
    yield "Loop's own time", _show_time(profile.own)
    if profile.waiting:
        yield "  of it waiting for events", _show_time(profile.waiting)
    if profile.callbacks:
        yield "  of it in callbacks", _show_time(profile.callbacks)
    if profile.collecting:
        yield "Garbage collection", _show_time(profile.collecting)
    yield "Task time", _show_time(profile.task_time)
    if profile.thread_time:
        yield "Thread time", _show_time(profile.thread_time)
    yield "Loops recorded", f"{profile.runs:,}"
    if profile.merged != 1:
        yield "Profiles merged", f"{profile.merged:,}"
    yield "Scheduled time", "measured" if profile.scheduled_measured else "part of the idle time"
    yield from _about_the_loop(profile)
    yield "Stacks", f"{len(profile.stacks):,}{_truncation(profile)}"
    yield "Frames", f"{len(tree.used()):,}"


def _about_the_loop(profile: Profile) -> Iterator[tuple[str, str]]:
    if profile.scheduling_delay.count:
        yield (
            "Scheduling delay",
            _summary(
                profile.scheduling_delay,
                _show_time,
                _show_time(round(profile.scheduling_delay.mean)),
            ),
        )
    if profile.queue.count:
        yield (
            "Queue length",
            _summary(profile.queue, "{:,}".format, f"{profile.queue.mean:,.1f}"),
        )
    if profile.blocking_threshold is not None:
        yield "Blocking threshold", _threshold(profile, profile.blocking_threshold)
    if profile.samples:
        by_thread = profile.samples_by_thread
        more = f", {by_thread:,} of them by a thread that needs the GIL" if by_thread else ""
        yield "Samples of functions", f"{profile.samples:,}{more}"
    if profile.untracked:
        yield "Untracked tasks", f"{profile.untracked:,}"
    if profile.not_kept:
        yield "Slow spans that were not kept", f"{profile.not_kept:,}"
    if profile.forks:
        yield "Forked processes, not recorded", f"{profile.forks:,}"


def _summary(histogram: Histogram, show: Callable[[int], str], mean: str) -> str:
    """Return the main numbers of a histogram. Lines break between them, not within them."""
    numbers = {
        "mean": mean,
        "p50": show(histogram.quantile(0.5)),
        "p99": show(histogram.quantile(0.99)),
        "max": show(histogram.max),
        "count": f"{histogram.count:,}",
    }
    return ", ".join(f"{name} {number}".replace(" ", "\u00a0") for name, number in numbers.items())


def _threshold(profile: Profile, threshold: int) -> str:
    longer = sum(blocks.count for blocks in profile.blocking.values())
    steps = "1 step" if longer == 1 else f"{longer:,} steps"
    return f"{_show_time(threshold)}, exceeded by {steps}"


def _truncation(profile: Profile) -> str:
    return ", truncated: (deeper) and (other) have the rest" if profile.truncated else ""


def _moment(nanoseconds: int) -> str:
    """Return a moment in ISO 8601, UTC; where the calendar ends, in nanoseconds."""
    try:
        moment = _EPOCH + timedelta(seconds=nanoseconds // 10**9)
    except OverflowError:
        return f"{nanoseconds} ns after 1970"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
