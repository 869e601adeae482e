"""Where spans go in one library: functions that are replaced, if they are as we know them."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.instruments.patching import Patches

__all__ = ["Places"]


class Places:
    """Replaces functions of a library, and notes those that are not as we know them.

    Args:
        patches: what undoes it.

    Attributes:
        unknown: a sentence for each function that is gone, or has other parameters.
    """

    def __init__(self, patches: Patches) -> None:
        self._patches = patches
        self.unknown: list[str] = []

    def wrap(
        self,
        module: str,
        path: str,
        parameters: tuple[str, ...],
        replacement: Callable[[Any], Any],
    ) -> bool:
        """Replace a function of a module that is imported.

        Args:
            module: the module.
            path: the function, as in ``Route.handle``.
            parameters: the names of the parameters that `replacement` relies on.
            replacement: called with the function; returns what is there from now on.

        Returns:
            Whether it was replaced. Otherwise that is noted.
        """
        *folders, name = path.split(".")
        owner: Any = sys.modules.get(module)
        for folder in folders:
            owner = getattr(owner, folder, None)
        function = getattr(owner, name, None)
        if not callable(function):
            self.unknown.append(f"{module}.{path} is gone")
        elif not _takes(function, parameters):
            self.unknown.append(f"{module}.{path} has other parameters")
        else:
            self._patches.replace(owner, name, replacement)
            return True
        return False


def _takes(function: Any, wanted: tuple[str, ...]) -> bool:
    """Whether a function has these parameters, or takes any."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    takes_all = {each.kind for each in parameters.values()} >= _ANY
    return takes_all or set(wanted) <= parameters.keys()


_ANY: Final = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
