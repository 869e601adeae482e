"""What the tools have written, read into one form: stacks with their seconds."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

Stacks = dict[tuple[str, ...], float]
"""Seconds of each stack: frames as the tool names them, from the root on."""


class Reading(NamedTuple):
    """What a tool says.

    Attributes:
        busy: seconds that were computed, or slept, or whatever the tool counts for a thread.
        waits: seconds that tasks waited; where the tool does not tell them apart, the same.
        longest: the longest time without a break in each frame, where the tool tells it.
    """

    busy: Stacks
    waits: Stacks
    longest: Mapping[str, float] = {}


def of_folded(interval: float) -> Any:
    """Return what reads collapsed stacks that count samples."""

    def read(path: Path) -> Reading:
        stacks: Stacks = defaultdict(float)
        for line in path.read_text().splitlines():
            frames, _, samples = line.rpartition(" ")
            stacks[tuple(frames.split(";"))] += int(samples) * interval
        return Reading(stacks, stacks)

    return read


def of_pyinstrument(path: Path) -> Reading:
    stacks: Stacks = defaultdict(float)

    def walk(frame: dict[str, Any], above: tuple[str, ...]) -> None:
        here = (*above, f"{frame['function']} ({frame['file_path_short']}:{frame['line_no']})")
        own = frame["time"] - sum(child["time"] for child in frame["children"])
        stacks[here] += max(own, 0)
        for child in frame["children"]:
            walk(child, here)

    walk(json.loads(path.read_text())["root_frame"], ())
    return Reading(stacks, stacks)


def of_viztracer(path: Path) -> Reading:
    """Read calls: each has a start and a length; those of a thread contain one another."""
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e["ph"] == "X"]
    events.sort(key=lambda e: (e["tid"], e["ts"], -e["dur"]))
    stacks: Stacks = defaultdict(float)
    longest: dict[str, float] = defaultdict(float)
    for event, above in _nested(events):
        here = (*(each["name"] for each in above), event["name"])
        seconds = event["dur"] / 1e6
        stacks[here] += seconds
        if above:
            stacks[here[:-1]] -= seconds
        longest[event["name"]] = max(longest[event["name"]], seconds)
    return Reading(stacks, stacks, longest)


def _nested(events: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    above: list[dict[str, Any]] = []
    for event in events:
        while above and (
            above[-1]["tid"] != event["tid"] or above[-1]["ts"] + above[-1]["dur"] <= event["ts"]
        ):
            above.pop()
        yield event, above
        above.append(event)


def of_memray(path: Path) -> Reading:
    """Allocations have no time."""
    path.stat()
    return Reading({}, {})


def of_tracetools(path: Path) -> Reading:
    from tracetools.output.formats.profile_json import read_profile  # noqa: PLC0415

    profile = read_profile(path)
    longest: dict[str, float] = defaultdict(float)
    for frames, blocks in profile.blocking.items():
        for frame in frames:
            longest[frame.label] = max(longest[frame.label], blocks.max / 1e9)
    return Reading(_lens(profile, "busy"), _lens(profile, "idle"), longest)


def _lens(profile: Any, lens: str) -> Stacks:
    return {
        tuple(frame.label for frame in path): value / 1e9
        for path, value in profile.lens(lens).items()
    }


def seconds(stacks: Stacks, *names: str) -> float:
    """Return the time of all stacks that have these names, in this order, from the root on."""
    pattern = re.compile(r"[^\n]*\n.*".join(rf"\b{name}\b" for name in names), re.DOTALL)
    return sum(value for frames, value in stacks.items() if pattern.search("\n".join(frames)))


def longest(reading: Reading, name: str) -> float:
    """Return the longest time without a break in a frame; 0 where the tool does not tell it."""
    pattern = re.compile(rf"\b{name}\b")
    return max(
        chain([0.0], (value for frame, value in reading.longest.items() if pattern.search(frame)))
    )
