"""Processes that a program spawns are recorded as it is, and otherwise what they were."""

import multiprocessing
import os
import pickle
import re
import signal
import sys
import tempfile
import textwrap
from multiprocessing import spawn
from pathlib import Path

import pytest

from tests.commands.programs import PROGRAMS, RECORDED, assert_same, end, started
from tests.commands.programs.servers import APP, ask, free_port
from tracetools import Profile
from tracetools.commands.child_processes import Children, start
from tracetools.core.stacks import ROOT, Times
from tracetools.output.formats.folded import read_folded

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


@pytest.fixture
def temporary():
    """Return a folder for temporary files, where nothing of ours may be left."""
    with tempfile.TemporaryDirectory() as folder:  # a short path, for that of a socket in it
        yield folder
        assert list(Path(folder).glob("tracetools-*")) == []


def stacks(folder):
    counts = read_folded(folder / "stack.folded").stacks
    return {"|".join(frame.split(" (")[0] for frame in path) for path in counts}


def counted(said):
    """Return how many loops were recorded, and of how many processes."""
    found = re.search(r"recorded (\d+) loops? \((.*)\)(?: of (\d+) processes)?,", said)
    assert found, said
    return int(found[1]), found[2], int(found[3] or 1)


def same(folder, temporary, program, *words, **more):
    """Run a text as a program, by Python and by us; return our report."""
    (folder / "app.py").write_text(textwrap.dedent(program))
    flags = ("-W", "ignore::DeprecationWarning")  # fork beside threads
    return assert_same("app.py", *words, folder=folder, flags=flags, TMPDIR=temporary, **more)


# -------------------------------------------------------------------------- whatever their end


@unix
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_children_are_recorded_and_end_as_they_would(tmp_path, temporary, method):
    said = assert_same(str(PROGRAMS / "spawns.py"), method, folder=tmp_path, TMPDIR=temporary)
    assert counted(said) == (5, "asyncio", 5)
    assert stacks(tmp_path) >= {"all-spans|step", "all-spans|sleep"}
    assert (tmp_path / "stack.svg").exists()


POOL = """
import asyncio, multiprocessing, sys
async def work(number):
    await asyncio.sleep(0)
    return number
def job(number):
    return asyncio.run(work(number))
if __name__ == "__main__":
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(job, range(5), chunksize=1), asyncio.run(work(5)))
"""


@unix
@pytest.mark.parametrize(("method", "loops"), [("spawn", 6), ("forkserver", 6), ("fork", 1)])
def test_workers_of_a_pool_are_recorded_though_they_are_terminated(
    tmp_path, temporary, method, loops
):
    said = same(tmp_path, temporary, POOL, method, covered=False)
    assert counted(said)[0] == loops


@unix
def test_children_are_recorded_where_the_program_chooses_no_start_method(tmp_path, temporary):
    program = """
        import asyncio, concurrent.futures, multiprocessing
        async def work():
            await asyncio.sleep(0)
            return multiprocessing.get_start_method(allow_none=True)
        def job():
            return asyncio.run(work())
        if __name__ == "__main__":
            with concurrent.futures.ProcessPoolExecutor(1) as pool:
                print(pool.submit(job).result(), pool.submit(job).result())
            child = multiprocessing.Process(target=job)
            child.start()
            child.join()
            print(child.exitcode, asyncio.run(work()), multiprocessing.get_start_method())
    """
    said = same(tmp_path, temporary, program, covered=False)
    spawned = sys.version_info >= (3, 14) or sys.platform == "darwin"  # before, Linux forked
    assert counted(said) == ((4, "asyncio", 3) if spawned else (1, "asyncio", 1))


@unix
def test_child_that_cannot_import_us_goes_on(tmp_path, temporary):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'BLOCKED' in os.environ: sys.modules['tracetools'] = None"
    )
    said = same(
        tmp_path,
        temporary,
        POOL.replace("    with", "    import os; os.environ['BLOCKED'] = ''\n    with"),
        "spawn",
        covered=False,
        PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2] / 'src'}",
    )
    assert counted(said) == (1, "asyncio", 1)


@unix
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_traceback_of_a_program_without_a_guard_is_its_own(tmp_path, temporary, method):
    program = f"""
        import multiprocessing
        child = multiprocessing.get_context("{method}").Process(target=print)
        child.start()
        child.join()
        print(child.exitcode)
    """
    assert "nothing was recorded" in same(tmp_path, temporary, program, covered=False)


@unix
def test_forked_copy_records_neither_itself_nor_its_children(tmp_path, temporary):
    program = """
        import asyncio, multiprocessing, os
        def job():
            asyncio.run(asyncio.sleep(0))
        def spawned():
            child = multiprocessing.get_context("spawn").Process(target=job)
            child.start()
            child.join()
            print(child.exitcode, flush=True)
        if __name__ == "__main__":
            spawned()
            if not os.fork():
                job()
                spawned()
                os._exit(0)
            os.wait()
    """
    assert counted(same(tmp_path, temporary, program, covered=False)) == (1, "asyncio", 1)


@unix
def test_worker_process_of_anyio_records_nothing(tmp_path, temporary):
    program = """
        import anyio, asyncio
        from anyio import to_process
        def job():
            asyncio.run(asyncio.sleep(0))
        if __name__ == "__main__":
            anyio.run(to_process.run_sync, job)
    """
    assert counted(same(tmp_path, temporary, program, covered=False)) == (1, "asyncio", 1)


