"""What `tracetools run` adds to a program: the files, and a report at the end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.commands.programs import (
    PROGRAMS,
    RECORDED,
    assert_same,
    end,
    installed,
    run_both,
    started,
    what_we_said,
)
from tests.commands.programs.servers import APP, ask
from tests.ports import free_port
from tracetools.commands.run import split
from tracetools.output.formats.folded import read_folded
from tracetools.output.formats.profile_json import read_profile

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")
ENDS = str(PROGRAMS / "ends.py")


def run(*words, folder, **more):
    with started(*RECORDED, *words, folder=folder, covered=True, **more) as process:
        return end(process)


def stacks(folder, name="stack"):
    counts = read_folded(folder / f"{name}.folded").stacks
    return {"|".join(frame.split(" (")[0] for frame in path): n for path, n in counts.items()}


# ------------------------------------------------------------------------------ the options


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("", 0),
        ("app.py", 0),
        ("app.py -o x", 0),
        ("-m app -q", 0),
        ("-mapp -q", 0),
        ("-c code -q", 0),
        ("-- -q", 0),
        ("- -q", 0),
        ("-q -- -q", 1),
        ("-q app -q", 1),
        ("-o name app", 2),
        ("-o -m app", 2),
        ("-oname app", 1),
        ("-qo name app", 2),
        ("-qoname app", 1),
        ("-oo name", 1),
        ("--output name app", 2),
        ("--output=name app", 1),
        ("--lens idle --labels name --max-stacks 1 --max-depth 2 app --lens", 8),
        ("--task-names --scheduled --quiet app", 3),
        ("-h app", 1),
        ("--unknown app", 1),
        ("--lens", 1),
    ],
)
def test_our_options_stand_before_the_program(line, ours):
    words = line.split()
    assert split(words) == (words[:ours], words[ours:])


@pytest.mark.parametrize(
    "line",
    [
        "--unknown app.py",
        "--lens other app.py",
        "--max-depth 0 app.py",
        "-o",
        "--lens",
        "",
        "-o x.png app.py",
    ],
)
def test_wrong_options_end_with_2_before_anything_runs(tmp_path, line):
    (tmp_path / "app.py").write_text("print('running')")
    status, output, errors = run(*line.split(), folder=tmp_path)
    assert (status, output) == (2, "")
    assert "tracetools" in errors
    assert len(list(tmp_path.iterdir())) == 1


def test_help_is_ours_before_the_program_only(tmp_path):
    (tmp_path / "app.py").write_text("import sys; print(sys.argv)")
    assert "-m module" in run("-h", "app.py", folder=tmp_path).output
    assert run("app.py", "-h", folder=tmp_path).output == "['app.py', '-h']\n"


def test_options_reach_the_recording(tmp_path):
    program = (
        "import trio\n"
        "async def outer(n):\n"
        "  async with trio.open_nursery() as nursery:\n"
        "    if n: nursery.start_soon(outer, n - 1, name=f'task-{n}')\n"
        "trio.run(outer, 9)\n"
    )
    (tmp_path / "app.py").write_text(program)
    run("-o", "a", "--task-names", "--max-depth", "5", "app.py", folder=tmp_path)
    location = ("--labels", "location", "--lens=task")
    run("--output=b.folded", "-o", "b.svg", *location, "app.py", folder=tmp_path)
    assert any("task-9" in stack and "(deeper)" in stack for stack in stacks(tmp_path, "a"))
    assert any("app.py:2" in stack and "[idle]" in stack for stack in stacks(tmp_path, "b"))
    assert {path.name for path in tmp_path.glob("*.*")} == {
        *("app.py", "a.folded", "a.html", "a.profile.json", "b.folded", "b.svg")
    }


BLOCKED = """\
import trio
from dataclasses import replace
from tracetools.recording.recorder import Recorder
from tracetools.core.stacks import Blocks

measured = Recorder.profile

def blocked(recorder):
    profile = measured(recorder)
    return replace(profile, blocking={path: Blocks(1, 5, 5) for path in profile.stacks})

