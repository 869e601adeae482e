"""Does some last work at the end of a child that multiprocessing has forked.

Such a child ends by `os._exit`, which calls nothing that `atexit` knows. Before that, it calls the
finalizers of multiprocessing. It forgets those of its parent first, so ours is made in the child.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tracetools.instruments import module_imports

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ChildEnds"]

_LAST: Final = -1000
"""The priority among finalizers: multiprocessing's own come before."""


class ChildEnds:
    """Calls a function at the end of each child that multiprocessing forks.

    Args:
        last_work: the function. It is called in the child, and never raises.
    """

    def __init__(self, last_work: Callable[[], object]) -> None:
        self._last_work = last_work
        self._is_over = False

    def start(self) -> None:
        """Do so from now on. multiprocessing need not be there yet."""
        module_imports.when_imported("multiprocessing.util", self._follow)

    def end(self) -> None:
        """Do so no more."""
        self._is_over = True
        module_imports.forget(self._follow)

    def _follow(self) -> None:
        from multiprocessing import util  # noqa: PLC0415  # the program has imported it

        # it refers to this object weakly, and to a function of the class
        util.register_after_fork(self, ChildEnds._forked)

    def _forked(self) -> None:
        from multiprocessing import util  # noqa: PLC0415  # likewise

        if not self._is_over:
            util.Finalize(None, self._last_work, exitpriority=_LAST)
