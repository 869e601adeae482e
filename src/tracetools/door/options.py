"""The options of a recording as they come through the door: plain values, each checked."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from tracetools.core.labels import LABELS
from tracetools.core.profile import LENSES
from tracetools.door.protocol import RefusedError
from tracetools.session.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OPTIONS", "options_of"]

_CLOCKS: Final[dict[object, Callable[[], int]]] = {
    "wall": time.perf_counter_ns,
    "cpu": time.thread_time_ns,
}
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "lens": LENSES,
    "labels": LABELS,
    "clock": ("wall", "cpu"),
}
_OF_FILES: Final = {"flush_interval"}
"""There is no file."""

OPTIONS: Final = {each.name: each for each in fields(Options) if each.name not in _OF_FILES}
"""The options that can be given through the door. A clock is named by a word."""


def options_of(given: Any) -> Options:
    """Return the options of a recording.

    Raises:
        RefusedError: there is no such option, or it has no such value.
    """
    if not isinstance(given, dict):
        raise RefusedError("options", "the options are no object")
    for name, value in given.items():
        _check(name, value)
    plain = {**given, "flush_interval": None}
    if "clock" in given:
        plain["clock"] = _CLOCKS[given["clock"]]
    try:
        return Options(**plain)
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusedError("options", str(error)) from error


def _check(name: str, value: object) -> None:
    """Refuse what `Options` would take for granted."""
    if name not in OPTIONS:
        raise RefusedError(
            "options",
            f"a recording through the door of this program has no option {name[:80]!r}",
        )
    words = _WORDS.get(name)
    if words is not None and value not in words:
        raise RefusedError("options", f"{name} is one of {', '.join(words)}")
    if str(OPTIONS[name].type) == "int" and (type(value) is not int or value < 1):
        raise RefusedError("options", f"{name} is a whole number from 1 up")