Recorder.profile = blocked
trio.run(trio.sleep, 0)
"""


@pytest.mark.parametrize("labels", ["name", "location"])
def test_graph_marks_what_blocked_the_loop(tmp_path, labels):
    (tmp_path / "app.py").write_text(BLOCKED)
    run("-o", "stack.svg", "--lens", "task", "--labels", labels, "app.py", folder=tmp_path)
    graph = ET.parse(tmp_path / "stack.svg")
    titles = [node.text or "" for node in graph.iter()]
    marked = [title for title in titles if title.endswith("; blocked the loop once, for 5 ns)")]
    assert any("trio/_timeouts.py:" in title for title in marked)


# ----------------------------------------------------------------------- the files, the words


@pytest.mark.parametrize("backend", ["trio", "asyncio", "anyio-trio", "anyio-asyncio"])
def test_files_are_written_and_named(tmp_path, backend):
    said = assert_same(ENDS, backend, "return", folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("stack.folded", "stack.profile.json", "stack.html")
    }
    assert read_profile(tmp_path / "stack.profile.json").runs == 1
    assert "<html" in (tmp_path / "stack.html").read_text()
    assert any(stack.startswith("all-spans|main") for stack in stacks(tmp_path))
    assert f"tracetools: recorded 1 loop ({backend.removeprefix('anyio-')})" in said
    assert "What computes (parts of" in said
    assert "What is waited for" in said
    assert (
        "Written: stack.profile.json, stack.folded, stack.html\nOpen stack.html in a browser"
        in said
    )
    assert max(map(len, said.splitlines())) <= 100


def test_what_blocks_is_reported(tmp_path):
    (tmp_path / "app.py").write_text(BLOCKED)
    said = run("app.py", folder=tmp_path).errors
    parts = ("recorded 1 loop", "What blocks the loop (parts of", ": once\n", "Written:")
    assert [said.index(part) for part in parts] == sorted(said.index(part) for part in parts)


def test_report_names_files_from_where_the_command_was_given(tmp_path):
    (tmp_path / "else").mkdir()
    (tmp_path / "app.py").write_text("import os, trio\nos.chdir('else')\ntrio.run(trio.sleep, 0)\n")
    said = run("app.py", folder=tmp_path).errors
    assert "Written: stack.profile.json, stack.folded, stack.html\n" in said
    assert (tmp_path / "stack.html").exists()


def test_quiet_is_quiet(tmp_path):
    assert run("-q", ENDS, "trio", "return", folder=tmp_path) == (0, "working\n", "")
    assert (tmp_path / "stack.html").exists()
    assert run("-q", ENDS, "none", "return", folder=tmp_path) == (0, "", "")


def test_program_without_a_loop_gets_an_explanation_and_no_file(tmp_path):
    said = assert_same(ENDS, "none", "return", folder=tmp_path)
    assert "no trio run and no asyncio loop" in said
    assert "py-spy record -o profile.svg -- python" in said
    assert "with --subprocesses" in said
    assert max(map(len, said.splitlines())) <= 100
    assert list(tmp_path.iterdir()) == []


def test_file_that_was_there_is_not_removed(tmp_path):
    (tmp_path / "stack.folded").touch()
    run(ENDS, "none", "return", folder=tmp_path)
    assert (tmp_path / "stack.folded").exists()


def test_stack_file_that_cannot_be_written_is_reported_before_anything_runs(tmp_path):
    status, output, errors = run("-o", "missing/x", ENDS, "trio", "return", folder=tmp_path)
    assert (status, output) == (2, "")
    assert errors.startswith("tracetools: cannot write")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_report_that_cannot_be_written_is_reported_and_changes_nothing(tmp_path, quiet):
    program = f"import os; os.mkdir('stack.html'); exec(open({ENDS!r}).read())"
    status, output, errors = run(*quiet, "-c", program, "trio", "exit", folder=tmp_path)
    assert (status, output) == (3, "working\n")
    assert "tracetools: cannot write report" in errors
    [report] = re.findall("; it is in (.*html)\n", errors)
    assert "<html" in Path(report).read_text()
    shutil.rmtree(os.path.dirname(report))
    assert ("What computes" in errors) == (not quiet)
    assert sum(stacks(tmp_path).values()) > 0


@unix
def test_folder_that_is_gone_at_the_end_is_reported_and_changes_nothing(tmp_path):
    program = "import os, shutil, trio\ntrio.run(trio.sleep, 0)\nshutil.rmtree(os.getcwd())"
    (tmp_path / "gone").mkdir()
    (tmp_path / "temporary").mkdir()
    variables = {"TMPDIR": str(tmp_path / "temporary")}
    status, output, errors = run("-c", program, folder=tmp_path / "gone", **variables)
    assert (status, output) == (0, "")
    assert "What computes" in errors
    assert "tracetools: cannot write stack file" in errors
    assert "Traceback" not in errors
    [folder] = (tmp_path / "temporary").iterdir()
    assert errors.count(f"; it is in {folder}/stack.") == 3
    assert read_profile(folder / "stack.profile.json").runs == 1
    assert {path.name for path in folder.iterdir()} == {
        *("stack.folded", "stack.profile.json", "stack.html")
    }


def test_modules_of_the_program_do_not_get_into_ours(tmp_path):
    for name in ("unicodedata", "zlib", "html", "colorsys"):
        (tmp_path / f"{name}.py").write_text("print('imported')")
    (tmp_path / "app.py").write_text("import trio\ntrio.run(trio.sleep, 0)")
    with started(*installed(tmp_path), "run", "app.py", folder=tmp_path) as process:
        status, _, errors = end(process)
    assert status == 0
    assert (tmp_path / "stack.html").exists(), errors


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ZeroDivisionError", "OSError"])
def test_failure_of_ours_changes_nothing_but_our_report(tmp_path, error):
    program = f"""
        import sys, trio
        from tracetools.output.report import of_profile
        def fail(*_): raise {error}("a failure of ours")
        of_profile.report_of_profile = fail
        trio.run(trio.sleep, 0)
        sys.exit(3)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    said = assert_same("app.py", folder=tmp_path)
    assert said.startswith("\ntracetools: ")
    assert "Traceback" not in said
    assert read_profile(tmp_path / "stack.profile.json").runs == 1
    if error == "KeyboardInterrupt":
        assert said.count("\n") == 2
    else:
        assert "What computes" in said
        assert f"stack.html: {error}: a failure of ours\n" in said


