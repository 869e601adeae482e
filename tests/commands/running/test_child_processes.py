"""Processes that a program spawns are recorded as it is, and otherwise what they were."""

import os
import re
import signal
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.commands.programs import (
    PROGRAMS,
    RECORDED,
    assert_same,
    end,
    started,
    what_we_said,
)
from tests.commands.programs.servers import APP, GUNICORN, ask
from tests.ports import free_port
from tracetools.output.formats.folded import read_folded

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


@pytest.fixture
def temporary():
    """Return a folder for temporary files, where nothing of ours may be left."""
    with tempfile.TemporaryDirectory() as folder:  # a short path, for that of a socket in it
        yield folder
        assert list(Path(folder).glob("tracetools-*")) == []


def stacks(folder):
    """Return all stacks, also those whose time is that of functions below."""
    counts = read_folded(folder / "stack.folded").stacks
    names = (tuple(frame.split(" (")[0] for frame in path) for path in counts)
    return {"|".join(path[:end]) for path in names for end in range(1, len(path) + 1)}


def counted(said):
    """Return how many loops were recorded, and of how many processes."""
    found = re.search(r"recorded (\d+) loops? \((.*)\)(?: of (\d+) processes)?,", said)
    assert found, said
    return int(found[1]), found[2], int(found[3] or 1)


def same(folder, temporary, program, *words, **more):
    """Run a text as a program, by Python and by us; return our report."""
    (folder / "app.py").write_text(textwrap.dedent(program))
    return assert_same("app.py", *words, folder=folder, TMPDIR=temporary, **more)


# -------------------------------------------------------------------------- whatever their end


@unix
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children_are_recorded_and_end_as_they_would(tmp_path, temporary, method):
    said = assert_same(str(PROGRAMS / "spawns.py"), method, folder=tmp_path, TMPDIR=temporary)
    assert counted(said) == (5, "asyncio", 5)
    assert stacks(tmp_path) >= {"all-spans|step", "all-spans|sleep"}
    assert (tmp_path / "stack.html").exists()


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
@pytest.mark.parametrize(("method", "loops"), [("spawn", 6), ("forkserver", 6), ("fork", 6)])
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
    assert counted(said) == (4, "asyncio", 3)


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
def test_forked_children_and_their_children_are_recorded(tmp_path, temporary):
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
    assert counted(same(tmp_path, temporary, program, covered=False)) == (3, "asyncio", 3)


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
        for file in glob.glob(tempfile.gettempdir() + "/tracetools-*/*-*.*")[:1]:
            open(file, "w").write("nonsense")
    """
    program = POOL + textwrap.indent(textwrap.dedent(program), "    ")
    said = same(tmp_path, temporary, program, "spawn", covered=False)
    assert "tracetools: what 1 process recorded cannot be read" in said
    assert counted(said)[0] >= 1


# -------------------------------------------------------------------------------------- forks


FORKS = """
import asyncio, glob, os, signal, sys, tempfile
async def in_child(): await asyncio.sleep(0.01)
async def killed():
    files = glob.glob(f"{tempfile.gettempdir()}/tracetools-*/{os.getpid()}-*.folded")
    before = [os.stat(file).st_ino for file in files]
    while files and [os.stat(file).st_ino for file in files] == before:
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
async def terminated():
    await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(60)
def fork(function):
    child = os.fork()
    if not child:
        asyncio.run(function())
        os._exit(5)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


@unix
@pytest.mark.parametrize(
    ("function", "ending"), [("in_child", 5), ("killed", -9), ("terminated", -15)]
)
def test_forked_child_leaves_its_profile_whatever_its_end(tmp_path, temporary, function, ending):
    said = same(tmp_path, temporary, f"{FORKS}\nprint(fork({function}))")
    assert counted(said) == (1, "asyncio", 1)
    assert f"all-spans|{function}" in stacks(tmp_path)


@unix
def test_child_that_is_forked_within_a_step_is_recorded_and_so_is_its_parent(tmp_path, temporary):
    program = (
        FORKS
        + """
async def main():
    print(fork(in_child), flush=True)
    await asyncio.sleep(0.01)
    child = os.fork()
    if not child:
        print(type(asyncio.new_event_loop()).__name__, flush=True)
        os._exit(6)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return await asyncio.create_task(asyncio.sleep(0.01, 7))
print(asyncio.run(main()))
"""
    )
    said = same(tmp_path, temporary, program)
    assert counted(said) == (2, "asyncio", 2)
    assert stacks(tmp_path) >= {"all-spans|main", "all-spans|in_child", "all-spans|main|sleep"}


@unix
def test_child_that_is_forked_within_a_step_of_trio_is_recorded(tmp_path, temporary):
    program = """
        import os, sys, trio
        async def in_child():
            await trio.sleep(0.01)
        async def main():
            child = os.fork()
            if child:
                await trio.sleep(0.01)
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            import threading
            thread = threading.Thread(target=trio.run, args=(in_child,))
            thread.start()
            thread.join()
            os._exit(4)
        print(trio.run(main))
    """
    assert counted(same(tmp_path, temporary, program)) == (2, "trio", 2)
    assert stacks(tmp_path) >= {"all-spans|main", "all-spans|in_child"}


