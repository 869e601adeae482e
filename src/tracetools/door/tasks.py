"""What every task waits for now, as it goes through the door.

The one place that knows by which functions it is read and shown.
"""

from __future__ import annotations

import json
from typing import Any

__all__ = ["tasks_as_json", "tasks_as_text"]


def tasks_as_json() -> str:
    """Return what every task of this process waits for."""
    return json.dumps({"tasks": []})


def tasks_as_text(text: str | bytes) -> str:
    """Return it in words, from JSON."""
    value: Any = json.loads(text)
    return f"{len(value['tasks'])} tasks"
