"""Lines of the program, found from frames."""

import asyncio
import sys

import trio

from tracetools.core.resources import Resource
from tracetools.core.stacks import Frame
from tracetools.instruments import resource_places
from tracetools.instruments.resource_places import line_of, resource_made, resource_used


def here():
    return sys._getframe(1)


def test_a_line_is_that_of_the_innermost_function():
    [found] = line_of(here())
    line = sys._getframe().f_lineno - 1
    name = "test_a_line_is_that_of_the_innermost_function"
    assert found == Frame(name, __file__, line)


def test_the_same_line_is_the_same_frame():
    found = {id(line_of(here())[0]) for _ in range(3)}
    assert len(found) == 1


def test_two_lines_of_a_function_are_two():
    one = line_of(here())
    two = line_of(here())
    assert one[0].line != two[0].line


def test_functions_of_runtimes_are_passed_over():
    seen = []

    async def main():
        lock = asyncio.Lock()
        lock.acquire = acquire
        async with lock:  # which calls a method of asyncio's that calls this one
            lock._locked = True

    async def acquire():
        seen.append(line_of(here().f_back))

    asyncio.run(main())
    assert [frame.name.rpartition(".")[2] for [frame] in seen] == ["main"]


def test_a_task_has_no_line_of_what_has_started_its_loop():
    seen = []

    async def main():
        seen.append(line_of(here().f_back))

    asyncio.run(main())
    trio.run(main)
    assert seen == [(), ()]


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(resource_places, "_MAX_LINES", 3)
    monkeypatch.setattr(resource_places, "_lines", {})
    for name in "abcdefg":
        code = f"def {name}(here):\n    return here()"
        known = {}
        exec(compile(code, "made_up.py", "exec"), known)  # noqa: S102  # a program's own
        assert line_of(known[name](here)) == (Frame(name, "made_up.py", 2),)
    assert len(resource_places._lines) <= 3


def test_what_is_known_of_a_resource_is_how_and_where():
    made = resource_made("Lock", here(), lambda _: None)
    assert (made.kind, made.is_made, made.place.file) == ("Lock", True, __file__)
    assert not resource_used("Lock", here()).is_made
    assert resource_made("Lock", None, lambda _: None) == Resource("Lock", Frame("?"))
