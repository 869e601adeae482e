"""Every scenario of resources, on every backend, in every mode of every instrument, with `==`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.instruments.test_scenarios import MODES
from tests.resource_scenarios import TABLE, Seen
from tests.scenarios import World
from tracetools.core.resources import ResourceUse
from tracetools.core.stacks import StackPath


@pytest.fixture(autouse=True)
def world():
    before = World.backend
    yield World
    World.backend = before


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("name", TABLE)
def test_resources_are_exactly_as_expected(name, mode, tmp_path):
    World.backend = mode.backend(World.clock)
    options = {"clock": World.clock, "await_after": 0, "flush_interval": None, "resources": True}
    profile = mode.run(TABLE[name].main, tmp_path / "stack", **options)
    profile.check()
    found = {
        (kind := "queue" if use.is_queue else resource.kind): seen(use, TABLE[name].seen[kind])
        for resource, use in profile.resources.items()
    }
    assert found == TABLE[name].seen
    for resource in profile.resources:
        assert resource.is_made
        assert ".make_" in f".{resource.place.name}"  # Python 3.10 does not know the class
        assert str(resource.place.file).endswith("backends.py")
    blockers = [path for use in profile.resources.values() for path in use.blockers]
    for path in [] if mode.eager else blockers:
        assert path[-1].name.startswith("await ")


def seen(use: ResourceUse, expected: Seen) -> Seen:
    """Return a use by the names of functions."""
    assert use.count == 1
    assert use.lengths.count == use.items + use.taken
    return Seen(
        lived=use.lived,
        saturated=use.saturated,
        most_waiting=use.most_waiting,
        size=use.size,
        holds=by_function(use.holds),
        waits=by_function(use.waits),
        blockers=by_function(use.blockers, -2),
        getters=by_function(use.getters),
        items=(use.items, use.taken),
        longest=None if expected.longest is None else use.lengths.max,
        length_time=use.length_time,
    )


def by_function(rows: Mapping[StackPath, Any], index: int = -1) -> dict[str, tuple[int, ...]]:
    found: dict[str, Any] = {}
    for path, row in rows.items():
        name = path[index].name
        found[name] = row.plus(found[name]) if name in found else row
    return {name: tuple(row) for name, row in found.items()}
