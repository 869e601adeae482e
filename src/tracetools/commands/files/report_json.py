"""The JSON of `tracetools report --json`. Its keys stay the same from version to version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.output.answers.of_profile import answers_of
from tracetools.output.answers.source import lines_of
from tracetools.output.latencies import latencies_of
from tracetools.output.lints import find_lints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tracetools.commands.terminal.stack_rows import Row
    from tracetools.core.profile import Profile
    from tracetools.core.stacks import StackPath
    from tracetools.output.answers.data import Answer, Group
    from tracetools.output.latencies import Latency

__all__ = ["VERSION", "about_json", "answers_json"]

VERSION: Final = 1


def about_json(profile: Profile, *, unit: str, is_profile: bool) -> dict[str, Any]:
    """Return what was recorded, the totals and both laws.

    - ``tracetools-report``: 1, the version of these keys.
    - ``kind``: ``profile`` or ``stacks``.
    - ``unit``: of all amounts: ``ns``, or what folded stacks count, such as ``samples``.
    - ``programs``, ``backends``, ``pythons``, ``start``: what ran, and when (nanoseconds since the
      Unix epoch).
    - ``totals``: ``duration``, ``busy``, ``own`` (of the loop), ``waiting`` (of the loop),
      ``task_time``, ``idle``, ``scheduled``, ``thread_time``, ``runs``, ``merged``, ``samples``.
    - ``laws``: ``loop`` and ``tasks``, each with ``parts``, ``whole`` and ``holds``.
    """
    return {
        "tracetools-report": VERSION,
        "kind": "profile" if is_profile else "stacks",
        "unit": unit,
        "programs": [*profile.programs],
        "backends": [*profile.backends],
        "pythons": [*profile.pythons],
        "start": profile.start,
        "totals": _totals(profile),
        "laws": _laws(profile),
    }


def answers_json(profile: Profile, rows: Iterable[Row]) -> dict[str, Any]:
    """Return the answers, the lints and the table; of the stacks that a filter has left.

    - ``answers``: ``blocks``, ``waits``, ``computes`` and ``late``, each with ``heading``,
      ``whole``, ``of_what``, ``note``, and the lists ``answers`` and ``quiet``. An answer has
      ``kind``, ``file``, ``line``, ``function``, ``what``, ``for_whom``, ``total``, ``max``,
      ``count``, ``share``, ``is_own``, ``sentence`` and ``stacks``, the heaviest of them.
    - ``lints``: a list, each with ``kind``, ``finding``, ``why``, ``remedy``, ``weight``,
      ``stack``.
    - ``resources``: a list of locks, limiters and queues, each with ``name``, ``kind``, ``file``,
      ``line``, ``function``, ``is_made``, the numbers of `ResourceUse`, ``saturation``,
      ``mean_length``, and the lists ``holds``, ``waits``, ``blockers`` and ``getters``: rows with
      ``stack`` and the numbers of `Holds` or `Waits`, those with the longest total first. A filter
      leaves those that a matching stack has used, with all their numbers.
    - ``edges``: who has ended which waits, a list with the longest total first, each with
      ``waiter``, the stack that waited; ``by``: ``task``, ``callback``, ``timer``, ``thread``,
      ``loop``, or null; ``waker``, the stack of who did; ``function``, ``file`` and ``line`` at
      which that was; ``count``, ``total`` and ``max``. Those of a stack add up to its idle time.
    - ``table``: a list of rows with ``frame``, ``file``, ``line``, ``total``, ``self``, ``idle``,
      ``scheduled``, ``thread``, ``steps`` and ``entries``.
    - ``latencies``: a list for spans and tasks, each with ``frame``, ``file``, ``line``, ``count``,
      ``mean``, ``p50``, ``p90``, ``p99``, ``max``, and ``parts``: what was done in it and in the
      tasks below it, each with ``what``, ``time`` and ``share``. ``slow`` is null, or has of the
      slow spans that were kept ``count``, ``duration``, ``parts`` of that, ``explained``: the parts
      of the critical path by what each ends with, ``children`` and ``threads`` (how much of the
      waiting was for them), and ``critical``: the critical path with ``stack`` and ``time``, and
      ``savings``: how much less all would take at most without a frame.
    """
    answers = answers_of(profile, lines_of(profile))
    return {
        "answers": {group.name: _group(group) for group in answers},
        "lints": _lints(profile),
        "resources": _resources(profile),
        "edges": _edges(profile),
        "table": [_row(row) for row in rows],
        "latencies": [_latency(each) for each in latencies_of(profile)],
    }


def _totals(profile: Profile) -> dict[str, int]:
    return {
        "duration": profile.duration,
        "busy": profile.busy,
        "own": profile.own,
        "waiting": profile.waiting,
        "task_time": profile.task_time,
        "idle": sum(times.idle for times in profile.stacks.values()),
        "scheduled": sum(times.scheduled for times in profile.stacks.values()),
        "thread_time": profile.thread_time,
        "runs": profile.runs,
        "merged": profile.merged,
        "samples": profile.samples,
    }


def _laws(profile: Profile) -> dict[str, Any]:
    waited = sum(times.idle + times.scheduled for times in profile.stacks.values())
    return {
        "loop": _law([profile.busy, profile.own], profile.duration),
        "tasks": _law([profile.busy, waited], profile.task_time),
    }


def _law(parts: list[int], whole: int) -> dict[str, Any]:
    return {"parts": parts, "whole": whole, "holds": sum(parts) == whole}


def _group(group: Group) -> dict[str, Any]:
    return {
        "heading": group.heading,
        "whole": group.whole,
        "of_what": group.of_what,
        "note": group.note,
        "answers": [_answer(answer) for answer in group.answers],
        "quiet": [_answer(answer) for answer in group.quiet],
    }


def _answer(answer: Answer) -> dict[str, Any]:
    names = ("kind", "file", "line", "function", "what", "total", "max", "count", "share")
    return {
        **{name: getattr(answer, name) for name in names},
        "for_whom": [*answer.for_whom],
        "is_own": answer.is_own,
        "sentence": answer.sentence,
        "stacks": [_stack(path) for path in answer.paths],
    }


def _lints(profile: Profile) -> list[dict[str, Any]]:
    return [
        {
            "kind": lint.kind,
            "finding": lint.finding,
            "why": lint.why,
            "remedy": lint.remedy,
            "weight": lint.weight,
            "stack": None if lint.path is None else _stack(lint.path),
        }
        for lint in find_lints(profile).shown
    ]


def _resources(profile: Profile) -> list[dict[str, Any]]:
    return [
        {
            "name": resource.label,
            "kind": resource.kind,
            "file": resource.place.file or None,
            "line": resource.place.line,
            "function": resource.place.name,
            "is_made": resource.is_made,
            **{name: getattr(use, name) for name in _NUMBERS},
            "saturation": use.saturation,
            "mean_length": use.mean_length,
            "longest": use.lengths.max,
            **{name: _rows_by_path(getattr(use, name)) for name in _TABLES},
        }
        for resource, use in sorted(
            profile.resources.items(), key=lambda item: (-item[1].waited.total, item[0])
        )
    ]


def _edges(profile: Profile) -> list[dict[str, Any]]:
    rows = [
        {
            "waiter": _stack(edge.waiter),
            "by": edge.by,
            "waker": _stack(edge.waker),
            "function": None if edge.line is None else edge.line.name,
            "file": None if edge.line is None else edge.line.file,
            "line": None if edge.line is None else edge.line.line,
            **waited._asdict(),
        }
        for edge, waited in profile.edges.items()
    ]
    return sorted(
        rows,
        key=lambda row: (-row["total"], row["waiter"], row["waker"], row["by"] or "", str(row)),
    )


_NUMBERS: Final = (
    *("count", "size", "lived", "saturated", "most_waiting"),
    *("length_time", "items", "taken"),
)
_TABLES: Final = ("holds", "waits", "blockers", "getters")


def _rows_by_path(rows: Mapping[StackPath, Any]) -> list[dict[str, Any]]:
    ordered = sorted(rows.items(), key=lambda item: (-item[1].total, _stack(item[0])))
    return [{"stack": _stack(path), **row._asdict()} for path, row in ordered]


def _row(row: Row) -> dict[str, Any]:
    frame, *numbers = row
    named = dict(zip(row._fields[1:], numbers, strict=True))
    return {"frame": frame.name, "file": frame.file or None, "line": frame.line, **named}


def _latency(latency: Latency) -> dict[str, Any]:
    frame, histogram = latency.frame, latency.histogram
    quantiles = {f"p{part}": histogram.quantile(part / 100) for part in (50, 90, 99)}
    return {
        "frame": frame.name,
        "file": frame.file or None,
        "line": frame.line,
        "count": histogram.count,
        "mean": round(histogram.mean),
        **quantiles,
        "max": histogram.max,
        "parts": [part._asdict() for part in latency.parts],
        "slow": _slow(latency) if latency.slow.breakdown.count else None,
    }


def _slow(latency: Latency) -> dict[str, Any]:
    told, critical = latency.slow
    by_time = sorted(critical.shares.items(), key=lambda each: (-each[1], _stack(each[0])))
    savings = sorted(critical.savings.items(), key=lambda each: (-each[1], each[0].label))
    return {
        "count": told.count,
        "duration": told.duration,
        "parts": [part._asdict() for part in latency.slow_parts],
        "explained": [part._asdict() for part in latency.critical_parts],
        "children": told.children,
        "threads": told.threads,
        "critical": [{"stack": _stack(path), "time": time} for path, time in by_time],
        "savings": [{"frame": frame.label, "time": time} for frame, time in savings],
    }


def _stack(path: StackPath) -> list[str]:
    return [frame.label for frame in path]
