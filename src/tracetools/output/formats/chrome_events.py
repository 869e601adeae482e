"""Single events of Chrome's trace format as JSON text.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

Every event has a name, which Firefox asks for. Times are microseconds with nanoseconds as their
fraction, and are given in nanoseconds. All text is ASCII.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tracetools.output.formats.folded import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PID", "Args", "Slice", "arrow", "clean", "counter", "instant", "metadata"]

PID: Final = 1
"""The number of the only process."""

_LONGEST: Final = 300
"""How many characters of a name are written."""

_REPLACED: Final = {
    **dict.fromkeys(range(0x20), " "),
    **dict.fromkeys((*range(0x7F, 0xA0), *range(0xD800, 0xE000)), "\ufffd"),
}

Args: TypeAlias = tuple[tuple[str, str], ...]
"""What an event says beside its name."""


def clean(text: str) -> str:
    """Return a text that consumers read: without lone surrogates, and not too long."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}\u2026"
    return text.translate(_REPLACED) or UNKNOWN


def metadata(name: str, tid: int, value: str | int, key: str = "name") -> str:
    """Return what names or sorts a track."""
    return _json({"name": name, "ph": "M", "pid": PID, "tid": tid, "args": {key: value}})


class Slice(NamedTuple):
    """Something that takes a stretch of time on a track.

    Attributes:
        name: what is seen.
        category: what kind of slice it is.
        tid: the track.
        begin: when it begins.
        end: when it ends.
        args: what it says beside its name.
    """

    name: str
    category: str
    tid: int
    begin: int
    end: int
    args: Args = ()

    def nested(self) -> str:
        """Return the event of a slice that nests with all others of its track."""
        name, category, tid, begin, end, args = self
        length = end - begin
        return (
            f"{_head(name, category, 'X', tid)}{begin // 1000}.{begin % 1000:03}"
            f',"dur":{length // 1000}.{length % 1000:03}{_args(args) if args else ""}}}'
        )

    def loose(self, number: int) -> tuple[str, str]:
        """Return both ends of a slice on a track of its own, which may overlap others."""
        known = f',"id2":{{"local":"0x{number:x}"}}'  # a plain `id` is of no process in Perfetto
        begin = _head(self.name, self.category, "b", self.tid)
        end = _head(self.name, self.category, "e", self.tid)
        return (
            f"{begin}{_time(self.begin)}{known}{_args(self.args)}}}",
            f"{end}{_time(self.end)}{known}}}",
        )


def instant(name: str, category: str, tid: int, moment: int, args: Args = ()) -> str:
    """Return a mark on a track."""
    return f'{_head(name, category, "i", tid)}{_time(moment)},"s":"t"{_args(args)}}}'


def counter(name: str, moment: int, number: int, unit: str = "tasks") -> str:
    """Return how many tasks there are of a kind from a moment on, or of what else.

    Perfetto calls the track by both names, such as ``ready tasks``.
    """
    return f'{_head(name, "counter", "C", 0)}{_time(moment)},"args":{{"{unit}":{number}}}}}'


def arrow(
    name: str, number: int, start: tuple[int, int], end: tuple[int, int], args: Args = ()
) -> tuple[str, str]:
    """Return both ends of an arrow: a track and a moment each, at which a slice is open."""
    first, last = _head(name, "wake", "s", start[0]), _head(name, "wake", "f", end[0])
    return (
        f'{first}{_time(start[1])},"id":{number}{_args(args)}}}',
        f'{last}{_time(end[1])},"id":{number},"bp":"e"}}',
    )


@lru_cache(maxsize=10_000)
def _head(name: str, category: str, phase: str, tid: int) -> str:
    """Return an event until where its moment stands."""
    return (
        f'{{"name":{_json(clean(name))},"cat":"{category}","ph":"{phase}"'
        f',"pid":{PID},"tid":{tid},"ts":'
    )


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03}"


@lru_cache(maxsize=10_000)
def _args(args: Args) -> str:
    return f',"args":{_json({key: clean(value) for key, value in args})}' if args else ""


def _json(value: Mapping[str, object] | str) -> str:
    return json.dumps(value, separators=(",", ":"))
