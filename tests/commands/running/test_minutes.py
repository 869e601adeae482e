"""A program that is recorded by the minute is what it would be, and its minutes are kept."""

import os
import re
import signal
import tempfile
import textwrap
from pathlib import Path

import pytest

from tests.commands.programs import PROGRAMS, RECORDED, end, started, what_we_said
from tests.commands.programs.servers import APP, GUNICORN, ask
from tests.fleet.servers import free_port as closed_port
from tests.fleet.servers import stub_server
from tests.ports import free_port
from tracetools.fleet.folder import Folder

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")
ENDS = str(PROGRAMS / "ends.py")
WHERE = re.compile(
    r"\ntracetools: (\d+) profiles? by the minute (?:is|are) in minutes\. Open one with"
    r" 'tracetools report', add them up with 'tracetools merge'\n"
)


@pytest.fixture
def temporary():
    """Return a folder for temporary files, where nothing of ours may be left."""
    with tempfile.TemporaryDirectory() as folder:  # a short path, for that of a socket in it
        yield folder
        assert list(Path(folder).glob("tracetools-*")) == []


def run(*words, folder, **variables):
    with started(*RECORDED, "--continuous", "minutes", *words, folder=folder, **variables) as ran:
        return end(ran)


def same(folder, *words, switches=(), **variables):
    """Run a program by Python and by us: all is the same but for our report, which is returned."""
    switches = ("--continuous", "minutes", *switches)
    with (
        started(*words, folder=folder, **variables) as plain,
        started(*RECORDED, *switches, *words, folder=folder, **variables) as recorded,
    ):
        return what_we_said(end(plain), end(recorded))


def batches(folder):
    minutes = Folder(folder / "minutes")
    return [minutes.read(file) for file in minutes.files()]


def functions(folder):
    """Return the functions of tasks that each process has recorded."""
    found = {}
    for batch in batches(folder):
        batch.profile.check()
        names = found.setdefault(batch.source.pid, set())
        names.update(frame.name for path in batch.profile.stacks for frame in path)
    return list(found.values())


def files_of(folder):
    return {path.name for path in folder.iterdir()}


# ---------------------------------------------------------------------------------- its end


@pytest.mark.parametrize("how", ["return", "raise", "interrupt", "exit", "words", "at once"])
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_it_ends_as_it_would_and_the_minute_is_there(tmp_path, backend, how):
    said = same(tmp_path, ENDS, backend, how)
    assert WHERE.fullmatch(said)[1] == "1"
    [found] = functions(tmp_path)
    assert "main" in found
    assert files_of(tmp_path) == {"minutes"}


@unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_signal_ends_it_as_it_would_and_the_minute_is_there(tmp_path, backend, number):
    said = same(tmp_path, str(PROGRAMS / "dies.py"), backend, str(number.value))
    assert WHERE.fullmatch(said)
    assert len(functions(tmp_path)) == 1


def test_a_program_without_a_loop_gets_an_explanation_and_no_minute(tmp_path):
    assert "nothing was recorded" in same(tmp_path, ENDS, "none", "exit")
    assert batches(tmp_path) == []


def test_minutes_of_another_service_in_the_folder_are_not_counted(tmp_path):
    (tmp_path / "app.py").write_text(OTHER)
    ended = run("--service", "ours", "app.py", folder=tmp_path)
    assert {batch.source.service for batch in batches(tmp_path)} == {"ours", "other"}
    assert WHERE.fullmatch(ended.errors)[1] == "1"


OTHER = """
import asyncio, subprocess, sys
asyncio.run(asyncio.sleep(0.01))
program = "import asyncio; asyncio.run(asyncio.sleep(0.01))"
words = ["-q", "--continuous", "minutes", "--service", "other", "-c", program]
subprocess.run([sys.executable, "-m", "tracetools", "run", *words])
"""


def test_quiet_is_quiet(tmp_path):
    ended = run("-q", ENDS, "asyncio", "exit", folder=tmp_path)
    assert (ended.status, ended.errors) == (3, "")
    assert len(batches(tmp_path)) == 1


# ------------------------------------------------------------------------- what it is given


