"""Functions of libraries are replaced if they are as we know them."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tracetools.instruments.patching import Patches
from tracetools.libraries.places import Places


class Thing:
    def work(self, scope, send=None): ...


async def anything(*args, **options): ...


@pytest.fixture
def module(monkeypatch):
    module = ModuleType("a_library")
    module.Thing, module.anything, module.number = type("Own", (Thing,), {}), anything, 3
    module.builtin = dict.fromkeys
    monkeypatch.setitem(sys.modules, "a_library", module)
    return module


@pytest.fixture
def patches():
    patches = Patches()
    yield patches
    patches.undo()


def replaced(self): ...


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("Thing.work", ("self", "scope")), ("anything", ("whatever",)), ("anything", ())],
)
def test_what_is_known_is_replaced(module, patches, path, parameters):
    places = Places(patches)
    assert places.wrap("a_library", path, parameters, lambda _: replaced)
    assert places.unknown == []
    patches.undo()
    assert "work" not in vars(module.Thing)


@pytest.mark.parametrize(
    ("path", "parameters", "unknown"),
    [
        ("Thing.gone", (), "a_library.Thing.gone is gone"),
        ("Gone.work", (), "a_library.Gone.work is gone"),
        ("number", (), "a_library.number is gone"),
        ("Thing.work", ("receive",), "a_library.Thing.work has other parameters"),
    ],
)
def test_what_is_not_known_is_noted(module, patches, path, parameters, unknown):
    places = Places(patches)
    assert not places.wrap("a_library", path, parameters, lambda _: replaced)
    assert places.unknown == [unknown]
    assert not patches


def test_a_library_that_is_not_imported_is_noted(patches):
    places = Places(patches)
    assert not places.wrap("a_library_that_is_not_here", "f", (), lambda _: replaced)
    assert places.unknown == ["a_library_that_is_not_here.f is gone"]
