"""What every task waits for now, as it goes through the door.

The one place that knows by which functions it is read and shown.
"""

from __future__ import annotations

from tracetools.core.errors import DoorError
from tracetools.live.taking import take_dump
from tracetools.live.text import render_dump
from tracetools.live.values import Dump
from tracetools.output.formats.content import MalformedError

__all__ = ["checked_tasks", "tasks_as_json", "tasks_as_text"]


def tasks_as_json() -> str:
    """Return what every task of this process waits for. In a loop that is blocked, too."""
    return take_dump().to_json()


def checked_tasks(text: bytes) -> str:
    """Return JSON as it came, if it makes sense.

    Raises:
        DoorError: it makes none.
    """
    tasks_as_text(text)
    return text.decode("utf-8-sig")


def tasks_as_text(text: str | bytes) -> str:
    """Return it in words, from JSON.

    Raises:
        DoorError: it makes no sense.
    """
    try:
        return render_dump(Dump.from_json(text))
    except (MalformedError, LookupError, ValueError, OverflowError, RecursionError) as error:
        raise DoorError(f"what the program has answered cannot be read: {error}") from error
