"""Reads the local variables of a frame, and leaves nothing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["locals_of"]


def locals_of(frame: FrameType) -> dict[str, Any]:
    """Return a copy of the local variables of a function's frame.

    Before Python 3.13, the frame would keep the dictionary that it gives, and all that is in it
    alive, also what the function has deleted meanwhile.
    """
    found = frame.f_locals
    copied = dict(found)
    if type(found) is dict and frame.f_code.co_flags & _HAS_FAST_LOCALS:
        found.clear()
    return copied


_HAS_FAST_LOCALS: Final = 0x01  # inspect.CO_OPTIMIZED, which is dear to import
