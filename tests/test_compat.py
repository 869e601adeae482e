"""Private names of others: what each function does with them, and without them."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.sslproto
import importlib
import os
import socket
import sys
import threading
import time
from functools import partial
from multiprocessing import util
from operator import methodcaller
from types import ModuleType, SimpleNamespace

import pytest
import trio

from tests.processes import run
from tracetools import compat

TRIO_RUN = "trio._core._run"
TRIO_TRAPS = "trio._core._traps"


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch):
    """Forget which trio was imported first."""
    monkeypatch.setattr(compat, "_found", {})


@pytest.fixture
def put(monkeypatch):
    """Put a module of this name and with these attributes where imported modules are."""

    def put(name, **attributes):
        module = ModuleType(name)
        compat._found.clear()
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return put


# ---------------------------------------------------------------------------- what is missing


def test_nothing_is_missing_in_what_is_installed_here():
    assert {"trio", "asyncio"} <= sys.modules.keys()
    assert list(compat.missing()) == []


def test_nothing_is_missing_of_what_is_not_imported(monkeypatch):
    for name in {each.module for each in compat._NAMES}:
        if name != "sys":
            monkeypatch.delitem(sys.modules, name, raising=False)
    assert list(compat.missing()) == []


@pytest.mark.parametrize("name", compat._NAMES, ids=lambda name: f"{name.module}.{name.path}")
def test_a_name_that_is_gone_is_named_with_what_is_lost(monkeypatch, name):
    *outer, last = name.path.split(".")
    owners = [pytest.importorskip(name.module)]
    for each in outer:
        owners.append(getattr(owners[-1], each))
    try:
        monkeypatch.delattr(owners[-1], last)
    except (AttributeError, TypeError):  # its owner cannot be changed
        monkeypatch.setattr(owners[-2], outer[-1], object())
    sentences = list(compat.missing())
    assert sentences == [f"{name.module}.{name.path} is gone: {name.lost}"]


def test_a_module_without_any_name_misses_all_of_them(put):
    put(TRIO_RUN)
    expected = [each for each in compat._NAMES if each.module == TRIO_RUN]
    assert len(list(compat.missing())) == len(expected) > 1


# ------------------------------------------------------------------------- the interpreter


@pytest.mark.parametrize("has_gil", [True, False])
def test_an_interpreter_without_its_gil_cannot_be_recorded(monkeypatch, has_gil):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: has_gil, raising=False)
    why = compat.why_not()
    assert why is None if has_gil else "PYTHON_GIL=1" in why


def test_an_interpreter_that_knows_no_other_way_has_its_gil(monkeypatch):
    monkeypatch.delattr(sys, "_is_gil_enabled", raising=False)
    assert compat.why_not() is None


# ------------------------------------------------------------------------------------ trio


def test_the_instruments_of_a_trio_run_are_found():
    async def main():
        instruments = compat.trio_instruments()
        assert list(instruments) == [instrument]

    instrument = trio.abc.Instrument()
    trio.run(main, instruments=[instrument])
    assert compat.trio_instruments() is None


@pytest.mark.parametrize(
    "context",
    [
        None,
        SimpleNamespace(),
        SimpleNamespace(runner=None),
        SimpleNamespace(runner=SimpleNamespace()),
        SimpleNamespace(runner=SimpleNamespace(instruments={})),
        SimpleNamespace(runner=SimpleNamespace(instruments=[])),
    ],
)
def test_without_their_names_there_are_no_instruments(put, context):
    put(TRIO_RUN, GLOBAL_RUN_CONTEXT=context)
    assert compat.trio_instruments() is None


def test_without_trio_nothing_of_it_is_found(monkeypatch):
    for name in (TRIO_RUN, TRIO_TRAPS):
        monkeypatch.delitem(sys.modules, name)
    assert compat.trio_instruments() is None
    assert compat.trio_step_code() is None
    assert compat.trio_run_module() is None
    assert compat.trio_checkpoint() is not None  # no task yields it
    assert compat.trio_checkpoint() is not trio._core._traps.CancelShieldedCheckpoint


def test_a_scheduled_task_sends_to_another_coroutine():
    now = SimpleNamespace(send=[].append, throw=[].extend)
    for method in ("send", "throw"):
        before = SimpleNamespace(__name__=method)
        scheduled = SimpleNamespace(coro=now, _next_send_fn=before)
        compat.trio_rebind(scheduled)
        assert scheduled._next_send_fn is getattr(now, method)
    for untouched in (SimpleNamespace(__name__="step"), None):
        task = SimpleNamespace(coro=now, _next_send_fn=untouched)
        compat.trio_rebind(task)
        assert task._next_send_fn is untouched
    other = SimpleNamespace(coro=now)
    compat.trio_rebind(other)
    assert vars(other) == {"coro": now}


def test_the_code_that_steps_trios_tasks_is_found(put):
    assert compat.trio_step_code() is trio._core._run.unrolled_run.__code__
    for without in ({}, {"unrolled_run": len}):  # a function in C has no code
        put(TRIO_RUN, **without)
        assert compat.trio_step_code() is None


def test_what_a_trio_task_yields_at_a_checkpoint_is_found(put):
    marker = object()
    put(TRIO_TRAPS, CancelShieldedCheckpoint=marker)
    assert compat.trio_checkpoint() is marker


def test_the_module_that_runs_trio_is_found(put):
    assert compat.trio_run_module() is trio._core._run
    assert compat.trio_run_module() is not put(TRIO_RUN)


# --------------------------------------------------------------------------------- asyncio


def test_callbacks_that_are_scheduled_are_replaced():
    done = []
    loop = asyncio.new_event_loop()
    loop.call_soon(done.append, "before")
    compat.asyncio_replace_callbacks(loop, lambda _: lambda text: done.append(f"not {text}"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert done == ["not before"]


def test_callbacks_are_replaced_though_another_thread_schedules_some():
    loop = asyncio.new_event_loop()
    loop.call_soon(int)

    def replace(callback):
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(int,))
        thread.start()
        thread.join()
        return callback

    compat.asyncio_replace_callbacks(loop, replace)
    loop.close()


def test_a_loop_in_c_has_no_callbacks_to_replace():
    compat.asyncio_replace_callbacks(object(), lambda _: pytest.fail("there is none"))


def test_the_running_loop_is_found(put, monkeypatch):
    async def main():
        return compat.asyncio_running_loop() is asyncio.get_running_loop()

    assert compat.asyncio_running_loop() is None
    assert asyncio.run(main())
    put("asyncio", _get_running_loop=lambda: "loop")
    assert compat.asyncio_running_loop() == "loop"
    put("asyncio")  # it is being imported
    assert compat.asyncio_running_loop() is None
    monkeypatch.delitem(sys.modules, "asyncio")
    assert compat.asyncio_running_loop() is None


def test_the_descriptor_that_wakes_a_loop_is_found():
    here, there = socket.socketpair()
    with here, there:
        assert compat.asyncio_wakeup_fd(SimpleNamespace(_csock=here)) == here.fileno()
    assert compat.asyncio_wakeup_fd(SimpleNamespace(_csock=None)) is None
    assert compat.asyncio_wakeup_fd(object()) is None


def test_the_frames_of_where_a_task_was_made_are_found():
    made = SimpleNamespace(_source_traceback=["frame"])
    assert compat.asyncio_creation(made) == ["frame"]
    assert compat.asyncio_creation(object()) is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_the_constructor_of_an_eager_factory_is_found():
    factory = asyncio.create_eager_task_factory(SimpleNamespace)
    assert compat.asyncio_eager_constructor(asyncio.eager_task_factory) is asyncio.Task
    assert compat.asyncio_eager_constructor(factory) is SimpleNamespace


def test_another_factory_has_no_eager_constructor(put):
    assert compat.asyncio_eager_constructor(lambda: None) is None
    put("asyncio")
    assert compat.asyncio_eager_constructor(len) is None


def test_a_callback_that_steps_a_task_is_known():
    async def main():
        callbacks = []
        loop = asyncio.get_running_loop()
        loop.call_soon(callbacks.append, None)
        task = loop.create_task(asyncio.sleep(0))
        python_task = asyncio.tasks._PyTask(asyncio.sleep(0))
        found = [handle._callback for handle in loop._ready]
        assert [compat.asyncio_is_step(each) for each in found] == [False, True, True]
        await asyncio.gather(task, python_task)

    asyncio.run(main())


def test_an_object_of_the_program_is_asked_nothing():
    class Callback:
        def __getattribute__(self, name):
            pytest.fail(f"asked for {name}")

    assert not compat.asyncio_is_step(Callback())


def test_a_method_that_merely_has_the_name_of_a_step_is_none():
    class Program:
        def __step(self):
            pass

        step = __step

    assert not compat.asyncio_is_step(Program().step)


def test_methods_of_futures_are_known():
    future = asyncio.new_event_loop().create_future()
    future.get_loop().close()
    assert compat.asyncio_is_of_future(future.set_result)
    assert not compat.asyncio_is_of_future([].append)
    assert not compat.asyncio_is_of_future(print)


@pytest.mark.parametrize("is_secure", [False, True])
def test_the_method_of_the_protocol_behind_a_transport_is_found(is_secure):
    class Answers(asyncio.Protocol):
        def data_received(self, data):
            pass

    protocol = Answers()
    if is_secure:
        secure = object.__new__(asyncio.sslproto.SSLProtocol)
        secure._app_protocol, protocol = protocol, secure
    transport = object.__new__(asyncio.selector_events._SelectorSocketTransport)
    transport._protocol = protocol
    assert compat.asyncio_protocol_method(transport._read_ready) is Answers.data_received
    assert compat.asyncio_protocol_method(transport.close) is None
    transport._protocol = None
    assert compat.asyncio_protocol_method(transport._read_ready) is None
    del transport.__dict__["_protocol"]
    assert compat.asyncio_protocol_method(transport._read_ready) is None
    transport._sock = None  # for its finaliser


def test_a_callback_that_was_scheduled_last_is_rearmed():
    def callback():
        pass

    class Program:
        def method(self):
            pass

    loop, program = asyncio.new_event_loop(), Program()
    for each, again in ((callback, callback), (program.method, program.method)):
        handle = asyncio.Handle(each, (), loop)
        loop._ready.clear()
        assert not compat.asyncio_is_rearmed(handle, each)
        loop.call_soon(again)
        assert compat.asyncio_is_rearmed(handle, each)
        loop.call_soon(Program().method)
        assert not compat.asyncio_is_rearmed(handle, each)
    loop.close()


@pytest.mark.parametrize(
    ("pause", "argument", "is_at_once"),
    [(0, 1, True), (0.0009, 1, True), (0.002, 1, False), (0, 2, False)],
)
def test_a_timer_that_sets_itself_again_sooner_than_a_loop_waits_is_rearmed(
    pause, argument, is_at_once
):
    def callback(_):
        pass

    loop = asyncio.new_event_loop()
    timer = asyncio.TimerHandle(loop.time(), callback, (1,), loop)
    assert not compat.asyncio_is_rearmed(timer, callback)
    again = loop.call_at(timer.when() + pause, callback, argument)
    assert compat.asyncio_is_rearmed(timer, callback) is is_at_once
    assert not compat.asyncio_is_rearmed(asyncio.Handle(callback, (1,), loop), callback)
    assert not compat.asyncio_is_rearmed(timer, print)
    again.cancel()
    assert not compat.asyncio_is_rearmed(timer, callback)
    loop.close()


# --------------------------------------------------------------------------------- CPython


def test_the_calling_frame_is_found():
    assert compat.getframe(0) is sys._getframe()


@pytest.fixture
def without_ctypes(monkeypatch):
    monkeypatch.setattr(compat, "_thread_states", lambda: None)


@pytest.fixture
def thread():
    """A thread that was noted, and the code that it runs in."""
    noted, over = threading.Event(), threading.Event()
    found = SimpleNamespace()

    def run():
        found.identity = compat.this_thread()
        found.code = sys._getframe().f_code
        noted.set()
        over.wait()

    one = threading.Thread(target=run)

    def end():
        over.set()
        one.join()

    one.start()
    noted.wait()
    found.end = end
    yield found
    end()


def codes_of(thread):
    [frame] = compat.innermost_frame(thread)
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def test_the_frames_of_a_thread_are_found(thread):
    assert thread.code in codes_of(thread.identity)
    assert sys._getframe().f_code not in codes_of(thread.identity)


def test_the_frames_of_a_thread_are_found_without_ctypes(thread, without_ctypes, monkeypatch):
    monkeypatch.setattr(compat, "_MAKERS", ())
    assert thread.code in codes_of(thread.identity)


def test_the_frames_of_this_thread_are_found():
    [frame] = compat.innermost_frame(compat.this_thread())
    assert frame is sys._getframe()


def test_a_thread_that_ended_has_no_frame(thread):
    thread.end()
    assert list(compat.innermost_frame(thread.identity)) == [None]


def test_a_thread_that_was_not_noted_has_no_frame():
    assert list(compat.innermost_frame(1)) == [None]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters share one GIL")
def test_no_frame_is_asked_for_where_other_interpreters_may_run(put, without_ctypes):
    put("_interpreters")
    here = compat.this_thread()
    assert list(compat.innermost_frame(here)) == [None]
    assert any("ctypes cannot be used" in sentence for sentence in compat.missing())


def test_ctypes_that_cannot_be_imported_is_done_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert compat._thread_states.__wrapped__() is None


def test_a_pending_call_comes_when_what_asked_for_it_is_over():
    said = []
    call = compat.pending_call(partial(said.append, "called"))
    noted = map(methodcaller("__call__"), (call, partial(list, said), partial(said.append, "over")))
    _, meanwhile, _ = list(noted)  # C functions call all of these
    assert meanwhile == []
    while "called" not in said:
        time.sleep(0)
    assert said == ["over", "called"]


def test_without_ctypes_no_call_can_be_pending(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert compat.pending_call(list) is None


@pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")
def test_what_starts_processes_is_there_and_takes_an_environment():
    starter = compat.process_starter()
    module = importlib.import_module(starter.module)
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, starter.name, lambda *arguments: calls.append(arguments))
        util.spawnv_passfds("/bin/x", [b"x", b"y"], [])
    (arguments,) = calls
    assert arguments[starter.command] == [b"x", b"y"]
    assert arguments[starter.environment] is None
    assert starter.pack({"A": "1"}) == [b"A=1"]


def test_a_module_is_run_as_python_does():
    assert compat.runpy_run_module().__module__ == "runpy"


@pytest.mark.parametrize("ready", [True, False])
def test_a_loop_calls_something_next_where_its_queue_is_known(ready):
    called = []

    class Loop(asyncio.SelectorEventLoop):
        pass

    def first():
        compat.asyncio_call_next(hidden if not ready else loop, lambda: called.append("next"))
        called.append("first")

    loop = Loop()
    hidden = SimpleNamespace(call_soon=loop.call_soon)
    for callback in (first, lambda: called.append("second"), loop.stop):
        loop.call_soon(callback)
    loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    expected = ["first", "next", "second"] if ready else ["first", "second", "next"]
    assert called == expected


# ---------------------------------------------------------------------------- for a dump


class _Slotted:
    __slots__ = ("empty", "value")

    def __init__(self):
        self.value = 1


class _WithProperty:
    default = "of the class"

    def __init__(self):
        self.value = 1
        self.__dict__["both"] = 2

    @property
    def computed(self):
        raise AssertionError("it was asked")

    @property
    def both(self):
        raise AssertionError("it was asked")

    def __getattr__(self, name):
        raise AssertionError("it was asked")


def test_only_what_is_stored_is_read():
    assert compat.stored(_Slotted(), "value") == 1
    assert compat.stored(_Slotted(), "empty") is None
    found = _WithProperty()
    assert compat.stored(found, "value") == 1
    assert compat.stored(found, "default") == "of the class"
    for name in ("computed", "both", "missing"):
        assert compat.stored(found, name) is None
    compat.forget_classes()
    assert compat._plain_names == {}


def test_what_a_future_of_asyncio_in_c_has_stored_is_read():
    async def main():
        gathered = asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        assert len(compat.stored(gathered, "_children")) == 2
        assert compat.stored(gathered, "_state") == "PENDING"
        assert compat.asyncio_waits(gathered)
        await gathered
        assert not compat.asyncio_waits(gathered)

    asyncio.run(main())


def test_the_threads_that_run_are_told_with_their_names():
    ends = threading.Event()
    thread = threading.Thread(target=ends.wait, args=(10,), name="one of ours")
    thread.start()
    try:
        assert {threading.get_ident(), thread.ident} <= {*compat.threads_running()}
        assert compat.name_of_thread(thread.ident) == "one of ours"
        assert compat.name_of_thread(-1) == ""
    finally:
        ends.set()
        thread.join()


def test_no_garbage_is_collected_while_threads_are_listed():
    """On Python 3.11 a `threading.local` that is collected meanwhile would hang the process."""
    done = run("""
