"""The native core: what happens most often, in C. Used where its extension was built and fits.

The Python code is the reference: `accelerated` marks what has a counterpart here, of the same name
and face. The reference is used without a compiler, in a subinterpreter, or with
``TRACETOOLS_PURE=1``. What happens now and then is Python code that both share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from tracetools.core.native.choice import choose

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["accelerated", "native", "references", "why_not"]

_Named = TypeVar("_Named")

_choice: Final = choose()

native: Final[ModuleType | None] = _choice[0]
"""The extension; ``None`` where the Python reference is in use."""

why_not: Final[str] = _choice[1]
"""Why the reference is in use, in words; empty where the extension is."""

references: Final[dict[str, Any]] = {}
"""Every class and function that has a counterpart in C, by name."""


def accelerated(reference: _Named) -> _Named:
    """Return the counterpart in C of a class or function; itself where that is not in use."""
    name: str = reference.__name__  # type: ignore[attr-defined]
    references[name] = reference
    return reference if native is None else getattr(native, name)
