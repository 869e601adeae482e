"""Samples of a thread: all of its functions, and no trace of the sample."""

from __future__ import annotations

import _thread
import json
import sys
import threading
import weakref
from itertools import starmap

import pytest

from tests.sampling.world import MILLISECOND, name_of, weighs
from tracetools import compat, testing
from tracetools.sampling.unwind import links_of, locals_in_thread, without_import


def test_a_deep_recursion_is_sampled_as_far_as_it_goes(world):
    def descend(levels):
        if levels:
            descend(levels - 1)
        else:
            world.sampler._sample(weighs(10))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(4000)
    try:
        world.step(lambda: (descend(2500), world.loop.tick(10)))
    finally:
        sys.setrecursionlimit(limit)
    world.loop.profile.check()
    assert sum(world.functions().values()) == 10


def test_a_sample_keeps_nothing_alive(world):
    class Local:
        pass

    known = []

    def body():
        local = Local()
        known.append(weakref.ref(local))
        world.sample()

    world.step(body)
    assert known[0]() is None


def test_a_thread_without_frames_is_no_trouble(world):
    def body():
        loop = world.loop.loop
        here, loop.thread = loop.thread, 1
        world.sampler._sample(weighs(10))
        loop.thread = here
        world.loop.tick(10)

    world.step(body)
    assert world.functions() == {"task": 10}


def test_the_functions_of_a_greenlet_are_those_of_the_step(world):
    def within():  # as in a greenlet, no function of the thread's start is below it
        compat.this_thread()
        known.append(threading.get_ident())
        started.set()
        over.wait()

    def body():
        here, loop.thread = loop.thread, known[0]
        world.sampler._sample(weighs(10))
        loop.thread = here
        world.loop.tick(10)

    known, started, over, loop = [], threading.Event(), threading.Event(), world.loop.loop
    _thread.start_new_thread(within, ())
    started.wait()
    world.step(body)
    over.set()
    assert world.functions() == {f"task;{name_of(within)}": 10}


def test_the_functions_of_a_thread_that_steps_nothing_are_left_out(world):
    over, loop = threading.Event(), world.loop.loop
    thread = threading.Thread(target=lambda: (compat.this_thread(), started.set(), over.wait()))
    started = threading.Event()
    thread.start()
    started.wait()

    def body():
        here, loop.thread = loop.thread, thread.ident
        world.sampler._sample(weighs(10))
        loop.thread = here
        world.loop.tick(10)

    world.step(body)
    over.set()
    thread.join()
    assert world.functions() == {"task": 10}


def test_the_collector_is_as_it_was(world):
    import gc

    for was_on in (False, True):
        (gc.enable if was_on else gc.disable)()
        world.step(world.sample)
        assert gc.isenabled() is was_on


def test_the_line_at_fault_is_a_line_of_the_program(blocking, caplog):
    def hook(found):
        blocking.sample()
        return found

    def load():
        blocking.loop.tick(120 * MILLISECOND)
        json.loads('{"a": 1}', object_hook=hook)

    blocking.step(load)
    assert "blocking.sample()" in caplog.messages[0]


def test_a_sample_that_fails_leaves_the_collector_on(world, monkeypatch):
    import gc

    def refuse():
        raise RuntimeError("not allowed here")

    monkeypatch.setattr(compat, "innermost_frame", lambda _: starmap(refuse, ((),)))
    world.step(lambda: (world.sample(), world.loop.tick(10)))
    assert gc.isenabled()
    assert world.functions() == {"task": 10}


def test_a_step_that_imports_is_located_where_it_asks_for_that(tmp_path, monkeypatch):
    (tmp_path / "outer_of_two.py").write_text("import inner_of_two\n")
    (tmp_path / "inner_of_two.py").write_text(
        "from tracetools.testing import imported\nimported()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    links = []

    def imported():
        links.extend(links_of(threading.get_ident()))

    monkeypatch.setattr(testing, "imported", imported, raising=False)

    def asks():
        import outer_of_two  # noqa: F401

    asks()
    kept = without_import(links)
    assert kept[0][0] is asks.__code__
    assert without_import(kept) == kept


class Kept:
    """Something that a function has as a local variable."""


def test_local_variables_of_another_thread_are_found_and_nothing_is_kept():
    ready, ends = threading.Event(), threading.Event()
    gone = []

    def outer(value):
        other = Kept()
        gone.append(weakref.ref(other))
        inner(value, other)

    def inner(value, other):
        del value, other
        ready.set()
        ends.wait(10)

    value = Kept()
    thread = threading.Thread(target=outer, args=(value,))
    thread.start()
    ready.wait(10)
    compat.threads_running()  # notes them: where other interpreters may run, no others are read
    try:
        assert locals_in_thread(thread.ident, "value", code=outer.__code__) == [value]
        assert locals_in_thread(thread.ident, "missing", code=outer.__code__) == [None]
        assert locals_in_thread(thread.ident, "value", code=inner.__code__) == [None]
        assert locals_in_thread(thread.ident, "value", code=Kept.__init__) == []
        assert locals_in_thread(1, "value", code=outer.__code__) == []
    finally:
        ends.set()
        thread.join()
    assert gone[0]() is None


@pytest.mark.skipif(sys.version_info < (3, 13), reason="a frame keeps the dictionary of its locals")
def test_local_variables_are_found_by_their_class():
    def function():
        one, _other = Kept(), object()
        compat.threads_running()
        return one, locals_in_thread(threading.get_ident(), kind=Kept)

    one, found = function()
    assert found == [one]