import gc
from tracetools import compat

def leave():
    local = threading.local()
    local.itself = local

here = threading.get_ident()
gc.set_threshold(1)
for _ in range(100):
    for ask in (compat.threads_running, compat.frames_of_threads):
        leave()
        ask()
    leave()
    next(compat.frames_of_thread(here))
print(gc.isenabled())
gc.disable()
compat.threads_running()
print(gc.isenabled())
""")
    assert done.stdout.split() == ["True", "False"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters share one GIL")
def test_threads_are_found_where_other_interpreters_may_run(put):
    put("_interpreters")
    ends = threading.Event()
    thread = threading.Thread(target=ends.wait, args=(10,))
    thread.start()
    try:
        found = compat.threads_running()
        assert {threading.get_ident(), thread.ident} <= {*found}
        [frame] = compat.innermost_frame(thread.ident)
        assert frame.f_code.co_name == "wait"
    finally:
        ends.set()
        thread.join()


def test_the_code_of_a_function_is_found_by_its_path():
    code = compat.code_of("asyncio.base_events", "BaseEventLoop.run_forever")
    assert code is asyncio.BaseEventLoop.run_forever.__code__
    assert compat.code_of("asyncio.base_events", "BaseEventLoop.gone") is None
    assert compat.code_of("no.such.module", "function") is None
    assert compat.code_of("sys", "exit") is None


def test_the_code_is_known_by_which_a_guest_run_waits():
    assert compat.trio_guest_code().co_name == "get_events"
