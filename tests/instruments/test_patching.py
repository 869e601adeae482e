"""What is replaced is put back as it was."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from types import ModuleType

import pytest

from tracetools import compat
from tracetools.instruments.patching import Patches, set_in_immutable

TASK = sys.modules["_asyncio"].Task


@pytest.fixture
def patches():
    patches = Patches()
    yield patches
    patches.undo()


class Base:
    def method(self):
        """Stand for what is replaced."""


def ours(*args):
    """Stand for what replaces it."""


def replacement(original):
    return ours


def wrapped(original):
    def method(*args):
        return original(*args)

    return method


def test_a_method_is_put_back_where_it_was(patches):
    class Derived(Base):
        pass

    original = Base.method
    patches.replace(Derived, "method", replacement)
    patches.replace(Base, "method", replacement)
    assert len(patches) == 2
    assert patches.has(Base.method)
    patches.undo()
    assert Base.method is original
    assert "method" not in vars(Derived)
    assert not patches
    assert not patches.has(ours)


def test_names_that_are_still_wanted_stay(patches):
    original = Base.method
    patches.replace(Base, "method", replacement)
    patches.undo(but=["method"])
    assert Base.method is ours
    patches.undo(but=["another"])
    assert Base.method is original


def test_one_can_be_put_back_alone(patches):
    class Another:
        method = Base.method

    patches.replace(Base, "method", replacement)
    patches.replace(Another, "method", wrapped)
    patches.undo_one(Base, "another")
    assert len(patches) == 2
    patches.undo_one(Base, "method")
    assert Base.method is not ours
    assert len(patches) == 1


def test_what_other_code_has_replaced_since_stays(patches, monkeypatch):
    patches.replace(Base, "method", replacement)
    monkeypatch.setattr(Base, "method", print)
    patches.undo()
    assert Base.method is print
    assert not patches


def test_what_is_ours_is_not_replaced_again(patches):
    patches.replace(Base, "method", wrapped)
    first = Base.method
    patches.replace(Base, "method", wrapped)
    assert Base.method is first
    assert len(patches) == 1


def test_what_other_code_has_kept_and_put_back_is_not_wrapped_twice(patches):
    original = Base.method
    patches.replace(Base, "method", wrapped)
    kept = Base.method
    patches.undo()
    Base.method = kept
    patches.replace(Base, "method", wrapped)
    assert Base.method is kept
    patches.undo()
    assert Base.method is original


def test_a_function_of_two_modules_stays_one_function(patches):
    first, second = ModuleType("first"), ModuleType("second")
    first.function = second.function = Base.method
    patches.replace(first, "function", wrapped)
    patches.replace(second, "function", wrapped)
    assert first.function is second.function is not Base.method


def test_what_is_left_as_it_is_is_no_replacement(patches):
    patches.replace(Base, "method", lambda original: original)
    assert not patches


def test_an_immutable_class_is_refused(patches):
    with pytest.raises(TypeError):
        patches.replace(int, "bit_length", replacement)
    assert not patches


def test_an_immutable_class_can_be_changed_and_is_immutable_afterwards(patches):
    original = TASK.__init__
    flags = TASK.__flags__ | 1 << 19  # whether its version is known may change
    patches.replace(TASK, "__init__", replacement, set_in_immutable)
    assert TASK.__init__ is ours
    with pytest.raises(TypeError):
        TASK.__init__ = original
    patches.undo()
    assert TASK.__init__ is original
    assert TASK.__flags__ | 1 << 19 == flags
    with pytest.raises(TypeError):
        TASK.__init__ = original


def test_the_class_stays_immutable_if_it_cannot_be_changed():
    with pytest.raises(TypeError):
        set_in_immutable(TASK, "__name__", 3)
    with pytest.raises(TypeError):
        TASK.attribute = 3


@pytest.mark.parametrize("error", [ImportError("no ctypes"), RuntimeError("by an audit hook")])
def test_without_access_to_its_flags_a_class_stays_as_it_is(error, monkeypatch):
    def fails(_):
        raise error

    monkeypatch.setattr(compat, "immutable_flag", fails)
    with pytest.raises(TypeError, match="immutable: "):
        set_in_immutable(TASK, "__init__", ours)


def test_the_flag_is_not_written_where_it_is_not_found(monkeypatch):
    def shifted(address, from_address=ctypes.c_ssize_t.from_address):
        return from_address(address + 8)

    class Shifted(ctypes.c_ulong):
        from_address = staticmethod(shifted)

    monkeypatch.setattr(ctypes, "c_ulong", Shifted)
    with pytest.raises(TypeError, match="not where they are known to be"):
        compat.immutable_flag(TASK)


def test_ctrl_c_while_a_class_is_changed_leaves_it_immutable(monkeypatch):
    class Meta(type):
        def __setattr__(cls, name, value):
            raise struck.pop()

    class Kind(metaclass=Meta):
        pass

    flag = ctypes.c_uint8(5)
    monkeypatch.setattr(compat, "immutable_flag", lambda _: flag)
    struck = [KeyboardInterrupt(), TypeError()]
    with pytest.raises(KeyboardInterrupt):
        set_in_immutable(Kind, "name", 3)
    assert flag.value == 5


def test_a_task_is_made_by_what_replaces_init(patches):
    made = []
    original = TASK.__init__

    def init(task, coroutine, **options):
        made.append(type(task).__name__)
        original(task, coroutine, **options)

    async def nothing():
        pass

    class Derived(asyncio.Task):
        __slots__ = ()

    async def main():
        loop = asyncio.get_running_loop()
        await TASK(nothing(), loop=loop)
        await Derived(nothing(), loop=loop)

    patches.replace(TASK, "__init__", lambda _: init, set_in_immutable)
    asyncio.run(main())
    assert [name for name in made if name == "Derived"] == ["Derived"]
    assert made.count("Task") >= 2
