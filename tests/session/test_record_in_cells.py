"""`record` in the cells of a notebook: exact profiles, by a fake IPython and a fake clock."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import traceback

import pytest
import trio

from tests.notebooks import FILE, Notebook
from tracetools import RecordingError, record, span
from tracetools.core.stacks import RUNTIME
from tracetools.output.lints import find_lints
from tracetools.recording.current import recorded_loops
from tracetools.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Let what would be written be seen."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch, clock):
    """Run cells in a notebook, and return the profile of what they call `r`."""
    notebook = Notebook(monkeypatch)

    def sleep(milliseconds):
        clock.tick(milliseconds * 1_000_000)

    def run(*cells, **names):
        def make(*args, **options):
            return record(*args, **{"clock": clock, "await_stacks": False} | options)

        known = {"asyncio": asyncio, "trio": trio, "record": make, "sleep": sleep, "span": span}
        notebook.run(*cells, **known | names)
        profile = notebook.shell.user_ns["r"].profile
        profile.check()
        assert not recorded_loops
        return profile

    run.notebook = notebook
    return run


def busy(profile):
    """Return the busy milliseconds of each stack that has any, or steps."""
    return {
        ";".join(frame.label for frame in path): times.busy // 1_000_000
        for path, times in profile.stacks.items()
        if times.busy or times.steps
    }


CELL = "all-spans;cell (In [1]:1)"

# ---------------------------------------------------------------------------------- top-level await


@pytest.mark.parametrize("how", ["with", "async with"])
def test_an_await_in_a_cell_is_recorded_from_the_step_on_that_enters(run, how):
    profile = run(f"sleep(1)\n{how} record() as r:\n sleep(2); await asyncio.sleep(0); sleep(4)")
    assert busy(profile) == {CELL: 6}
    assert (profile.duration, profile.runs) == (6_000_000, 1)
    [path] = [path for path in profile.stacks if path[-1].name == "cell"]
    assert profile.stacks[path].steps == 2


@pytest.mark.parametrize("how", ["with", "async with"])
def test_the_step_that_enters_ends_where_the_cell_awaits(run, clock, how):
    def other():
        clock.tick(8_000_000)

    cell = (
        "asyncio.get_running_loop().call_soon(other)\n"
        f"{how} record() as r:\n sleep(2); await asyncio.sleep(0); sleep(4)"
    )
    found = busy(run(cell, other=other))
    assert found.pop(CELL) == 6
    [(name, time)] = found.items()
    assert name.startswith("all-spans;(callbacks);test_the_step_that_enters")
    assert time == 8


def test_entering_lets_nothing_else_run(run):
    cell = (
        "order = []\n"
        "asyncio.get_running_loop().call_soon(order.append, 'callback')\n"
        "async with record() as r: order.append('block')"
    )
    run(cell)
    assert run.notebook.shell.user_ns["order"] == ["block", "callback"]


def test_tasks_of_the_kernel_that_only_wait_are_not_shown(run):
    profile = run("with record() as r: await asyncio.sleep(0)")
    assert not any(RUNTIME in path for path in profile.stacks)


def test_what_a_cell_awaits_and_spawns_stands_below_it(run):
    cell = (
        "async def child(): sleep(1)\n"
        "async def main():\n"
        " with span('s'): sleep(2)\n"
        " await asyncio.gather(child(), child())\n"
        "with record() as r: await main()"
    )
    assert busy(run(cell)) == {
        CELL: 0,
        f"{CELL};s (In [1]:3)": 2,
        f"{CELL};child (In [1]:1)": 2,
    }


def test_the_name_of_a_cell_is_the_same_in_every_process(run):
    run.notebook.shell.compile.next_file = "/temporary/ipykernel_1/77.py"
    first = run("with record() as r:\n await asyncio.sleep(0); sleep(1)")
    run.notebook.shell.execution_count = 1
    run.notebook.shell.compile.next_file = "/temporary/ipykernel_2/77.py"
    second = run("with record() as r:\n await asyncio.sleep(0); sleep(1)")
    assert first.stacks == second.stacks


def test_a_cell_that_runs_again_has_its_new_number(run):
    cell = "with record() as r: await asyncio.sleep(0); sleep(1)"
    assert busy(run(cell)) == {CELL: 1}
    assert busy(run(cell)) == {"all-spans;cell (In [2]:1)": 1}


def test_a_function_of_an_earlier_cell_has_the_name_of_that_cell(run):
    compiler = run.notebook.shell.compile
    run("async def main(): sleep(1)\nwith record() as r: pass")
    compiler.next_file = "/temporary/ipykernel_4711/5678.py"
    profile = run("with record() as r: await asyncio.create_task(main())")
    assert busy(profile) == {
        "all-spans;cell (In [2]:1)": 0,
        "all-spans;cell (In [2]:1);main (In [1]:1)": 1,
    }


def test_a_step_that_the_cell_never_ends_is_recorded_up_to_the_end(run):
    profile = run("with record() as r:\n sleep(2)\n if False: await asyncio.sleep(0)")
    assert busy(profile) == {CELL: 2}


def test_a_cell_that_raises_leaves_a_whole_profile_and_raises_as_without_us(run):
    cell = "with record() as r:\n sleep(1); await asyncio.sleep(0); sleep(2); 1 / 0"
    with pytest.raises(ZeroDivisionError) as caught:
        run(cell)
    found = run.notebook.shell.user_ns["r"].profile
    found.check()
    assert busy(found) == {CELL: 3}
    files = [each.filename for each in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == FILE
    assert not any("tracetools" in file for file in files)
    assert not recorded_loops


# -------------------------------------------------------------------------- cells that do not await


def test_the_kernels_loop_is_not_recorded_around_a_cell_that_does_not_await(run, clock):
    async def main():
        clock.tick(3_000_000)

    profile = run("with record(blocking=0.001) as r: sleep(500); trio.run(main)", main=main)
    assert profile.backends == ("trio",)
    assert sum(busy(profile).values()) == 3
    assert [lint.kind for lint in find_lints(profile).shown] == ["blocks"]  # it is main, on trio


def test_loops_in_threads_are_recorded_around_a_cell_that_does_not_await(run, clock):
    def in_thread(coroutine):
        thread = threading.Thread(target=asyncio.run, args=[coroutine])
        thread.start()
        thread.join()

    cell = "async def main(): sleep(3)\nwith record() as r: in_thread(main()); sleep(500)"
    profile = run(cell, in_thread=in_thread)
    assert busy(profile)["all-spans;main (In [1]:1)"] == 3
    assert (profile.runs, profile.duration) == (1, 3_000_000)


def test_a_task_that_such_a_cell_makes_does_not_start_the_recording_of_its_loop(run):
    cell = "with record() as r: task = asyncio.ensure_future(asyncio.sleep(0)); sleep(500)"
    profile = run(cell)
    assert (profile.runs, profile.duration, profile.untracked) == (0, 0, 0)


@pytest.fixture(params=["within", "around", "each time"])
def run_nested(monkeypatch, request, clock):
    """Run the kernel's loop within its step, as nest_asyncio does.

    The outer task steps again after that, or before it is quite over; or, as nest_asyncio2 has it,
    each time when the loop has gone round.
    """
    how = request.param
    original = asyncio.BaseEventLoop.run_until_complete

    @contextlib.contextmanager
    def left(loop):
        current = asyncio.current_task()
        asyncio.tasks._leave_task(loop, current)
        yield
        asyncio.tasks._enter_task(loop, current)

    def run_until_complete(self, task):
        if not self.is_running():
            return original(self, task)
        with contextlib.nullcontext() if how == "around" else left(self):
            while not task.done():
                self._run_once()
                if how == "each time":
                    asyncio.tasks._enter_task(self, outer[-1])
                    clock.tick(10_000_000)
                    asyncio.tasks._leave_task(self, outer[-1])
        return task.result()

    monkeypatch.setattr(asyncio.SelectorEventLoop, "run_until_complete", run_until_complete)
    outer = []

    def run_nested(coroutine):
        loop = asyncio.get_running_loop()
        outer.append(asyncio.current_task())
        with left(loop) if how == "around" else contextlib.nullcontext():
            return loop.run_until_complete(asyncio.ensure_future(coroutine))

    run_nested.between = 10 if how == "each time" else 0
    return run_nested


def test_the_kernels_loop_is_recorded_while_it_runs_within_itself(run, run_nested):
    cell = (
        "async def main():\n sleep(1); await asyncio.sleep(0)\n"
        "with record() as r:\n"
        " sleep(100); run_nested(main()); sleep(200); run_nested(main()); sleep(400)"
    )
    profile = run(cell, run_nested=run_nested)
    assert busy(profile).pop("all-spans;main (In [1]:1)") == 2
    assert profile.duration == (2 + 4 * run_nested.between) * 1_000_000
    assert profile.busy == 2_000_000
    assert (profile.runs, profile.untracked) == (1, 0)


# ------------------------------------------------------------------------------- the kernel's tasks


def test_tasks_of_the_kernel_that_step_stand_apart_and_block_nothing(run):
    # The recording is in a task of an earlier cell; meanwhile another cell takes long.
    first = (
        "async def records():\n"
        " global r\n"
        " async with record(blocking=0.001) as r:\n"
        "  begun.set_result(None); await done; sleep(1)\n"
        "begun, done = asyncio.Future(), asyncio.Future()\n"
        "task = asyncio.create_task(records())\n"
        "await begun"
    )
    profile = run(first, "sleep(5000)", "done.set_result(None)\nawait task")
    found = busy(profile)
    [kernel] = [name for name in found if "shell_main_in_one_step" in name]
    assert kernel.startswith("all-spans;(runtime);shell_main_in_one_step (")
    assert found[kernel] == 5000
    assert found["all-spans;records (In [3]:1)"] == 1
    assert profile.blocking == {}
    assert find_lints(profile).shown == ()


def test_a_cell_that_awaits_blocks_the_loop_as_any_task_does(run):
    profile = run("with record(blocking=0.1) as r:\n await asyncio.sleep(0); sleep(200)")
    [path] = profile.blocking
    assert [frame.name for frame in path[1:2]] == ["cell"]
    assert [lint.kind for lint in find_lints(profile).shown] == ["blocks"]


def test_a_task_of_the_kernel_starts_no_recording_of_another_loop(run):
    """ipykernel has loops of its own in other threads, which make such tasks."""
    cell = (
        "made = kernel.shell_main_in_one_step(nothing())\n"
        "with record() as r: asyncio.run_coroutine_threadsafe(made, other).result()"
    )

    async def nothing():
        pass

    with a_loop_in_a_thread() as other:
        profile = run(cell, kernel=run.notebook.kernel, other=other, nothing=nothing)
    assert (profile.runs, profile.duration) == (0, 0)


def test_a_task_of_the_program_starts_the_recording_of_another_loop(run, clock):
    async def main():
        clock.tick(3_000_000)

    cell = "with record() as r: asyncio.run_coroutine_threadsafe(main(), other).result()"
    with a_loop_in_a_thread() as other:
        profile = run(cell, other=other, main=main)
    assert (profile.runs, profile.busy) == (1, 3_000_000)


@contextlib.contextmanager
def a_loop_in_a_thread():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


# --------------------------------------------------------------------------------- on trio, refused


def test_a_cell_that_trio_runs_is_recorded_on_trio(run, clock):
    shell = run.notebook.shell
    names = {"record": lambda: record(clock=clock, await_stacks=False), "trio": trio}
    shell.user_ns.update(names, sleep=lambda ms: clock.tick(ms * 1_000_000))
    cell = "with record() as r:\n sleep(1); await trio.lowlevel.checkpoint(); sleep(2)"

    async def loc(coro):
        return await coro

    loc.__qualname__ = "_trio_runner.<locals>.loc"
    trio.run(loc, shell.run_cell_async(cell))
    profile = shell.user_ns["r"].profile
    profile.check()
    assert busy(profile)[CELL] == 3
    assert profile.backends == ("trio",)


def test_in_tasks_that_no_cell_calls_with_is_refused_as_elsewhere(run):
    async def records():
        with pytest.raises(RecordingError, match="async with"):
            record().__enter__()

    run("await asyncio.create_task(records())\nwith record() as r: pass", records=records)


# ------------------------------------------------------------------------------------------ no file


def test_without_a_file_nothing_is_written(run, folder):
    run("with record(flush_interval=0.001) as r: trio.run(trio.lowlevel.checkpoint)")
    assert list(folder.iterdir()) == []


def test_with_a_name_a_file_is_written_and_nothing_is_shown(run, folder):
    run("with record('named') as r: trio.run(trio.lowlevel.checkpoint)")
    assert [file.name for file in folder.iterdir()] == ["named.folded"]
    assert run.notebook.shown == []


def test_each_recording_of_a_cell_is_shown_once_when_it_has_run(run):
    run(
        "with record() as first: trio.run(trio.lowlevel.checkpoint)\n"
        "with record() as r: trio.run(trio.lowlevel.checkpoint)"
    )
    names = run.notebook.shell.user_ns
    assert run.notebook.shown == [names["first"], names["r"]]


def test_what_the_cell_has_shown_itself_is_not_shown_again(run):
    run("with record() as r: await asyncio.sleep(0)\nr._repr_html_()")
    assert run.notebook.shown == []


def test_what_a_cell_that_raises_has_recorded_is_shown(run):
    with pytest.raises(ZeroDivisionError):
        run("with record() as r: trio.run(trio.lowlevel.checkpoint); 1 / 0")
    assert run.notebook.shown == [run.notebook.shell.user_ns["r"]]


def test_an_error_of_the_display_does_not_take_the_place_of_the_programs(run, caplog):
    run.notebook.shell.display_formatter.active_types = 3
    with pytest.raises(ZeroDivisionError):
        run("with record() as r: await asyncio.sleep(0); 1 / 0")
    assert "could not be ended as it should" in caplog.text
    caplog.clear()
