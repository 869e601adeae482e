"""Something is done once a module was imported, and nothing tells that we waited for it."""

from __future__ import annotations

import importlib
import sys
import threading
import types

import pytest

from tracetools.instruments import module_imports as late


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return the name of a module that nobody has imported."""
    (tmp_path / "not_imported_yet.py").write_text("value = 5\n")
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield "not_imported_yet"
    sys.modules.pop("not_imported_yet", None)


def test_what_was_imported_is_done_at_once():
    done = []
    late.when_imported("sys", lambda: done.append(1))
    assert done == [1]
    assert late._finder not in sys.meta_path


def test_it_is_done_after_the_import_and_once(module):
    done = []
    late.when_imported(module, lambda: done.append(sys.modules[module].value))
    assert done == []
    imported = importlib.import_module(module)
    assert done == [5]
    importlib.reload(imported)
    assert done == [5]
    assert late._finder not in sys.meta_path


def test_the_module_is_as_it_would_be_without_us(module):
    late.when_imported(module, lambda: None)
    imported = importlib.import_module(module)
    ours = (type(imported.__loader__), type(imported.__spec__.loader), imported.__spec__.origin)
    del sys.modules[module]
    plain = importlib.import_module(module)
    assert ours == (type(plain.__loader__), type(plain.__spec__.loader), plain.__spec__.origin)


def test_what_is_forgotten_is_not_done(module):
    def act():
        raise AssertionError

    before = list(sys.meta_path)
    late.when_imported(module, act)
    late.forget(act)
    assert sys.meta_path == before
    importlib.import_module(module)


def test_two_threads_may_forget_at_once(module):
    """One looks for its action when the other one takes out the last one of the module."""
    inside, others = [], []

    class Action:
        def __call__(self):
            raise AssertionError

        def __ne__(self, other):
            if not inside:
                inside.append(True)
                other_thread = threading.Thread(target=late.forget, args=(last,))
                others.append(other_thread)
                other_thread.start()
                other_thread.join(0.1)  # it waits until this one is done
            return self is not other

        __hash__ = object.__hash__

        def __eq__(self, other):
            return self is other

    first, last = Action(), Action()
    late.when_imported(module, first)
    late.when_imported(module, last)
    late.forget(first)
    others[0].join()
    assert module not in late._actions
    assert late._finder not in sys.meta_path


def test_several_wait_for_the_same_module(module):
    done = []

    def first():
        done.append(1)

    def second():
        done.append(2)

    late.when_imported(module, first)
    late.when_imported(module, second)
    late.forget(first)
    importlib.import_module(module)
    assert done == [2]


def test_an_error_of_ours_is_logged_and_the_program_has_its_module(module, caplog):
    late.when_imported(module, lambda: 1 / 0)
    assert importlib.import_module(module).value == 5
    assert "cannot be recorded" in caplog.text


def test_an_import_that_fails_is_waited_for_further(module):
    done = []

    def act():
        done.append(1)

    late.when_imported("broken_module", act)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("broken_module")
    assert done == []
    assert late._finder in sys.meta_path
    late.forget(act)
    assert late._finder not in sys.meta_path


def test_a_module_that_does_not_exist_is_said_to_be_missing():
    def act():
        raise AssertionError

    late.when_imported("no_such_module_anywhere", act)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        importlib.import_module("no_such_module_anywhere")
    late.forget(act)


def test_looking_for_a_module_does_not_count_as_importing_it(module):
    done = []

    def act():
        done.append(1)

    late.when_imported(module, act)
    assert importlib.util.find_spec(module) is not None
    assert done == []
    importlib.import_module(module)
    assert done == [1]


@pytest.fixture
def ours(tmp_path, module, monkeypatch):
    """Name modules of ours that import the module at their beginning, one within another."""
    (tmp_path / "ours_inner.py").write_text(f"import {module}\nvalue = 1\n")
    (tmp_path / "ours_outer.py").write_text("import ours_inner\nvalue = 2\n")
    (tmp_path / "ours_broken.py").write_text(f"import {module}\n1 / 0\n")
    monkeypatch.setattr(late, "_OURS", "ours_")
    yield
    for name in ("ours_inner", "ours_outer", "ours_broken"):
        sys.modules.pop(name, None)


def test_it_is_done_once_all_of_ours_is_there_that_imports_the_module(module, ours):
    done = []
    late.when_imported(module, lambda: done.append(vars(sys.modules["ours_outer"]).get("value")))
    importlib.import_module("ours_outer")
    assert done == [2]
    assert late._finder not in sys.meta_path
    assert type(sys.modules["ours_outer"].__spec__.loader).__module__ != late.__name__


def test_it_is_done_though_ours_fails_that_imports_the_module(module, ours):
    done = []
    late.when_imported(module, lambda: done.append(1))
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("ours_broken")
    assert done == [1]


def test_what_is_forgotten_while_ours_is_imported_is_not_done(module, ours, tmp_path):
    def act():
        raise AssertionError

    text = f"import {module}\nfrom ours_test import forget\nforget()\n"
    (tmp_path / "ours_inner.py").write_text(text)
    sys.modules["ours_test"] = types.SimpleNamespace(forget=lambda: late.forget(act))
    late.when_imported(module, act)
    importlib.import_module("ours_outer")
    del sys.modules["ours_test"]
    assert late._finder not in sys.meta_path