@unix
def test_fork_beside_our_threads_raises_no_warning(tmp_path, temporary):
    program = (
        FORKS + "async def main():\n    await asyncio.sleep(0.01)\n    print(fork(in_child))\n"
    )
    program += "for _ in range(3):\n    asyncio.run(main())"
    flags = ("-W", "always::DeprecationWarning")
    assert counted(same(tmp_path, temporary, program, flags=flags)) == (6, "asyncio", 4)


@unix
def test_child_that_is_forked_in_a_thread_is_recorded(tmp_path, temporary):
    program = FORKS + (
        "import threading\n"
        "thread = threading.Thread(target=lambda: print(fork(in_child)))\n"
        "thread.start()\nthread.join()"
    )
    said = same(tmp_path, temporary, program, flags=("-W", "ignore::DeprecationWarning"))
    assert counted(said) == (1, "asyncio", 1)


@unix
def test_child_that_outlives_its_parent_is_counted(tmp_path, temporary):
    program = FORKS + (
        "reading, writing = os.pipe()\n"
        "async def long():\n"
        "    os.write(writing, b'x')\n"
        "    await asyncio.sleep(1)\n"
        "if not os.fork():\n"
        "    os.close(1), os.close(2)\n"
        "    asyncio.run(long())\n"
        "    os._exit(0)\n"
        "os.read(reading, 1)\n"
    )
    said = same(tmp_path, temporary, program)
    assert counted(said) == (1, "asyncio", 1)
    assert "tracetools: 1 process still goes on: what comes from now on is not recorded" in said


@unix
def test_children_that_cannot_be_recorded_are_counted(tmp_path):
    program = FORKS + (
        "import tempfile\n"
        "tempfile.tempdir = '/nowhere'\n"
        "print(fork(in_child), fork(in_child))\nasyncio.run(in_child())"
    )
    (tmp_path / "app.py").write_text(program)
    said = assert_same("app.py", folder=tmp_path)
    assert counted(said) == (1, "asyncio", 1)
    assert "tracetools: 2 processes were not recorded: no temporary folder can be made" in said


@unix
def test_child_of_a_program_that_records_itself_does_not_write_over_its_file(tmp_path):
    program = FORKS.replace("import asyncio", "from tracetools import record\nimport asyncio") + (
        "with record('own') as recording:\n"
        "    asyncio.run(terminated.__globals__['in_child']())\n"
        "    print(fork(in_child))\n"
        "print(recording.profile.forks, recording.profile.runs)"
    )
    (tmp_path / "app.py").write_text(program)
    with started("app.py", folder=tmp_path) as process:
        assert end(process) == (0, "5\n1 1\n", "")
    assert {path[-1].split(" (")[0] for path in read_folded(tmp_path / "own.folded").stacks} >= {
        "all-spans",
        "in_child",
    }


@unix
def test_program_that_ends_by_os_exit_is_recorded(tmp_path, temporary):
    said = same(tmp_path, temporary, f"{FORKS}\nasyncio.run(in_child())\nos._exit(4)")
    assert counted(said) == (1, "asyncio", 1)


# ---------------------------------------------------------------------- programs that are started


STARTS = """
import asyncio, os, subprocess, sys
async def main():
    word = "import asyncio\\nasync def by_exec(): await asyncio.sleep(0)\\nasyncio.run(by_exec())"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", word)
    return await process.wait()
if len(sys.argv) > 1:
    asyncio.run(asyncio.sleep(0))
    print(sys.argv[1:], sys.path[0] == os.getcwd(), __name__, flush=True)
    sys.exit(3)
print(asyncio.run(main()), flush=True)
me, environment = os.path.abspath(__file__), dict(os.environ)
for words in ([me, "script"], ["-m", "app", "module"], ["-O", me, "switch"]):
    print(subprocess.run([sys.executable, *words]).returncode, flush=True)
print(subprocess.run([sys.executable, me, "copy"], env=environment).returncode, flush=True)
print(subprocess.call(f"'{sys.executable}' '{me}' shell", shell=True), flush=True)
"""
UNREACHED = """
print(subprocess.run([sys.executable, "-S", me, "-S"]).returncode, flush=True)
print(subprocess.run([sys.executable, me, "own"], env={"PATH": "/bin"}).returncode, flush=True)
print(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-S", me, "spawn"]), flush=True)
"""


@unix
@pytest.mark.parametrize(("switch", "loops"), [(("--subprocesses",), 7), ((), 1)])
def test_python_programs_are_recorded_if_that_is_wanted(tmp_path, temporary, switch, loops):
    (tmp_path / "app.py").write_text(STARTS)
    with (
        started("app.py", folder=tmp_path, TMPDIR=temporary) as plain,
        started(*RECORDED, *switch, "app.py", folder=tmp_path, TMPDIR=temporary) as recorded,
    ):
        said = what_we_said(end(plain), end(recorded))
    assert counted(said) == (loops, "asyncio", loops)
    assert ("all-spans|by_exec" in stacks(tmp_path)) == bool(switch)


