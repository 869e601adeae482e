"""What is replaced in classes and modules for a while, and put back."""

from __future__ import annotations

import inspect
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from tracetools import compat
from tracetools.core.interruptions import Insist, is_interruption
from tracetools.recording.forks import renew_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    Put = Callable[[Any, str, Any], None]

__all__ = ["Patches", "lock", "set_in_immutable"]


class _Patch(NamedTuple):
    """A value of ours in a class or module, which had `original` before, perhaps by a base."""

    owner: Any
    name: str
    original: Any
    ours: Any
    is_own: bool
    put: Put

    def undo(self) -> None:
        """Put the old value back, unless other code has replaced it since."""
        if vars(self.owner).get(self.name) is not self.ours:
            return  # ours passes everything on as long as nobody listens
        if self.is_own:
            self.put(self.owner, self.name, self.original)
        else:
            delattr(self.owner, self.name)


_made: Final[WeakKeyDictionary[Any, Any]] = WeakKeyDictionary()
"""All values of ours that are still somewhere, and what each was made of."""


class Patches:
    """What is replaced just now."""

    def __init__(self) -> None:
        self._patches: Final[list[_Patch]] = []

    def __len__(self) -> int:
        return len(self._patches)

    def has(self, value: Any) -> bool:
        """Whether a value is one of ours."""
        return any(patch.ours is value for patch in self._patches)

    def replace(
        self, owner: Any, name: str, replacement: Callable[[Any], Any], put: Put = setattr
    ) -> None:
        """Replace what a class or module has under a name, unless that is ours already.

        Args:
            owner: the class or module. If it inherits what it has, it gets one of its own.
            name: the name.
            replacement: called with what is there; returns what is there from now on: perhaps the
                same, then nothing is done.
            put: what sets it.

        Raises:
            TypeError: the class is immutable.
        """
        is_own = name in vars(owner)
        original = vars(owner)[name] if is_own else inspect.getattr_static(owner, name)
        if self.has(original):
            return
        if original in _made:  # other code has kept it, and has put it back
            ours, original = original, _made[original]
        else:
            ours = self._made_of(original, name) or replacement(original)
            if ours is original:
                return
            with suppress(TypeError):  # it cannot be referred to weakly
                _made[ours] = original
        patch = _Patch(owner, name, original, ours, is_own, put)
        self._patches.append(patch)  # first, in case that Ctrl-C comes
        try:
            put(owner, name, ours)
        except TypeError:
            self._patches.remove(patch)
            raise

    def _made_of(self, original: Any, name: str) -> Any:
        """Return what was made of the same before: two modules may have one function."""
        same = (patch for patch in self._patches if patch.original is original)
        return next((patch.ours for patch in same if patch.name == name), None)

    def undo(self, *, but: Container[str] = ()) -> None:
        """Put back what was there before, but for these names."""
        for patch in [patch for patch in self._patches[::-1] if patch.name not in but]:
            patch.undo()
            self._patches.remove(patch)

    def undo_one(self, owner: Any, name: str) -> None:
        """Put back what a class or module had under a name."""
        for patch in [patch for patch in self._patches if patch[:2] == (owner, name)]:
            patch.undo()
            self._patches.remove(patch)


def lock() -> threading.RLock:
    """Return the lock of those who replace things; another one in a forked process.

    There, it may be held by a thread that does not exist.
    """
    return _lock


_lock = threading.RLock()


def _renew_lock() -> None:
    global _lock  # noqa: PLW0603
    _lock = threading.RLock()


renew_in_child(_renew_lock)


def set_in_immutable(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a class, though the class may be immutable.

    The flag that makes it so is cleared meanwhile.

    Raises:
        TypeError: it cannot be set.
    """
    try:
        setattr(owner, name, value)
    except TypeError:
        flag = _flag_of(owner)
        before = flag.value
        with Insist() as insist:
            try:
                flag.value = before & ~compat.IMMUTABLE
                setattr(owner, name, value)
            finally:
                insist.do(setattr, flag, "value", before)


def _flag_of(owner: type) -> Any:
    try:
        return compat.immutable_flag(owner)
    except Exception as error:
        if is_interruption(error):
            raise
        raise TypeError(f"{owner!r} is immutable: {error}") from None