def test_the_service_is_the_program_unless_it_is_named(tmp_path):
    run(ENDS, "asyncio", "exit", folder=tmp_path)
    run(ENDS, "asyncio", "exit", folder=tmp_path, OTEL_SERVICE_NAME="of the environment")
    run("--service", "shop", ENDS, "asyncio", "exit", folder=tmp_path)
    found = [batch.source.service for batch in batches(tmp_path)]
    assert found == ["ends", "of the environment", "shop"]


def test_options_are_those_of_the_recording(tmp_path):
    program = """
        import asyncio, tracetools
        async def main():
            with tracetools.span("slow"):
                await asyncio.sleep(0)
        asyncio.run(main())
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    run("--keep", "0", "--resources", "app.py", folder=tmp_path)
    [batch] = batches(tmp_path)
    assert batch.profile.slow
    assert files_of(tmp_path) == {"app.py", "minutes"}


def test_the_folder_is_bounded(tmp_path):
    for _ in range(3):
        run("--max-bytes", "10", ENDS, "asyncio", "exit", folder=tmp_path)
    assert batches(tmp_path) == []


def test_minutes_are_as_long_as_is_said(tmp_path):
    code = "import asyncio; asyncio.run(asyncio.sleep(2.2))"
    said = run("--every", "1", "-c", code, folder=tmp_path).errors
    assert int(WHERE.search(said)[1]) == len(batches(tmp_path)) >= 2


def test_minutes_are_sent(tmp_path):
    with stub_server() as stub:
        url = f"pyroscope+{stub.url}"
        said = run("--send-to", url, ENDS, "asyncio", "exit", folder=tmp_path).errors
    assert WHERE.search(said)
    assert len(stub.requests) == 1


def test_what_is_not_sent_is_said(tmp_path):
    url = f"pyroscope+http://127.0.0.1:{closed_port()}"
    ended = run("--send-to", url, ENDS, "asyncio", "exit", folder=tmp_path)
    assert ended.status == 3
    assert f"1 of them was not sent: tracetools push minutes --to {url}" in ended.errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--continuous", "minutes", "-o", "a"], "leave out -o"),
        (["--continuous", "minutes", "--delay", "1"], "leave out --delay"),
        (["--continuous", "minutes", "--every", "0.1"], "every is a number from 1"),
        (["--continuous", "minutes", "--send-to", "nonsense"], "no engine is named"),
        (["--continuous", "app.py"], "cannot make the folder"),
        (["--send-to", "duckdb:x"], "for --send-to, give --continuous DIR too"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(tmp_path, words, said):
    (tmp_path / "app.py").write_text("print('running')")
    with started(*RECORDED, *words, "app.py", folder=tmp_path) as process:
        ended = end(process)
    assert (ended.status, ended.output) == (2, "")
    assert said in ended.errors
    assert files_of(tmp_path) == {"app.py"}


# ------------------------------------------------------------------------ what it sees of us


@unix
@pytest.mark.parametrize("which", ["asyncio", "trio"])
def test_a_program_that_looks_around_sees_what_it_would_see(tmp_path, which):
    same(tmp_path, str(PROGRAMS / "looks_around.py"), which)


@unix
@pytest.mark.parametrize("which", ["plain", "asyncio", "trio"])
def test_a_program_that_handles_signals_does_so_as_it_would(tmp_path, which):
    same(tmp_path, str(PROGRAMS / "handles_signals.py"), which, "dies")


# --------------------------------------------------------------------------- other processes


@unix
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_children_write_their_own_minutes_and_end_as_they_would(tmp_path, temporary, method):
    said = same(tmp_path, str(PROGRAMS / "spawns.py"), method, TMPDIR=temporary)
    assert WHERE.fullmatch(said)[1] == "4"  # all but the one that is killed
    assert {batch.source.service for batch in batches(tmp_path)} == {"spawns"}
    assert sorted("sleep" in each for each in functions(tmp_path)) == [False, False, False, True]


POOL = """
import asyncio, multiprocessing, sys
async def work(number):
    await asyncio.sleep(0)
    return number
def job(number):
    return asyncio.run(work(number))
if __name__ == "__main__":
    pool = multiprocessing.get_context(sys.argv[1]).Pool(2)
    print(pool.map(job, range(5), chunksize=1), asyncio.run(work(5)))
    getattr(pool, sys.argv[2])()
    pool.join()