@unix
def test_python_programs_that_are_not_reached_are_counted(tmp_path, temporary):
    (tmp_path / "app.py").write_text(STARTS + UNREACHED)
    with (
        started("app.py", folder=tmp_path, TMPDIR=temporary) as plain,
        started(
            *RECORDED, "--subprocesses", "app.py", folder=tmp_path, TMPDIR=temporary
        ) as recorded,
    ):
        said = what_we_said(end(plain), end(recorded))
    assert counted(said)[0] == 7
    assert "tracetools: 2 processes were not recorded: Python was started with -S" in said
    assert "tracetools: 1 process was not recorded: it was given an environment of its own" in said


# ------------------------------------------------------------------- programs that become others


BECOMES = """
import asyncio, os, sys, traceback
async def before(): await asyncio.sleep(0.01)
async def after(): await asyncio.sleep(0.01)
if sys.argv[1:] == ["after"]:
    asyncio.run(after())
    print(os.getpid() == int(os.environ["BEFORE"]), flush=True)
    sys.exit(3)
asyncio.run(before())
os.environ["BEFORE"] = str(os.getpid())
try:
    os.execv("/nowhere", ["nowhere"])
except OSError:
    traceback.print_exc()
"""
AGAIN = "os.execlp(sys.executable, sys.executable, __file__, 'after')"


def becomes(folder, temporary, last, *switches):
    (folder / "app.py").write_text(BECOMES + last)
    with (
        started("app.py", folder=folder, TMPDIR=temporary) as plain,
        started(*RECORDED, *switches, "app.py", folder=folder, TMPDIR=temporary) as recorded,
    ):
        first = end(plain)
        said = what_we_said(first, end(recorded))
    assert (first.output, first.status) == ("True\n", 3)
    return said


@unix
def test_program_that_becomes_another_one_is_recorded_until_then(tmp_path, temporary):
    said = becomes(tmp_path, temporary, AGAIN)
    assert counted(said) == (1, "asyncio", 1)
    assert "the program becomes another one" in said
    assert "all-spans|before" in stacks(tmp_path)


@unix
def test_program_that_becomes_another_python_is_recorded_on(tmp_path, temporary):
    said = becomes(tmp_path, temporary, AGAIN, "--subprocesses")
    assert counted(said) == (2, "asyncio", 2)
    assert said.count("tracetools: recorded") == 1
    assert stacks(tmp_path) >= {"all-spans|before", "all-spans|after"}


@unix
def test_forked_child_that_becomes_another_program_is_recorded_until_then(tmp_path, temporary):
    last = f"""
if not os.fork():
    asyncio.run(after())
    os.environ["BEFORE"] = str(os.getpid())
    {AGAIN}
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    said = becomes(tmp_path, temporary, last)
    assert counted(said) == (2, "asyncio", 2)
    assert "becomes" not in said
    assert counted(becomes(tmp_path, temporary, last, "--subprocesses")) == (3, "asyncio", 3)


# ------------------------------------------------------------------------- what they keep


KEEPS = """
import asyncio, multiprocessing, os, sys
from tracetools import span
async def work():
    with span("job"):
        await asyncio.sleep(0)
def job():
    asyncio.run(work())
if __name__ == "__main__":
    job()
    if sys.argv[1] == "bare":
        child = os.fork()
        if not child:
            job()
            sys.exit(0)
        os.waitpid(child, 0)
    else:
        child = multiprocessing.get_context(sys.argv[1]).Process(target=job)
        child.start()
        child.join()
        child = child.pid
    print(child)
"""


@unix
@pytest.mark.parametrize("method", ["bare", "spawn"])
def test_children_keep_their_slow_spans_in_the_same_folder(tmp_path, temporary, method):
    (tmp_path / "app.py").write_text(KEEPS)
    words = (*RECORDED, "--keep", "0", "app.py", method)
    with started(*words, folder=tmp_path, TMPDIR=temporary) as recorded:
        ended = end(recorded)
    assert ended.status == 0, ended.errors
    names = [re.sub(r"\d+ms", "", path.name) for path in (tmp_path / "stack.slow").glob("*.html")]
    assert sorted(names) == ["job--1.html", f"job--pid{ended.output.strip()}-1.html"]
    assert "2 slow spans are kept" in ended.errors


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


@unix
def test_workers_of_gunicorn_are_recorded(tmp_path, temporary):
    pytest.importorskip("gunicorn")
    pytest.importorskip("uvicorn_worker")
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    words = ("-m", "gunicorn", *GUNICORN, f"127.0.0.1:{port}", "app:app")
    with started(*RECORDED, *words, folder=tmp_path, TMPDIR=temporary) as process:
        assert b"hello" in ask(port, process, 2)
        process.terminate()
        ended = end(process)
    assert ended.status == 0
    assert counted(ended.errors)[2] >= 2
    assert any(stack.endswith("|answer") for stack in stacks(tmp_path)), ended.errors
