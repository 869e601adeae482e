"""Asks what runs in this thread just now, recorded or not, without importing any backend."""

from __future__ import annotations

import sys
from typing import Any

from tracetools import compat

__all__ = ["is_in_trio_task", "running_loop"]


def running_loop() -> Any:
    """Return the asyncio loop that runs in this thread; None if there is none."""
    return compat.asyncio_running_loop()


def is_in_trio_task() -> bool:
    """Whether this is called by a trio task."""
    trio = sys.modules.get("trio")
    lowlevel = getattr(trio, "lowlevel", None)
    if lowlevel is None:
        return False
    try:
        lowlevel.current_task()
    except RuntimeError:
        return False
    return True