"""


@unix
@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_of_a_pool_write_their_last_minute(tmp_path, temporary, method):
    (tmp_path / "app.py").write_text(POOL)
    same(tmp_path, "app.py", method, "close", TMPDIR=temporary)
    assert sum(batch.profile.runs for batch in batches(tmp_path)) == 6


@unix
def test_workers_that_are_terminated_while_they_are_idle_end_at_once(tmp_path, temporary):
    (tmp_path / "app.py").write_text(POOL)
    same(tmp_path, "app.py", "fork", "terminate", TMPDIR=temporary)
    assert sum(batch.profile.runs for batch in batches(tmp_path)) == 1


LOSES = """
import asyncio, os, signal, time
if not os.fork():
    asyncio.run(asyncio.sleep(0.01))
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
os.wait()
"""


@unix
def test_a_minute_that_a_terminated_child_has_lost_is_not_denied(tmp_path, temporary):
    (tmp_path / "app.py").write_text(LOSES)
    said = same(tmp_path, "app.py", TMPDIR=temporary)
    assert batches(tmp_path) == []
    assert "One does not if SIGTERM ends it while no loop runs" in said


STARTS = """
import asyncio, os, subprocess, sys
async def before(): await asyncio.sleep(0.01)
async def after(): await asyncio.sleep(0.01)
async def started(): await asyncio.sleep(0.01)
if len(sys.argv) > 1:
    asyncio.run(globals()[sys.argv[1]]())
    sys.exit(3)
asyncio.run(before())
print(subprocess.run([sys.executable, __file__, "started"]).returncode, flush=True)
try:
    os.execv("/nowhere", ["nowhere"])
except OSError as error:
    print(error, flush=True)
asyncio.run(before())
os.execl(sys.executable, sys.executable, __file__, "after")
"""


@unix
def test_a_program_that_becomes_another_one_is_recorded_until_then(tmp_path, temporary):
    (tmp_path / "app.py").write_text(textwrap.dedent(STARTS))
    said = same(tmp_path, "app.py", TMPDIR=temporary)
    assert "the program becomes another one" in said
    assert {name for each in functions(tmp_path) for name in each} >= {"before"}
    assert len(functions(tmp_path)) == 1


@unix
def test_python_programs_are_recorded_if_that_is_wanted(tmp_path, temporary):
    (tmp_path / "app.py").write_text(textwrap.dedent(STARTS))
    said = same(tmp_path, "app.py", switches=["--subprocesses"], TMPDIR=temporary)
    assert WHERE.fullmatch(said)[1] == "3"
    assert "becomes" not in said
    names = [name for each in functions(tmp_path) for name in each]
    assert {"before", "started", "after"} <= set(names)
    assert len({batch.source.instance for batch in batches(tmp_path)}) == 3


@unix
def test_workers_of_a_server_write_their_own_minutes(tmp_path, temporary):
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    words = ("--service=shop", "-m", "uvicorn", "--workers=2", "--port", str(port), "app:app")
    switches = (*RECORDED, "--continuous", "minutes", *words)
    with started(*switches, folder=tmp_path, TMPDIR=temporary) as process:
        assert b"hello" in ask(port, process, 2)
        os.kill(process.pid, signal.SIGTERM)
        ended = end(process)
    assert ended.status == 0, ended.errors
    assert sum("answer" in each for each in functions(tmp_path)) >= 1, ended.errors
    assert {batch.source.service for batch in batches(tmp_path)} == {"shop"}


@unix
def test_workers_of_gunicorn_write_their_own_minutes(tmp_path, temporary):
    pytest.importorskip("gunicorn")
    pytest.importorskip("uvicorn_worker")
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    words = ("-m", "gunicorn", *GUNICORN, f"127.0.0.1:{port}", "app:app")
    switches = (*RECORDED, "--continuous", "minutes", *words)
    with started(*switches, folder=tmp_path, TMPDIR=temporary) as process:
        assert b"hello" in ask(port, process, 2)
        process.terminate()
        ended = end(process)
    assert ended.status == 0, ended.errors
    assert any("answer" in each for each in functions(tmp_path)), ended.errors
    assert {batch.source.service for batch in batches(tmp_path)} == {"gunicorn"}
