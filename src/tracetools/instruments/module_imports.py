"""Calls a function once a module was imported, by whatever code, without importing it.

A backend that a program does not use must not be imported.

A module of ours may be what imports the backend, at its beginning. The functions that are called
need all of it, so they wait for its end.
"""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any, Final

from tracetools.guest.messages import common
from tracetools.instruments.patching import lock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["forget", "when_imported"]


def when_imported(name: str, action: Callable[[], object]) -> None:
    """Call `action` as soon as the module `name` has been imported: perhaps now, perhaps never."""
    if name in sys.modules:
        action()
        return
    with lock():
        _actions.setdefault(name, []).append(action)
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)


def forget(action: Callable[[], object]) -> None:
    """Do not call `action` any more."""
    with lock():
        for name in list(_actions):
            _actions[name] = [other for other in _actions[name] if other != action]
            if not _actions[name]:
                del _actions[name]
        if not _actions and _finder in sys.meta_path:
            sys.meta_path.remove(_finder)


class _Finder(MetaPathFinder):
    """Finds what other finders find, with a loader that calls the actions."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _actions and not (_actions and name.startswith(_OURS)):
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _AnnouncingLoader(spec.loader)
        return spec


class _AnnouncingLoader(Loader):
    """Stands in for a loader until the module is imported, and leaves no trace afterwards."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:  # the loader may be asked for without an import
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        is_ours = module.__name__.startswith(_OURS)
        if is_ours:
            _begun.append(module)
        try:
            self._loader.exec_module(module)
            _imported.append(module.__name__)
        finally:
            if is_ours:
                _begun.remove(module)
            if not _begun:
                _act()


def _act() -> None:
    """Call what waits for the modules that were imported."""
    while _imported:
        name = _imported.pop(0)
        with lock():
            actions = _actions.pop(name, [])
        for action in actions:
            forget(action)
            try:
                action()
            except Exception:  # noqa: BLE001  # the program wanted the module, and it has it
                common.exception("%s cannot be recorded; the program goes on", name)


_OURS: Final = __name__.partition(".")[0] + "."
_begun: Final[list[ModuleType]] = []
"""Our own modules whose import has begun, in whatever thread, and not ended."""

_imported: Final[list[str]] = []
"""Modules that were imported, and whose actions were not called yet."""

_actions: Final[dict[str, list[Callable[[], object]]]] = {}
_finder: Final = _Finder()
