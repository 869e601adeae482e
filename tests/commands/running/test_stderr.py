"""What `tracetools run` writes to stderr while the program runs, and at its end."""

import os
import re
import subprocess
import sys
import textwrap
import threading

import pytest

from tests.commands.programs import RECORDED, end, started
from tracetools.commands.running.stderr import Stderr

BLOCKS = """
    import asyncio, time
    async def main():
        time.sleep(0.3)
    asyncio.run(main())
"""
BLOCKED = r"tracetools: the loop (is|was) blocked for 0\.\d{3} s( so far)?"
KIND = r"(, [\w ]+)?"  # a machine that is busy may have starved it of CPU
LINE = rf"{BLOCKED}{KIND} (by|in) main{KIND} at app.py:4: time.*"


def write(folder, program, name="app.py"):
    (folder / name).write_text(textwrap.dedent(program))


def run(*words, folder):
    with started(*RECORDED, *words, folder=folder, covered=True) as process:
        return end(process)


def test_what_blocks_is_reported_with_our_prefix(tmp_path):
    write(tmp_path, BLOCKS)
    first, empty, *_ = run("app.py", folder=tmp_path).errors.splitlines()
    assert re.fullmatch(LINE, first)
    assert empty == ""


def test_quiet_is_quiet(tmp_path):
    write(tmp_path, BLOCKS)
    assert run("-q", "app.py", folder=tmp_path) == (0, "", "")


@pytest.mark.parametrize("options", [(), ("-q",)])
def test_what_blocks_in_a_spawned_process_is_reported_likewise(tmp_path, options):
    main = """
        import multiprocessing, child
        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=child.run)
            process.start()
            process.join()
    """
    child = """
        import asyncio, time
        async def main(): time.sleep(0.3)
        def run(): asyncio.run(main())
    """
    write(tmp_path, main)
    write(tmp_path, child, "child.py")
    said = run(*options, "app.py", folder=tmp_path).errors
    line = rf"{BLOCKED}{KIND} (by|in) main{KIND} at child.py:3"
    assert bool(re.match(line, said)) != bool(options)
    assert bool(said) != bool(options)


LOGS = """
    import asyncio, logging, logging.config, time
    class Shows(logging.Handler):
        def emit(self, record): record.name == "asyncio" or print(record.getMessage())
    {how}
    async def main():
        time.sleep(0.3)
    asyncio.run(main())
    print("ended")
"""
HOW = {
    "a configuration": """logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": True,
        "handlers": {"all": {"()": Shows}},
        "root": {"handlers": ["all"], "level": "DEBUG"},
    })""",
    "a handler": "logging.getLogger().addHandler(Shows()); logging.getLogger().setLevel(0)",
    "our logger": "logging.getLogger('tracetools').addHandler(Shows())",
    "no logging": "logging.disable()",
    "no errors of logging": "logging.raiseExceptions = False",
    "a factory of records": "logging.setLogRecordFactory(print)",
    "no stderr of Python": "import sys; sys.stderr = sys.stdout",
}


@pytest.mark.parametrize("how", HOW)
def test_the_logging_of_the_program_neither_hears_nor_silences_us(tmp_path, how):
    write(tmp_path, LOGS.format(how=HOW[how]))
    ran = run("app.py", folder=tmp_path)
    assert ran.output == "ended\n"
    assert re.match(LINE.replace(":4", r":\d+"), ran.errors)


def test_tests_that_read_their_log_find_nothing_of_ours(tmp_path):
    tests = """
        import asyncio, logging, time
        from tracetools import record

        async def main():
            time.sleep(0.3)

        def test_blocks(caplog, capfd, capsys):
            with caplog.at_level(0):
                asyncio.run(main())
            assert [r.getMessage() for r in caplog.records if r.name != "asyncio"] == []
            assert "tracetools" not in "".join(capsys.readouterr())

        def test_records(caplog, tmp_path):
            with record(tmp_path / "stack"):
                asyncio.run(main())
            [said] = [r.getMessage() for r in caplog.records if r.name == "tracetools"]
            assert "blocked" in said
    """
    tests = tests.replace(", capfd, capsys", ", capfd").replace("capsys", "capfd")
    write(tmp_path, tests, "test_app.py")
    ran = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_app.py", folder=tmp_path)
    assert "2 passed" in ran.output, ran.output


