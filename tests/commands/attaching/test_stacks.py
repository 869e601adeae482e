"""The functions of the threads of another process."""

from __future__ import annotations

import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from tracetools.commands.attaching import stacks
from tracetools.commands.attaching.stacks import Thread, as_text


def unwinder(monkeypatch, found):
    module = ModuleType("_remote_debugging")
    module.RemoteUnwinder = lambda _, all_threads: SimpleNamespace(get_stack_trace=lambda: found)
    monkeypatch.setitem(sys.modules, "_remote_debugging", module)


def thread(number, *frames):
    return SimpleNamespace(thread_id=number, frame_info=frames)


def test_those_of_python_3_14_are_read(monkeypatch):
    frames = [
        SimpleNamespace(funcname=name, filename="a.py", lineno=line)
        for name, line in (("inner", 2), ("outer", 1))
    ]
    unwinder(monkeypatch, [thread(8), thread(7, *frames)])
    assert stacks.read_threads(7) == [
        Thread(7, [("outer", "a.py", 1), ("inner", "a.py", 2)]),
        Thread(8, []),
    ]


def test_those_of_python_3_15_are_read(monkeypatch):
    location = SimpleNamespace(lineno=3)
    frame = SimpleNamespace(funcname="f", filename="a.py", location=location)
    native = SimpleNamespace(funcname="<native>", filename="~", location=None)
    unwinder(monkeypatch, [SimpleNamespace(threads=[thread(7, frame, native)])])
    assert stacks.read_threads(7) == [Thread(7, [("<native>", "~", 0), ("f", "a.py", 3)])]


def test_where_they_cannot_be_read_there_are_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "_remote_debugging", None)
    assert stacks.read_threads(os.getpid()) == []


def test_the_innermost_function_comes_first_and_names_cannot_move_the_cursor():
    threads = [Thread(7, [("outer", "a.py", 1), ("in\x1b[2Jner", "a.py", 2)]), Thread(8, [])]
    first, *lines = as_text(7, threads).splitlines()
    assert first == "main thread"
    assert lines[1:] == ["  outer (a.py:1)", "thread 8"]
    assert "\x1b" not in lines[0]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python does not read them")
def test_those_of_a_real_process_are_read():
    code = "import time\ndef blocks():\n    print(1, flush=True)\n    time.sleep(60)\nblocks()"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as program:
        program.stdout.readline()
        [main] = stacks.read_threads(program.pid)
        program.kill()
    assert [name for name, _, _ in main.functions] == ["<module>", "blocks"]