FILLS_DESCRIPTORS = """\
import asyncio, os, resource
{limit}
async def main():
    await asyncio.sleep(0)
asyncio.run(main())
opened = []
try:
    while True:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError as error:
    print(error.strerror)
"""


@unix
@pytest.mark.parametrize("hard", [False, True])
def test_a_program_that_leaves_no_descriptors_is_reported_on(tmp_path, hard):
    set_limit = "resource.setrlimit(resource.RLIMIT_NOFILE, (64, {}))"
    rest = 64 if hard else "resource.getrlimit(resource.RLIMIT_NOFILE)[1]"
    (tmp_path / "app.py").write_text(FILLS_DESCRIPTORS.format(limit=set_limit.format(rest)))
    status, output, errors = run("app.py", folder=tmp_path)
    assert (status, output) == (0, "Too many open files\n")
    assert "What computes" in errors
    if not hard:
        assert "cannot write" not in errors
        assert read_profile(tmp_path / "stack.profile.json").runs == 1
        assert "<html" in (tmp_path / "stack.html").read_text()
    else:
        assert len(re.findall("cannot write .*Too many open files", errors)) == 3


@unix
def test_files_that_are_too_large_take_no_other_with_them(tmp_path):
    program = """
        import resource, trio
        trio.run(trio.sleep, 0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    (tmp_path / "temporary").mkdir()
    variables = {"TMPDIR": str(tmp_path / "temporary")}
    status, output, errors = run("app.py", folder=tmp_path, **variables)
    assert (status, output) == (0, "")
    assert "What computes" in errors
    assert "stack.html: File too large; allow larger files (ulimit -f)\n" in errors
    assert "Written: stack.profile.json, stack.folded\n" in errors
    assert read_profile(tmp_path / "stack.profile.json").runs == 1
    assert {path.name for path in tmp_path.iterdir()} == {
        *("app.py", "temporary", "stack.folded", "stack.profile.json")
    }
    assert list((tmp_path / "temporary").iterdir()) == []


@unix
def test_a_stack_file_that_is_a_pipe_waits_for_no_reader(tmp_path):
    os.mkfifo(tmp_path / "stack.folded")
    status, output, errors = run(ENDS, "trio", "return", folder=tmp_path)
    assert (status, output) == (0, "working\n")
    assert "nothing reads this pipe" in errors
    assert read_profile(tmp_path / "stack.profile.json").runs == 1
    assert (tmp_path / "stack.folded").is_fifo()


@unix
def test_a_pipe_gets_the_stacks_once_and_nothing_else_is_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("-o", "pipe", ENDS, "trio", "return", folder=tmp_path)
    lines = os.read(reader, 100_000).decode().splitlines()
    os.close(reader)
    assert lines
    assert len({line.rpartition(" ")[0] for line in lines}) == len(lines)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@unix
@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_gets_the_stacks_after_what_the_program_has_printed(tmp_path, name):
    with (tmp_path / "out").open("wb") as out:
        line = [sys.executable, *RECORDED, "-q", "-o", name, ENDS, "trio", "return"]
        subprocess.run(line, cwd=tmp_path, stdout=out, check=True)
    first, *lines = (tmp_path / "out").read_text().splitlines()
    assert first == "working"
    assert all(re.fullmatch("all-spans.* [0-9]+", line) for line in lines)
    assert lines
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@unix
def test_what_goes_to_no_file_makes_no_file(tmp_path):
    status, _, errors = run("-o", "/dev/null", ENDS, "trio", "return", folder=tmp_path)
    assert status == 0
    assert "What computes" in errors
    assert not list(tmp_path.iterdir())
    assert not os.path.exists("/dev/null.folded")


@unix
def test_files_are_for_their_owner_and_keep_the_mode_that_they_had(tmp_path):
    (tmp_path / "stack.html").touch(0o640)
    run(ENDS, "trio", "return", folder=tmp_path)
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {".folded": 0o600, ".json": 0o600, ".html": 0o640}


@pytest.mark.skipif(sys.version_info < (3, 13), reason="anyio has no interpreters there")
@pytest.mark.parametrize("options", [(), ("--functions",)], ids=["plain", "functions"])
def test_other_interpreters_are_left_alone(tmp_path, options):
    program = str(PROGRAMS / "interpreters.py")
    with started(*RECORDED, *options, program, folder=tmp_path) as process:
        ended = end(process)
    assert (ended.status, ended.output) == (0, "8\n")
    blocking = read_profile(tmp_path / "stack.profile.json").blocking
    assert any(path[-1].label.endswith("interpreters.py:10)") for path in blocking)


WALK = """\
import sys
for module in tuple(sys.modules.values()):
    for name in dir(module):
        getattr(module, name, None)
