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
        length = _time(self.end - self.begin)
        return f'{self._edge("X", self.begin)},"dur":{length}{_args(self.args)}}}'

    def loose(self, number: int) -> tuple[str, str]:
        """Return both ends of a slice on a track of its own, which may overlap others."""
        return (
            f'{self._edge("b", self.begin)},"id":{number}{_args(self.args)}}}',
            f'{self._edge("e", self.end)},"id":{number}}}',
        )

    def _edge(self, phase: str, moment: int) -> str:
        return _head(self.name, self.category, phase, self.tid, moment)


def instant(name: str, category: str, tid: int, moment: int, args: Args = ()) -> str:
    """Return a mark on a track."""
    return f'{_head(name, category, "i", tid, moment)},"s":"t"{_args(args)}}}'


def counter(name: str, moment: int, tasks: int) -> str:
    """Return how many tasks there are of a kind from a moment on.

    Perfetto calls the track by both names, such as ``ready tasks``.
    """
    return f'{_head(name, "counter", "C", 0, moment)},"args":{{"tasks":{tasks}}}}}'


def arrow(
    name: str, number: int, start: tuple[int, int], end: tuple[int, int], args: Args = ()
) -> tuple[str, str]:
    """Return both ends of an arrow: a track and a moment each, at which a slice is open."""
    known = f',"id":{number}'
    return (
        f"{_head(name, 'wake', 's', *start)}{known}{_args(args)}}}",
        f'{_head(name, "wake", "f", *end)}{known},"bp":"e"}}',
    )


def _head(name: str, category: str, phase: str, tid: int, moment: int) -> str:
    return (
        f'{{"name":{_name(name)},"cat":"{category}","ph":"{phase}","pid":{PID},"tid":{tid}'
        f',"ts":{_time(moment)}'
    )


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03}"


@lru_cache(maxsize=10_000)
def _name(text: str) -> str:
    return _json(clean(text))


@lru_cache(maxsize=10_000)
def _args(args: Args) -> str:
    return f',"args":{_json({key: clean(value) for key, value in args})}' if args else ""


def _json(value: Mapping[str, object] | str) -> str:
    return json.dumps(value, separators=(",", ":"))
