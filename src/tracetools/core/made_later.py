"""A mapping that is made when it is read for the first time."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from types import MappingProxyType
from typing import Any, TypeVar

__all__ = ["MadeLater"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class MadeLater(Mapping[_Key, _Value]):
    """A mapping that is made when it is read for the first time.

    So a profile of a running loop costs the loop less, and the rest is paid by whoever reads it.

    Args:
        make: makes the mapping.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], Mapping[_Key, _Value]]) -> None:
        self._make: Callable[[], Mapping[_Key, _Value]] | None = make
        self._made: Mapping[_Key, _Value] = {}

    def _all(self) -> Mapping[_Key, _Value]:
        make = self._make
        if make is not None:  # two threads may make it at once: that is the same twice
            self._made = MappingProxyType(dict(make()))
            self._make = None
        return self._made

    def __getitem__(self, key: _Key) -> _Value:
        return self._all()[key]

    def __iter__(self) -> Iterator[_Key]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def get(self, key: _Key, otherwise: Any = None) -> Any:
        """Return the value of a key, or else what was given."""
        return self._all().get(key, otherwise)

    def keys(self) -> KeysView[_Key]:
        """Return the keys."""
        return self._all().keys()

    def values(self) -> ValuesView[_Value]:
        """Return the values."""
        return self._all().values()

    def items(self) -> ItemsView[_Key, _Value]:
        """Return the keys with their values."""
        return self._all().items()

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, MadeLater) else other)

    __hash__ = None  # type: ignore[assignment]  # as other mappings

    def __repr__(self) -> str:
        return repr(self._all())