def test_where_the_api_is_used_it_is_logged(tmp_path):
    program = """
        import asyncio, time
        from tracetools import record
        async def main():
            time.sleep(0.3)
        with record("stack"):
            asyncio.run(main())
    """
    write(tmp_path, program)
    with started("app.py", folder=tmp_path, covered=True) as process:
        said = end(process).errors
    assert said.startswith("the loop ")


# ------------------------------------------------------------------- stderr that nobody reads


@pytest.fixture
def pipe(monkeypatch):
    """A pipe that stands for stderr: its end to read from."""
    reading, writing = os.pipe()
    monkeypatch.setattr("tracetools.commands.running.stderr._FD", writing)
    yield reading
    for fd in (reading, writing):
        os.close(fd)


def test_a_line_is_left_out_if_it_would_have_to_wait(pipe):
    stderr = Stderr()
    for number in range(10_000):
        stderr.warning("line %s", number)
    lines = os.read(pipe, 1 << 20).splitlines()
    assert lines == [f"tracetools: line {number}".encode() for number in range(len(lines))]
    assert 100 < len(lines) < 10_000
    stderr.warning("once more")
    assert os.read(pipe, 4096) == b"tracetools: once more\n"


def test_the_report_waits_for_its_reader(pipe):
    text = "x" * 300_000
    found = []

    def read():
        while sum(map(len, found)) < len(text) + 2:
            found.append(os.read(pipe, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    Stderr().report(text)
    reader.join()
    assert b"".join(found).decode() == f"\n{text}\n"


def test_the_report_gives_up_if_nobody_reads(pipe, monkeypatch):
    monkeypatch.setattr("tracetools.commands.running.stderr._PATIENCE", 0)
    Stderr().report("x" * 300_000)
    assert os.read(pipe, 1 << 20).startswith(b"\nxxx")


def test_a_pipe_that_nobody_can_read_any_more_takes_nothing(monkeypatch):
    reading, writing = os.pipe()
    monkeypatch.setattr("tracetools.commands.running.stderr._FD", writing)
    stderr = Stderr()
    os.close(reading)
    stderr.warning("lost")  # SIGPIPE would be raised by a write
    stderr.report("lost")
    os.close(writing)


def test_a_program_whose_stderr_nobody_reads_ends(tmp_path):
    """What fills the pipe is the program's; it must end as it would, though we have to say more."""
    program = """
        import asyncio, os, time
        os.set_blocking(2, False)
        while True:
            try:
                os.write(2, b"x" * 1000)
            except BlockingIOError:
                break
        os.set_blocking(2, True)
        async def main():
            time.sleep(0.3)
        asyncio.run(main())
    """
    write(tmp_path, program)
    with started(*RECORDED, "app.py", folder=tmp_path, covered=True) as process:
        assert process.wait(60) == 0
    assert (tmp_path / "stack.html").exists()


def test_a_program_that_dies_of_a_broken_pipe_does_not_die_of_ours(tmp_path):
    program = """
        import asyncio, os, signal, sys, time
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        sys.stdin.read()
        async def main():
            time.sleep(0.3)
        asyncio.run(main())
    """
    write(tmp_path, program)
    with subprocess.Popen(
        [sys.executable, *RECORDED, "app.py"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stderr.close()
        process.stdin.close()
        assert process.wait(60) == 0


# ------------------------------------------------------------------------------------- errors


def test_errors_are_written_though_it_is_quiet(pipe):
    stderr = Stderr(quiet=True)
    stderr.warning("nothing")
    stderr.error("tracetools stopped recording: %s", "why")
    try:
        raise ValueError("ours")
    except ValueError:
        stderr.exception("it failed")
    lines = os.read(pipe, 4096).decode().splitlines()
    assert lines[:2] == ["tracetools: stopped recording: why", "tracetools: it failed"]
    assert lines[-1] == "ValueError: ours"


def test_a_fork_writes_nothing(pipe, monkeypatch):
    stderr = Stderr()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    stderr.warning("lost")
    monkeypatch.undo()
    os.set_blocking(pipe, False)
    with pytest.raises(BlockingIOError):
        os.read(pipe, 1)