"""


@pytest.mark.parametrize(
    "first",
    [
        "from tracetools import FlamegraphInstrument",
        "from tracetools.instruments.asyncio import AsyncioInstrument",
        "import tracetools.instruments.trio_patches, tracetools.instruments.asyncio_patches",
        WALK,
    ],
    ids=["instrument", "asyncio", "patches", "walk"],
)
def test_the_order_of_imports_is_no_matter(tmp_path, first):
    program = (
        f"{first}\nimport asyncio, trio\nasyncio.run(asyncio.sleep(0))\ntrio.run(trio.sleep, 0)"
    )
    (tmp_path / "app.py").write_text(program)
    ended = run("app.py", folder=tmp_path)
    assert (ended.status, ended.output) == (0, "")
    assert ended.errors.startswith("\ntracetools: recorded 2 loops (asyncio, trio)")


CRASHES = """\
import trio

class Broken(trio.abc.Clock):
    def start_clock(self):
        pass

    def current_time(self):
        return 0.0

    def deadline_to_sleep_time(self, deadline):
        raise RuntimeError("the clock is broken")

async def main():
    with trio.move_on_after(1):
        await trio.sleep_forever()

trio.run(main, clock=Broken())
"""


def test_an_internal_error_of_trio_is_seen_and_what_was_recorded_is_there(tmp_path):
    (tmp_path / "app.py").write_text(CRASHES)
    ended = run("app.py", folder=tmp_path)
    assert ended.status == 1
    assert "trio.TrioInternalError" in ended.errors
    assert "tracetools: recorded 1 loop (trio)" in ended.errors
    assert read_profile(tmp_path / "stack.profile.json").runs == 1
    assert (tmp_path / "stack.html").stat().st_size


def test_recording_and_an_instrument_of_the_program_get_on(tmp_path):
    program = """
        import trio
        from tracetools import FlamegraphInstrument, span
        async def main():
            with span("part"):
                await trio.sleep(0)
        trio.run(main, instruments=[FlamegraphInstrument("inner")])
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert run("app.py", folder=tmp_path).status == 0
    for name in ("stack", "inner"):
        assert any(stack.startswith("all-spans|main|part") for stack in stacks(tmp_path, name))