@unix
def test_options_are_those_of_the_children_too(tmp_path, temporary):
    words = ("-q", "--lens=scheduled", "--labels=location", "app.py", "spawn")
    (tmp_path / "app.py").write_text(POOL.replace("asyncio.sleep(0)", "asyncio.sleep(0.001)"))
    with started(*RECORDED, *words, folder=tmp_path, TMPDIR=temporary) as process:
        assert end(process).errors == ""
    assert "all-spans|app.py:3" in stacks(tmp_path)


@unix
def test_profiles_that_cannot_be_read_are_left_out_and_counted(tmp_path, temporary):
    program = """
        import glob, os, tempfile
        for file in glob.glob(tempfile.gettempdir() + "/tracetools-*/*.folded")[:1]:
            open(file, "w").write("nonsense")
    """
    program = POOL + textwrap.indent(textwrap.dedent(program), "    ")
    said = same(tmp_path, temporary, program, "spawn", covered=False)
    assert "tracetools: what 1 spawned processes recorded cannot be read" in said
    assert counted(said)[0] >= 1


# ------------------------------------------------------------------------------ real servers


@unix
@pytest.mark.parametrize(
    ("words", "workers", "stop"),
    [
        (("hypercorn", "-ktrio", "--bind"), 1, (os.kill, signal.SIGTERM)),
        (("-m", "hypercorn", "-w2", "-ktrio", "--bind"), 2, (os.kill, signal.SIGINT)),
        (("hypercorn", "-ktrio", "--bind"), 1, (os.killpg, signal.SIGINT)),
        (("-m", "uvicorn", "--workers=2", "--port"), 2, (os.kill, signal.SIGTERM)),
    ],
    ids=["hypercorn", "two hypercorns", "hypercorn in a terminal", "uvicorn"],
)
def test_workers_of_a_server_are_recorded(tmp_path, temporary, words, workers, stop):
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    address = f"127.0.0.1:{port}" if words[-1] == "--bind" else str(port)
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    words = (*words, address, "app:app")
    with started(*RECORDED, *words, folder=tmp_path, TMPDIR=temporary, PATH=path) as process:
        assert b"hello" in ask(port, process, workers)
        send, number = stop
        send(process.pid, number)
        ended = end(process)
    assert ended.status == 0
    assert counted(ended.errors)[::2] == (workers, workers)
    assert any(stack.endswith("|answer") for stack in stacks(tmp_path)), ended.errors


# ----------------------------------------------------------------------------- in this process


PLAN = ({"lens": "busy"}, sys.path)


def sent():
    """Return the start method as it is sent to a child, and as the child receives it."""
    sent = spawn.get_preparation_data("child")["start_method"]
    return sent, pickle.loads(pickle.dumps(sent))


@pytest.fixture(params=["spawn", None])
def method(request):
    """Let the program choose a start method, or none; return what a child is sent about it."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(request.param, force=True)
    yield spawn.get_preparation_data("child")["start_method"]
    multiprocessing.set_start_method(before, force=True)


def test_function_of_multiprocessing_is_put_back():
    before = spawn.get_start_method
    children = Children(*PLAN)
    children.start()
    assert spawn.get_start_method != before
    children.end()
    children.end()
    assert spawn.get_start_method == before


def test_function_that_someone_else_has_installed_since_is_left_alone(monkeypatch):
    children = Children(*PLAN)
    children.start()
    monkeypatch.setattr(spawn, "get_start_method", lambda: "theirs")
    children.end()
    assert spawn.get_start_method() == "theirs"
    monkeypatch.undo()
    children.end()


def test_child_receives_the_start_method_that_it_would(method, temporary, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", temporary)
    children = Children(*PLAN)
    children.start()
    try:
        message, found = sent()
    finally:
        children.end()
        children.remove()
    assert message == (method or "")
    assert type(message) is not str
    assert (type(found), found) == (type(method), method)


def test_folder_is_made_for_the_first_child_and_removed():
    children = Children(*PLAN)
    children.start()
    assert children.collect() == ([], 0)
    children.remove()
    sent()  # this process, which is no child, is not recorded
    folder = Path(children._folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []
    children.end()
    children.remove()
    assert not folder.exists()


def test_children_are_started_as_ever_where_no_folder_can_be_made(method, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    children = Children(*PLAN)
    children.start()
    try:
        message, found = sent()
        assert (type(message), message) == (type(method), method)
        assert found == method
    finally:
        children.end()


def test_process_that_is_no_child_is_not_recorded(tmp_path):
    start(*PLAN, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_profiles_are_read_and_checked(tmp_path):
    good = Profile(stacks={(ROOT,): Times(busy=5)}, duration=5, runs=1)
    contents = {
        "good": pickle.dumps(good),
        "wrong": pickle.dumps(Profile(duration=5, runs=1)),
        "broken": pickle.dumps(good)[:-3],
        "other": pickle.dumps("a text"),
        "empty": b"",
    }
    for name, content in contents.items():
        (tmp_path / f"{name}.folded").write_bytes(content)
    (tmp_path / ".tracetools-1-2.tmp").write_bytes(b"unfinished")
    assert Children(*PLAN, str(tmp_path)).collect() == ([good], 3)
