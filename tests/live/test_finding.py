"""The loops that run in this process, found from any thread."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
import trio
import uvloop

from tests.live.programs import RUNS, Program
from tracetools.live.finding import running_loops


@pytest.mark.parametrize("name", RUNS)
def test_a_loop_is_found_from_its_thread_and_from_others(name):
    async def main(program):
        here = threading.get_ident()
        found = [running_loops()]
        await program.words.run_in_thread(lambda: found.append(running_loops()))
        for [running] in found:
            assert running.backend == program.backend
            assert running.thread in {here, 0}
        assert found[0][0].loop is found[1][0].loop
        assert found[0][0].thread == here
        return await program.dump_here()

    Program(name).dump(main)


def test_no_loop_is_found_where_none_runs():
    loop = asyncio.new_event_loop()
    assert running_loops() == []
    loop.close()


def test_a_loop_of_uvloop_is_found_that_a_function_runs():
    async def main():
        return await asyncio.to_thread(running_loops)

    loop = uvloop.new_event_loop()
    [running] = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    assert (running.backend, running.loop) == ("uvloop", loop)


def test_a_loop_within_another_thread_is_found():
    ready, ends = threading.Event(), threading.Event()

    async def main():
        ready.set()
        await trio.to_thread.run_sync(ends.wait, 10)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    ready.wait(10)
    [running] = running_loops()
    ends.set()
    thread.join()
    assert (running.backend, running.thread) == ("trio", thread.ident)


def test_a_dump_imports_no_backend():
    code = (
        "import sys, tracetools.live as live; live.take_dump();"
        "print(sys.modules.keys() & {'trio', 'asyncio', 'anyio', 'uvloop'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "set()\n"
