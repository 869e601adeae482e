"""What tools say of `slow_shop.py`, read into one form: for each cause, seconds that it took."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from tracetools.output.formats.profile_json import read_profile

CAUSES: Final = {
    "pool": ("Shop.query", "Semaphore.acquire"),
    "lock": ("Shop.reserve", "Lock.acquire"),
    "limiter": ("Shop.quote", "Semaphore.acquire"),
    "child": ("Shop.review",),
}
"""The functions that a stack has where a task waits for that reason."""
INTERVAL: Final = 0.001
"""Seconds between two samples of `profiling.sampling`."""

Seconds = dict[str, float]


def causes_of(names: Iterable[str]) -> list[str]:
    """Return the causes for which a task with such a stack waits."""
    text = " ".join(names)
    return [
        cause
        for cause, functions in CAUSES.items()
        if all(re.search(rf"\b{re.escape(function)}\b", text) for function in functions)
    ]


def of_tracetools(path: Path) -> Seconds:
    """Read waits for resources, and what a kept span would save without the slow child."""
    profile = read_profile(path)
    found: Seconds = Counter()
    for resource, use in profile.resources.items():
        for stack, waits in use.waits.items():
            names = [*(frame.name for frame in stack), f"{resource.kind}.acquire"]
            for cause in causes_of(names):
                found[cause] += waits.total / 1e9
    for spans in profile.slow.values():
        for frame, saved in spans.critical.savings.items():
            if frame.name == "Shop.review":
                found["child"] = saved / spans.critical.count / 1e9
    return found


def of_samples(path: Path) -> Seconds:
    """Read collapsed stacks that count samples."""
    found: Seconds = Counter()
    for line in path.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        for cause in causes_of(frames.split(";")):
            found[cause] += int(count) * INTERVAL
    return found


# ------------------------------------------------------------------------------------- viztracer


def of_viztracer(path: Path) -> Seconds:
    """Read the gaps in the tracks of tasks: the stack that is resumed says what was awaited."""
    tracks: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in json.loads(path.read_text())["traceEvents"]:
        if event["ph"] == "X":
            tracks[event["tid"]].append(event)
    found: Seconds = Counter()
    for events in tracks.values():
        events.sort(key=lambda event: (event["ts"], -event["dur"]))
        for stack, gap in _resumed(events):
            for cause in causes_of(stack):
                found[cause] += gap / 1e6
    return found


def _resumed(events: Sequence[dict[str, Any]]) -> Iterator[tuple[list[str], float]]:
    """Yield the stack of each step but the first, and the time since the step before."""
    steps: list[list[dict[str, Any]]] = []
    end = 0.0
    for event in events:
        if not steps or event["ts"] >= end:
            steps.append([])
            end = event["ts"] + event["dur"]
        steps[-1].append(event)
    for before, step in pairwise(steps):
        yield _first_stack(step), step[0]["ts"] - before[0]["ts"] - before[0]["dur"]


def _first_stack(step: Sequence[dict[str, Any]]) -> list[str]:
    """Return what runs first in a step, down to the first call that ends."""
    stack = [step[0]]
    for event in step[1:]:
        if event["ts"] >= stack[-1]["ts"] + stack[-1]["dur"]:
            break
        stack.append(event)
    return [event["name"] for event in stack]


# ----------------------------------------------------------------------------------------- pprof


class Sample(NamedTuple):
    """One sample of a pprof profile: its stack, root first, its values and its labels."""

    stack: list[str]
    values: dict[str, int]
    labels: dict[str, str]


def of_locks(data: bytes) -> Seconds:
    """Read how long a lock profile says that locks were waited for."""
    found: Seconds = Counter()
    for sample in samples_of(data):
        waited = sample.values.get("lock-acquire-wait", 0)
        name = sample.labels.get("lock name", "").rpartition(":")[2]
        if waited and name in CAUSES:
            found[name] += waited / 1e9
    return found


def of_wall(data: bytes) -> Seconds:
    """Read wall time by stack, with those of tasks that wait."""
    found: Seconds = Counter()
    for sample in samples_of(data):
        for cause in causes_of(sample.stack):
            found[cause] += sample.values.get("wall-time", 0) / 1e9
    return found


def samples_of(data: bytes) -> Iterator[Sample]:
    """Yield the samples of a pprof profile that is not compressed.

    The numbers of fields are those of https://github.com/google/pprof/blob/main/proto/profile.proto
    """
    parts: dict[int, list[Any]] = defaultdict(list)
    for number, value in _fields(data):
        parts[number].append(value)
    text = [value.decode() for value in parts[6]]
    types = [text[dict(_fields(value))[1]] for value in parts[1]]
    functions = {each[1]: text[each.get(2, 0)] for each in map(dict, map(_fields, parts[5]))}
    names = {
        each[1]: functions[dict(_fields(each[4]))[1]] for each in map(dict, map(_fields, parts[4]))
    }
    for part in parts[2]:
        stack: list[str] = []
        values: list[int] = []
        labels: dict[str, str] = {}
        for number, value in _fields(part):
            if number == 1:
                stack += [names[each] for each in _numbers(value)]
            elif number == 2:
                values += _numbers(value)
            elif number == 3:
                label = dict(_fields(value))
                labels[text[label[1]]] = text[label.get(2, 0)]
        yield Sample(stack[::-1], dict(zip(types, values, strict=True)), labels)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message: numbers, and bytes of what has a length."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        value, at = _varint(data, at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        yield key >> 3, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 128:
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def _numbers(value: Any) -> list[int]:
    """Return the numbers of a field that may have one, or many in one."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = _varint(value, at)
        found.append(number)
    return found
