"""The updates of `tracetools top` as they go through the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.door.protocol import RefusedError
from tracetools.live.updating import MOST_ROWS, SORTS, Wanted

if TYPE_CHECKING:
    from tracetools.live.updating import Updater
    from tracetools.session.late_recording import LateRecording

__all__ = ["update_as_json", "wanted_of"]

_LONGEST_TEXT: Final = 200


def wanted_of(given: dict[str, Any]) -> Wanted:
    """Return what a client wants to see.

    Raises:
        RefusedError: there is no such thing.
    """
    wanted = Wanted()._replace(
        **{name: given[name] for name in Wanted._fields if name in given}  # each is checked below
    )
    if type(wanted.most) is not int or not 1 <= wanted.most <= MOST_ROWS:
        raise RefusedError("options", f"most is a whole number from 1 to {MOST_ROWS}")
    if wanted.sort not in SORTS:
        raise RefusedError("options", f"sort is one of {', '.join(SORTS)}")
    if type(wanted.inverted) is not bool:
        raise RefusedError("options", "inverted is true or false")
    if type(wanted.matching) is not str or len(wanted.matching) > _LONGEST_TEXT:
        raise RefusedError("options", f"matching is a text of at most {_LONGEST_TEXT} letters")
    return wanted


def update_as_json(updater: Updater, wanted: Wanted, started: LateRecording | None) -> bytes:
    """Return the next update.

    Args:
        updater: makes it.
        wanted: what it has.
        started: the recording, if it was started through the door.
    """
    update = updater.update(wanted)
    if started is not None:
        update = update._replace(errors=tuple(started.errors), missing=started.missing)
    return update.to_json().encode()