# ------------------------------------------------------------------- what it is given and leaves


def test_a_python_before_the_program_is_taken_off(tmp_path):
    (tmp_path / "app.py").write_text("import sys, trio; print(sys.argv); trio.run(trio.sleep, 0)")
    ended = run(sys.executable, "app.py", "x", folder=tmp_path)
    assert (ended.status, ended.output) == (0, "['app.py', 'x']\n")
    assert "recorded 1 loop" in ended.errors


def test_our_options_after_the_program_are_told(tmp_path):
    (tmp_path / "app.py").write_text("import trio; trio.run(trio.sleep, 0)")
    errors = run("app.py", "-o", "x", folder=tmp_path).errors
    assert "\n\ntracetools: -o after app.py went to the program." in errors
    assert (tmp_path / "stack.html").exists()


def test_a_program_that_refuses_our_option_is_told_where_it_belongs(tmp_path):
    (tmp_path / "app.py").write_text("import sys; print('no -o'); sys.exit(2)")
    status, output, errors = run("app.py", "-o", "x", folder=tmp_path)
    assert (status, output) == (2, "no -o\n")
    assert errors.startswith("\ntracetools: -o after app.py went to the program.")
    assert "nothing was recorded" not in errors


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_files_of_another_program_are_replaced_with_a_word_before_it_starts(tmp_path, quiet):
    program = "import sys, trio; print('runs', file=sys.stderr); trio.run(trio.sleep, 0)"
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(program)
    assert run(*quiet, "one.py", folder=tmp_path).errors.startswith("runs\n")
    assert run(*quiet, "one.py", folder=tmp_path).errors.startswith("runs\n")
    said = run(*quiet, "two.py", folder=tmp_path).errors
    first, second, *_ = said.splitlines()
    assert first.startswith("tracetools: stack.profile.json")
    assert "of one.py" in first
    assert second == "runs"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-o", "notes", "app.py"), "notes.folded is there already and is no file of folded"),
        (("-o", "app.py", "app.py"), "no format has the suffix .py"),
        (("-o", "a", "-o", "a.html", "app.py"), "two outputs are named a.html"),
        (("--functons", "app.py"), "there is no option --functons; did you mean --functions?"),
        (("--lens", "critical", "app.py"), "give --keep SECONDS too"),
        ((), "nothing to run"),
        (("python",), "nothing to run"),
        (("-m",), "-m needs a module after it"),
    ],
)
def test_wrong_use_ends_with_2_and_the_usage_of_run(tmp_path, words, said):
    (tmp_path / "app.py").write_text("print('running')")
    (tmp_path / "notes.folded").write_text("notes of mine\n")
    status, output, errors = run(*words, folder=tmp_path)
    assert (status, output) == (2, "")
    assert said in errors
    assert errors.startswith("usage: tracetools run [options] (script") == ("notes" not in words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.py", "notes.folded"]


@unix
def test_a_program_that_is_killed_leaves_the_stacks_and_the_profile(tmp_path):
    program = (
        "import os, signal, time, trio\n"
        "async def main():\n"
        "    await trio.sleep(1.2)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "trio.run(main)\n"
    )
    (tmp_path / "app.py").write_text(program)
    run("-o", "a", "-o", "a.svg", "app.py", folder=tmp_path)
    assert read_profile(tmp_path / "a.profile.json").runs == 1
    assert sum(stacks(tmp_path, "a").values()) > 0
    assert not (tmp_path / "a.svg").exists()


LASTS = """\
import os, sys, threading, time
def early(): spin()
def late(): spin()
def spin():
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end: pass
async def main(sleep):
    begun = time.perf_counter()
    while time.perf_counter() - begun < 3 and not os.path.exists("stack.html"):
        (early if time.perf_counter() - begun < 0.5 else late)()
        await sleep(0.01)
    print(sorted(os.listdir()))
if sys.argv[1] == "trio":
    import trio
    trio.run(main, trio.sleep)
else:
    import asyncio, uvloop
    run = uvloop.run if sys.argv[1] == "uvloop" else asyncio.run
    run(main(asyncio.sleep))
"""


@pytest.mark.parametrize("backend", ["trio", "asyncio", "uvloop"])
def test_a_recording_may_begin_after_the_program_and_end_before_it(tmp_path, backend):
    (tmp_path / "app.py").write_text(LASTS)
    ended = run("--delay", "1.5", "--duration=0.5", "app.py", backend, folder=tmp_path)
    names = ["app.py", "stack.folded", "stack.html", "stack.profile.json"]
    assert (ended.status, ended.output) == (0, f"{names}\n")  # they were there before its end
    assert ended.errors.count("recorded 1 loop") == 1
    profile = read_profile(tmp_path / "stack.profile.json")
    profile.check()
    functions = {path[-1].name for path, times in profile.stacks.items() if times.busy}
    assert "early" not in functions
    assert 0 < profile.duration < 1.5e9


def test_a_program_that_is_over_before_the_delay_is_told_so(tmp_path):
    said = run("--delay", "60", ENDS, "trio", "return", folder=tmp_path).errors
    assert "nothing was recorded: the program was over before its --delay was" in said
    assert list(tmp_path.iterdir()) == []


@unix
def test_children_begin_and_end_with_the_program(tmp_path):
    program = """
        import asyncio, os, time
        async def main(name, seconds):
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                await asyncio.sleep(0.01)
        async def child(): await main("child", 3)
        async def parent(): await main("parent", 2)
        if os.fork():
            asyncio.run(parent())
            os.wait()
        else:
            asyncio.run(child())
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    ended = run("--delay", "1", "--duration", "0.5", "app.py", folder=tmp_path)
    assert ended.status == 0, ended.errors
    profile = read_profile(tmp_path / "stack.profile.json")
    assert (profile.runs, profile.merged) == (2, 2), ended.errors
    assert profile.duration < 2e9


# ------------------------------------------------------------------------------- its end


@unix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("backend", ["trio", "asyncio", "none"])
def test_signal_ends_it_as_it_would_and_after_the_files_are_written(tmp_path, backend, number):
    words = (str(PROGRAMS / "dies.py"), backend, str(number.value))
    ended = run_both(*words, folder=tmp_path, covered=False)
    said = what_we_said(*ended)
    assert ended[1].status == -number
    if backend == "none":
        assert "nothing was recorded" in said
    else:
        assert sum(stacks(tmp_path).values()) > 0
        assert "Written: stack.profile.json" in said
    assert (tmp_path / "stack.html").exists() == (backend != "none")


@unix
def test_broken_stderr_changes_nothing(tmp_path):
    with started(*RECORDED, ENDS, "trio", "exit", folder=tmp_path) as process:
        process.stderr.close()
        process.wait(timeout=60)
    assert process.returncode == 3
    assert (tmp_path / "stack.html").exists()


@unix
@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-"])
def test_closed_streams(tmp_path, stream):
    line = [sys.executable, *RECORDED, ENDS, "trio", "exit"]
    shell = ["sh", "-c", f'"$@" {stream}', "sh", *line]
    assert subprocess.run(shell, cwd=tmp_path, capture_output=True, check=False).returncode == 3
    assert (tmp_path / "stack.html").exists()


@unix
def test_file_that_took_the_place_of_stderr_is_left_alone(tmp_path):
    program = """
        import os, trio
        trio.run(trio.sleep, 0)
        os.close(2)
        print(os.open("data", os.O_WRONLY | os.O_CREAT))
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert run("app.py", folder=tmp_path) == (0, "2\n", "")
    assert (tmp_path / "data").read_bytes() == b""


def test_redirected_stderr_of_the_program_stays_its_own(tmp_path):
    program = """
        import atexit, io, sys, trio
        sys.stderr = io.StringIO()
        atexit.register(lambda: print(repr(sys.stderr.getvalue())))
        trio.run(trio.sleep, 0)
    """
    (tmp_path / "app.py").write_text(textwrap.dedent(program))
    assert "Written:" in assert_same("app.py", folder=tmp_path)


# --------------------------------------------------------------------- what the program sees


ALL_ON = ("--functions", "--scheduled", "--task-names", "--lens", "task", "--blocking", "none")


@unix
@pytest.mark.parametrize("which", ["asyncio", "debug", "uvloop", "trio"])
def test_a_program_that_looks_around_sees_what_it_would_see(tmp_path, which):
    """Stacks, tasks, factories, signals, hooks, warnings, the environment, what is collected."""
    words = (str(PROGRAMS / "looks_around.py"), which)
    with (
        started(*words, folder=tmp_path) as plain,
        started(*RECORDED, *ALL_ON, *words, folder=tmp_path) as recorded,
    ):
        ended, ours = end(plain), end(recorded)
    assert ended.status == ours.status == 0, ours.errors
    sees, saw = (read_printed(each.output) for each in (ended, ours))
    assert len(str(sees)) > 10_000
    assert saw == sees
    assert "Written:" in ours.errors


def read_printed(output):
    text, _, rest = output.rpartition("}")
    assert rest == "\nat exit\n"
    return without_logged(json.loads(text + "}"))


def without_logged(seen):
    """Leave out what logging finds on Python 3.10, where no function says which frames count."""
    if sys.version_info >= (3, 11):
        return seen
    if isinstance(seen, list):
        return [without_logged(each) for each in seen]
    if isinstance(seen, dict):
        return {name: without_logged(each) for name, each in seen.items() if name != "logged"}
    return seen


# ------------------------------------------------------------------------------ real servers

SERVERS = {
    "uvicorn": ("uvicorn", "app:app", "--port={port}", "--loop=asyncio"),
    "uvicorn on uvloop": ("-m", "uvicorn", "app:app", "--port={port}", "--loop=uvloop"),
    "hypercorn on trio": ("-m", "hypercorn", "app:app", "--bind=127.0.0.1:{port}", "-w0", "-ktrio"),
}


@unix
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("uvicorn", signal.SIGINT),
        ("uvicorn on uvloop", signal.SIGTERM),
        ("hypercorn on trio", signal.SIGTERM),  # what it makes of SIGINT depends on where it hits
    ],
)
def test_server_is_recorded_and_shuts_down_as_it_would(tmp_path, name, number):
    (tmp_path / "app.py").write_text(APP)
    folder = os.path.dirname(sys.executable)
    variables = {"PATH": f"{folder}:{os.environ['PATH']}"}
    ports = [free_port(), free_port()]
    plain, recorded = ([word.format(port=port) for word in SERVERS[name]] for port in ports)
    if name == "uvicorn":
        plain[0] = f"{folder}/uvicorn"
    with (
        started(*plain, folder=tmp_path, **variables) as process,
        started(*RECORDED, *recorded, folder=tmp_path, **variables) as other,
    ):
        ended = []
        for one, port in zip((process, other), ports, strict=True):
            assert b"hello" in ask(port, one)
            one.send_signal(number)
            ended.append(end(one))
    assert ended[0].status == ended[1].status
    assert any("serve" in stack and "answer" in stack for stack in stacks(tmp_path)), ended[1]
    assert "Written: stack.profile.json, stack.folded, stack.html" in ended[1].errors


