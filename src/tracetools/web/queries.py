"""What a query asks for: how long is recorded, and what is made of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import parse_qsl

from tracetools.core.native import native
from tracetools.core.profile import LENSES
from tracetools.web.messages import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tracetools.core.profile import Lens

__all__ = ["FORMATS", "LENSES_HERE", "Wish", "parameters", "wish_of"]

_LONGEST: Final = 2_000
_MOST: Final = 20
_SHORTEST: Final = 0.05
_SECONDS: Final = 10.0

LENSES_HERE: Final = tuple(lens for lens in LENSES if lens != "critical")
"""The lenses of what is recorded for a request; ``critical`` shows slow spans that are kept."""

FORMATS: Final = {
    "profile": ".profile.json",
    "folded": ".folded",
    "speedscope": ".speedscope.json",
    "pprof": ".pb.gz",
    "gecko": ".gecko.json",
    "pstats": ".pstats",
    "prometheus": ".prom",
}
"""The formats of profiles, and their suffixes."""

_YES: Final = ("yes", "true", "1", "on")
_NO: Final = ("no", "false", "0", "off")


class Wish(NamedTuple):
    """What is recorded, and what is made of it.

    Attributes:
        seconds: for how long.
        lens: which time is shown, or shown first.
        functions: whether busy time is divided over functions.
        format: of a flame graph, ``html`` or ``svg``; of a profile, one of `FORMATS`.
    """

    seconds: float
    lens: Lens
    functions: bool
    format: str


def parameters(query: bytes, known: Collection[str] | None) -> dict[str, str]:
    """Return what a query says, by name.

    Args:
        query: as it was sent.
        known: the names that mean something; others are refused, and so is one that is there
            twice. ``None``: that is passed over, as Go's servers do, for tools that were made for
            them: of several values the first one counts.

    Raises:
        RefusedError: it makes no sense.
    """
    if len(query) > _LONGEST:
        raise RefusedError(414, f"the query is longer than {_LONGEST} bytes")
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST)
    except ValueError as error:
        raise RefusedError(400, f"the query has more than {_MOST} parameters") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if known is not None and name not in known:
            names = ", ".join(known) or "none"
            raise RefusedError(400, f"there is no parameter {name[:40]!a} here; known: {names}")
        if known is None:
            found.setdefault(name, value)
            continue
        if name in found:
            raise RefusedError(400, f"the parameter {name[:40]!a} is given twice")
        found[name] = value
    return found


def wish_of(given: dict[str, str], most: float, formats: Sequence[str] = ()) -> Wish:
    """Return what a query wishes; what it does not say is as usual.

    Raises:
        RefusedError: a parameter has no such value.
    """
    return Wish(
        _seconds(given.get("seconds") or "", most),
        cast("Lens", _one_of("lens", given.get("lens"), LENSES_HERE)),
        _switch("functions", given.get("functions")),
        _one_of("format", given.get("format"), formats) if formats else "",
    )


def _seconds(text: str, most: float) -> float:
    try:
        seconds = float(text) if text else min(_SECONDS, most)
    except ValueError:
        seconds = math.nan
    if not _SHORTEST <= seconds <= most:
        raise RefusedError(
            400, f"seconds is a number from {_SHORTEST:g} to {most:g}, not {text[:40]!a}"
        )
    return seconds


def _one_of(name: str, value: str | None, known: Sequence[str]) -> str:
    if not value:
        return known[0]
    if value not in known:
        raise RefusedError(400, f"{name} is one of {', '.join(known)}, not {value[:40]!a}")
    return value


def _switch(name: str, value: str | None) -> bool:
    if not value:
        return native is not None  # in Python, samples cost more
    if value.lower() not in _YES + _NO:
        raise RefusedError(400, f"{name} is yes or no, not {value[:40]!a}")
    return value.lower() in _YES
