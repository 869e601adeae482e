"""Nothing is lost in 10,000 calls of each entry point of the native core.

Memory is counted, and so are the references to all that a call could keep: a release build of
Python has no count of all references.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc

import pytest

from tests.core.native.entries import (
    ENTRIES,
    IN_THE_SAME_CALL,
    ONCE,
    World,
    entry_points,
)
from tracetools.core.native import native

pytestmark = pytest.mark.skipif(native is None, reason="the native core is not in use")

CALLS = 10_000
MOST_BYTES = 4 * CALLS  # the least that can be lost in a call takes 16
MOST_REFERENCES = CALLS // 10
ATTEMPTS = 3  # what others keep, such as a cache of Python's that grows, they keep once


def test_every_entry_point_is_called():
    called = {name.partition(",")[0] for name in ENTRIES}
    assert entry_points() - called == {*IN_THE_SAME_CALL, *ONCE}
    assert set(IN_THE_SAME_CALL.values()) <= called


@pytest.mark.parametrize("name", ENTRIES)
def test_nothing_is_lost_in_10_000_calls(name):
    for _ in range(ATTEMPTS):
        size, kept = lost(name)
        if size < MOST_BYTES and not kept:
            break
    assert (size < MOST_BYTES, kept) == (True, {})


def lost(name: str) -> tuple[int, dict[str, int]]:
    """Return how much memory, and references to what, a world has lost by calls."""
    world, call = World(), ENTRIES[name]
    call_often(call, world, CALLS // 100)
    known = watched(world)
    tracemalloc.start()
    try:
        call_often(call, world, CALLS // 100)
        before, counts = tracemalloc.get_traced_memory()[0], [*map(sys.getrefcount, known)]
        call_often(call, world, CALLS)
        size = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    moved = {
        f"{index}: {each!r:.80}": now - count
        for index, (each, count) in enumerate(zip(known, counts, strict=True))
        if abs((now := sys.getrefcount(each)) - count) > MOST_REFERENCES
    }
    del known
    world.end()
    return size, moved


def call_often(call, world: World, count: int) -> None:
    for _ in range(count):
        call(world)
    gc.collect()


def watched(world: World) -> list[object]:
    """Return all that a world has, what that refers to, and the constants of Python."""
    had = list(vars(world).values())
    found = had + [each for one in had for each in gc.get_referents(one)]
    found += [None, True, False, NotImplemented, ()]
    return list({id(each): each for each in found}.values())


class TestTheCount:
    """The count sees what it is for."""

    def test_it_sees_memory(self, monkeypatch):
        kept = []
        monkeypatch.setitem(ENTRIES, "lossy", lambda w: kept.append(object()))
        assert lost("lossy")[0] > MOST_BYTES

    def test_it_sees_references(self, monkeypatch):
        kept = []
        monkeypatch.setitem(ENTRIES, "lossy", lambda w: kept.append(w.frame))
        [moved] = lost("lossy")[1].values()
        assert moved == pytest.approx(CALLS, abs=10)
