"""Methods of classes that are replaced for a while, and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools import compat
from tracetools.core.interruptions import Insist, is_interruption

if TYPE_CHECKING:
    from collections.abc import Callable, Container

__all__ = ["Patches", "set_in_immutable"]


class _Patch(NamedTuple):
    """A value of ours in a class or module; `original` is None if it had inherited it."""

    owner: Any
    name: str
    original: Any
    ours: Any
    put: Callable[[Any, str, Any], None]

    def undo(self) -> None:
        """Put the old value back, unless other code has replaced it since."""
        if vars(self.owner).get(self.name) is not self.ours:
            return  # ours passes everything on as long as nobody listens
        if self.original is None:
            delattr(self.owner, self.name)
        else:
            self.put(self.owner, self.name, self.original)


class Patches:
    """What is replaced just now."""

    def __init__(self) -> None:
        self._patches: Final[list[_Patch]] = []

    def __len__(self) -> int:
        return len(self._patches)

    def has(self, value: Any) -> bool:
        """Whether a method is one of ours."""
        return any(patch.ours is value for patch in self._patches)

    def replace(
        self,
        owner: Any,
        name: str,
        original: Any,
        ours: Any,
        put: Callable[[Any, str, Any], None] = setattr,
    ) -> None:
        """Replace what a class or module has under a name.

        Args:
            owner: the class or module.
            name: the name.
            original: what it has now; ``None`` if it inherits it.
            ours: what it has from now on.
            put: what sets it.

        Raises:
            TypeError: the class is immutable.
        """
        patch = _Patch(owner, name, original, ours, put)
        self._patches.append(patch)  # first, in case that Ctrl-C comes
        try:
            put(owner, name, ours)
        except TypeError:
            self._patches.remove(patch)
            raise

    def undo(self, *, but: Container[str] = ()) -> None:
        """Put back what was there before, but for these names."""
        for patch in [patch for patch in self._patches[::-1] if patch.name not in but]:
            patch.undo()
            self._patches.remove(patch)


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