def test_run_both_is_fair(tmp_path):
    words = ("-c", "import sys; print('tracetools' in sys.modules)")
    plain, recorded = run_both(*words, folder=tmp_path)
    assert (plain.output, recorded.output) == ("False\n", "True\n")


@pytest.mark.parametrize(
    "words",
    [
        ("app.py", "-a", "run"),
        ("-m", "app", "x"),
        ("-mapp",),
        ("-c", "import app", "-m"),
        ("-capp",),
    ],
)
def test_program_that_starts_itself_again_finds_its_own_command_line(tmp_path, words):
    (tmp_path / "app.py").write_text("import sys; print(sys.orig_argv)")
    assert_same(*words, folder=tmp_path, flags=("-W", "ignore", "-Xutf8"))


SLEEPS = """\
import time

import trio


def sleep():
    time.sleep(0.05)


def compute():
    end = time.thread_time() + 0.05
    while time.thread_time() < end:
        pass


async def main():
    for _ in range(6):
        sleep()
        compute()
        await trio.sleep(0)


trio.run(main)
"""


def test_cpu_clock_shows_no_time_of_a_function_that_sleeps(tmp_path):
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    run("--clock", "cpu", "--functions", "sleeps.py", folder=tmp_path)
    times = {}
    for path, time in read_profile(tmp_path / "stack.profile.json").lens("busy").items():
        times[path[-1].name] = times.get(path[-1].name, 0) + time
    # Each sleeps or computes for as long. On a machine that does other work, a sample may be late:
    # then the function that has computed has made way for the one that sleeps.
    assert times.get("sleep", 0) < times["compute"] // 5
