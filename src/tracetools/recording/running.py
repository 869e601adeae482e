"""What runs in this thread just now, recorded or not; asked without importing any backend."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["is_in_trio_task", "running_loop"]


def running_loop() -> AbstractEventLoop | None:
    """Return the asyncio loop that runs in this thread."""
    asyncio = sys.modules.get("asyncio")
    get = getattr(asyncio, "_get_running_loop", None)  # not there while it is being imported
    loop: AbstractEventLoop | None = None if get is None else get()
    return loop


def is_in_trio_task() -> bool:
    """Whether this is called by a trio task."""
    trio = sys.modules.get("trio")
    lowlevel = getattr(trio, "lowlevel", None)  # likewise
    if lowlevel is None:
        return False
    try:
        lowlevel.current_task()
    except RuntimeError:
        return False
    return True
