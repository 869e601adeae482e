"""Functions of libraries that change loops and tasks behind our back: what is done after each call.

No library is imported for it.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.module_imports import forget, when_imported
from tracetools.instruments.patching import Patches
from tracetools.instruments.stepped import hide_frame

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Watch", "portals"]


class Watch:
    """Calls functions after each call of a function of a library, with its arguments.

    Args:
        modules: the names of the modules that have the function, or may have it.
        name: its name.
    """

    def __init__(self, modules: tuple[str, ...], name: str) -> None:
        self._modules = modules
        self._name = name
        self._patches = Patches()
        self._actions: tuple[Callable[..., None], ...] = ()

    def start(self, action: Callable[..., None]) -> None:
        """Call `action` from now on, as soon as the library is imported."""
        is_first = not self._actions
        self._actions = (*self._actions, action)
        for module in self._modules if is_first else ():
            when_imported(module, self._replace)

    def end(self, action: Callable[..., None]) -> None:
        """Call `action` no more; after the last one, all is as it was before."""
        self._actions = tuple(other for other in self._actions if other != action)
        if not self._actions:
            forget(self._replace)
            self._patches.undo()

    def _replace(self) -> None:
        for module in map(sys.modules.get, self._modules):
            if module is not None and self._name in vars(module):
                self._patches.replace(module, self._name, self._watched)

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def watched(*args: Any, **options: Any) -> Any:
            try:
                result = original(*args, **options)
                for action in self._actions:
                    action(*args, **options)
            except BaseException as error:
                hide_frame(error)
                raise
            return result

        return watched


portals: Final = Watch(("greenback._impl", "greenback"), "bestow_portal")
"""greenback gives a task another coroutine. It runs the task's own one in a greenlet, which may be
left in the midst of a step."""
