"""Mappings that are made when they are read."""

from __future__ import annotations

import pytest

from tracetools.core.made_later import MadeLater


def test_it_is_made_once_when_it_is_read():
    made: list[int] = []

    def make():
        made.append(1)
        return {"a": 1}

    later = MadeLater(make)
    assert made == []
    assert later == {"a": 1}
    assert (later["a"], len(later), list(later), "a" in later, "b" in later) == (
        *(1, 1, ["a"]),
        *(True, False),
    )
    assert (list(later.keys()), list(later.values()), list(later.items())) == (
        *(["a"], [1]),
        [("a", 1)],
    )
    assert (later.get("a"), later.get("b"), later.get("b", 2)) == (1, None, 2)
    assert made == [1]


def test_it_equals_what_it_makes():
    assert MadeLater(lambda: {"a": 1}) == MadeLater(lambda: {"a": 1}) == {"a": 1}
    assert MadeLater(lambda: {"a": 1}) != {"a": 2}
    assert repr(MadeLater(lambda: {"a": 1})) == "mappingproxy({'a': 1})"
    with pytest.raises(TypeError, match="unhashable"):
        hash(MadeLater(dict))
