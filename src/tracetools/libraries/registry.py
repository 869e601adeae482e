"""The libraries that get spans, while something is recorded that wants them.

A library gets its spans as soon as the program has imported it; nothing is imported for it. After
the last recording, all is as it was before.
"""

from __future__ import annotations

import importlib
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.interruptions import is_interruption
from tracetools.guest.messages import common
from tracetools.instruments.module_imports import forget, when_imported
from tracetools.instruments.patching import Patches, lock
from tracetools.libraries.places import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["TABLE", "Library", "is_in", "is_wanted", "put_in", "take_out"]


def _of(module: str, function: str = "install") -> Callable[[Places], None]:
    """Return a function of a module here, which is imported when that is called."""

    def install(places: Places) -> None:
        found = importlib.import_module(f"{__package__}.{module}")
        getattr(found, function)(places)

    return install


class Library(NamedTuple):
    """A library that gets spans.

    Attributes:
        module: the module whose import shows that the program uses the library.
        install: puts the spans in.
    """

    module: str
    install: Callable[[Places], None]


TABLE: Final = (
    Library("starlette.routing", _of("starlette")),
    Library("fastapi.routing", _of("fastapi")),
    Library("aiohttp.web", _of("aiohttp")),
    Library("quart.app", _of("quart")),
    Library("quart_trio.app", _of("quart", "install_trio")),
    Library("mcp.server.mcpserver", _of("mcp")),
    Library("mcp.server.fastmcp", _of("mcp", "install_version_1")),
    Library("mcp.server.runner", _of("mcp", "install_low_level")),
    Library("mcp.server.lowlevel.server", _of("mcp", "install_low_level_1")),
    Library("opentelemetry.sdk.trace", _of("opentelemetry")),
)
"""One line for each library: the module that shows that it is used, and what puts its spans in."""


def put_in(user: Hashable) -> None:
    """Have spans in all libraries that are imported, now or later, on behalf of a user."""
    with lock():
        is_first = not _users
        _users.add(user)
        if is_first:
            for library, action in zip(TABLE, _actions, strict=True):
                when_imported(library.module, action)


def take_out(user: Hashable) -> None:
    """Have them no more on behalf of a user; after the last one, all is as it was before."""
    with lock():
        if user not in _users:
            return
        _users.discard(user)
        if not _users:
            for action in _actions:
                forget(action)
            _patches.undo()


def is_wanted() -> bool:
    """Whether anybody wants spans in libraries just now."""
    return bool(_users)


def is_in() -> bool:
    """Whether anything is replaced, or waits for an import, just now."""
    return bool(_users or _patches)


def _install(library: Library) -> None:
    """Put the spans into a library. What goes wrong is noted, and costs only them."""
    places = Places(_patches)
    try:
        with lock():
            if _users:
                library.install(places)
    except Exception as error:
        if is_interruption(error):
            raise
        places.unknown.append(f"{type(error).__name__}: {error}")
    if places.unknown:
        _note(library, "; ".join(places.unknown))


def _note(library: Library, unknown: str) -> None:
    """Say once what is not as we know it."""
    if (library.module, unknown) not in _noted:
        _noted.add((library.module, unknown))
        common.warning(
            "%s is of a version that tracetools does not know, so some of its spans are missing:"
            " %s",
            _name_of(library.module),
            unknown,
        )


def _name_of(module: str) -> str:
    """Return the name of a library, with its version if it says one."""
    name = module.partition(".")[0]
    version: Any = getattr(sys.modules.get(name), "__version__", None)
    return f"{name} {version}" if isinstance(version, str) else name


_patches: Final = Patches()
_users: Final[set[Hashable]] = set()
_noted: Final[set[tuple[str, str]]] = set()
_actions: Final = [partial(_install, library) for library in TABLE]
