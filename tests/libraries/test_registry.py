"""Libraries get spans when the program imports them, and lose them after the last recording."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType

import pytest

from tracetools.libraries import registry
from tracetools.libraries.registry import Library


@pytest.fixture
def table(monkeypatch):
    """Have a table of our own; return what adds a library to it."""

    def add(module, install):
        libraries = (*registry.TABLE, Library(module, install)) if added else ()
        libraries = (*libraries, *(() if added else (Library(module, install),)))
        added.append(module)
        monkeypatch.setattr(registry, "TABLE", libraries)
        monkeypatch.setattr(
            registry, "_actions", [partial(registry._install, each) for each in libraries]
        )

    added: list[str] = []
    return add


@pytest.fixture
def module(monkeypatch):
    """Return a library that was imported."""
    module = ModuleType("a_library")

    async def work(self):
        return self

    module.work = work
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def replacing(places):
    places.wrap("a_library", "work", ("self",), lambda _: replaced)


async def replaced(self): ...


def notes(caplog):
    return [record.getMessage() for record in caplog.records if record.name == "tracetools"]


def test_a_library_that_was_imported_has_spans_until_the_last_user_is_gone(table, module):
    original = module.work
    table("a_library", replacing)
    registry.put_in("one")
    registry.put_in("other")
    assert module.work is replaced
    registry.take_out("one")
    assert module.work is replaced
    registry.take_out("other")
    assert module.work is original
    registry.take_out("other")


def test_a_library_has_spans_as_soon_as_it_is_imported(table, tmp_path, monkeypatch):
    (tmp_path / "a_late_library.py").write_text("async def work(self): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    table(
        "a_late_library",
        lambda places: places.wrap("a_late_library", "work", ("self",), lambda _: replaced),
    )
    registry.put_in("user")
    assert "a_late_library" not in sys.modules
    import a_late_library

    assert a_late_library.work is replaced
    registry.take_out("user")
    assert a_late_library.work is not replaced
    del sys.modules["a_late_library"]


def test_a_library_that_is_imported_after_the_end_has_none(table, tmp_path, monkeypatch):
    (tmp_path / "a_late_library.py").write_text("async def work(self): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    table("a_late_library", replacing)
    registry.put_in("user")
    registry.take_out("user")
    import a_late_library

    assert a_late_library.work is not replaced
    del sys.modules["a_late_library"]


def test_an_unknown_version_gets_one_note(table, module, caplog):
    module.__version__ = "99.0"
    del module.work
    table("a_library", replacing)
    for _ in range(2):
        registry.put_in("user")
        registry.take_out("user")
    assert notes(caplog) == [
        (
            "a_library 99.0 is of a version that tracetools does not know, so some of its spans are"
            " missing: a_library.work is gone"
        )
    ]


def test_an_installer_that_fails_is_noted_and_costs_only_its_spans(table, module, caplog):
    def failing(places):
        places.wrap("a_library", "work", ("self",), lambda _: replaced)
        raise LookupError("what is this")

    original = module.work
    table("a_library", failing)
    registry.put_in("user")
    assert module.work is replaced
    registry.take_out("user")
    assert module.work is original
    [note] = notes(caplog)
    assert note.endswith("missing: LookupError: what is this")


def test_an_interruption_is_the_programs(table, module):
    def interrupted(_):
        raise KeyboardInterrupt

    table("a_library", interrupted)
    with pytest.raises(KeyboardInterrupt):
        registry.put_in("user")
    registry.take_out("user")


def test_every_line_of_the_table_has_its_installer():
    """One whose library is not imported only notes that."""
    from tracetools.instruments.patching import Patches
    from tracetools.libraries.places import Places

    for library in registry.TABLE:
        patches = Patches()
        library.install(Places(patches))
        patches.undo()
