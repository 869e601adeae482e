"""A program sees and shows the same, whether Python runs it or we do."""

import os
import py_compile
import shutil
import sys
import textwrap
import zipfile

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
from tests.processes import not_root
from tracetools.commands import CommandError
from tracetools.commands.running.program import find_program

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


def written(folder, text, name="program.py"):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return name


# ------------------------------------------------------------------------------ how it starts


@pytest.fixture
def shows(tmp_path):
    """Return a folder with that program as a script, a module, a package, a folder, an archive."""
    text = (PROGRAMS / "shows.py").read_text()
    for name in ("shows.py", "sub/shows.py", "package/__init__.py", "package/__main__.py"):
        written(tmp_path, text if "__init__" not in name else "", name)
    written(tmp_path, text, "folder/__main__.py")
    with zipfile.ZipFile(tmp_path / "archive.pyz", "w") as archive:
        archive.writestr("__main__.py", text)
    return tmp_path


ARGUMENTS = ("-o", "x", "--", "-m", "-h", "--quiet", "")


@pytest.mark.parametrize(
    "target",
    [
        ["shows.py"],
        ["./shows.py"],
        ["sub/shows.py"],
        ["sub/../sub/shows.py"],
        ["--", "shows.py"],
        ["folder"],
        ["archive.pyz"],
        ["-m", "shows"],
        ["-mshows"],
        ["-m", "sub.shows"],
        ["-m", "package"],
        ["-c", (PROGRAMS / "shows.py").read_text()],
    ],
    ids=lambda target: " ".join(target)[:20],
)
def test_program_sees_what_python_would_show_it(shows, target):
    assert_same(*target, *ARGUMENTS, folder=shows, covered=False)


@unix
def test_linked_script_stands_in_the_folder_that_it_is_in_itself(shows):
    (shows / "link.py").symlink_to("sub/shows.py")
    assert_same("link.py", folder=shows, covered=False)


if sys.version_info >= (3, 11):  # there is no safe path before

    @pytest.mark.parametrize("target", ["shows.py", "folder", "archive.pyz", "-mtracetools", "-c0"])
    def test_safe_path(shows, target):
        words = ("-m", "tracetools", "--version") if target.startswith("-m") else (target,)
        assert_same(*words, folder=shows, covered=False, flags=("-P",))


@pytest.mark.parametrize("name", ["shows.py", "ends.py"])
def test_installed_command_does_the_same(shows, name):
    shutil.copy(PROGRAMS / "ends.py", shows)
    words = (name, "asyncio", "interrupt")
    with (
        started(*words, folder=shows) as plain,
        started(*installed(shows), "run", *words, folder=shows) as recorded,
    ):
        assert "tracetools: " in what_we_said(end(plain), end(recorded))


@pytest.mark.parametrize(
    "flags", [("-X", "dev"), ("-W", "error"), ("-O",), ("-X", "dev", "-W", "error")]
)
def test_flags_of_python_are_kept(shows, flags):
    assert_same("shows.py", folder=shows, covered=False, flags=flags)


def test_compiled_script(shows):
    py_compile.compile(shows / "shows.py", cfile=shows / "compiled.pyc")
    assert_same("compiled.pyc", folder=shows, covered=False)


def test_encoding_of_the_script_is_its_own(tmp_path):
    text = "# coding: latin-1\nprint(ascii('größe'))\n"
    (tmp_path / "program.py").write_bytes(text.encode("latin-1"))
    assert_same("program.py", folder=tmp_path)


def test_future_statements_of_ours_are_not_inherited(tmp_path):
    written(tmp_path, "def f(x: 1 + 1): ...\nprint(f.__annotations__)")
    assert_same("program.py", folder=tmp_path)


@unix
def test_script_that_can_be_read_once_only(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with started(*RECORDED, "pipe", folder=tmp_path) as process:
        with (tmp_path / "pipe").open("w") as pipe:
            pipe.write("print(__file__)")
        assert end(process)[:2] == (0, f"{tmp_path}/pipe\n")


@unix
@pytest.mark.parametrize(
    "first", ["#!/usr/bin/env python3\n", "#!/bin/sh\n'''exec' /x/y \"$0\"\n' '''\n"]
)
def test_script_is_looked_up_as_a_shell_does(tmp_path, first):
    tool = tmp_path / "bin" / "our-tool"
    written(tmp_path, first + "import sys\nprint(sys.argv, sys.path[0])", "bin/our-tool")
    variables = {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
    missing = run_both("our-tool", folder=tmp_path, **variables)[1]
    assert (missing.status, missing.output) == (2, "")  # it is not executable
    tool.chmod(0o755)
    found = run_both("our-tool", "-h", folder=tmp_path, **variables)[1]
    assert found.status == 0
    assert found.output == f"{[str(tool), '-h']} {tool.parent}\n"


# --------------------------------------------------------------------------- what there is not


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to run: give a script"),
        (["--"], "nothing to run: give a script"),
        (["-m"], "-m needs a module"),
        (["-c"], "-c needs code"),
        (["-"], "standard input"),
        (["missing.py"], r"can't open file '.*missing\.py': \[Errno 2\] No such file"),
        (["--", "-m"], r"can't open file '.*-m': \[Errno 2\] No such file"),
        (["missing/part"], r"can't open file '.*missing.part': \[Errno 2\] No such file"),
    ],
)
def test_what_cannot_be_run_is_reported(words, message):
    with pytest.raises(CommandError, match=message):
        find_program(words)


@unix
def test_script_that_may_not_be_read(tmp_path):
    tmp_path.chmod(0o755)
    secret = tmp_path / "secret.py"
    secret.touch(mode=0)
    with not_root(), pytest.raises(CommandError, match=r"can't open file .*: \[Errno 13\]"):
        find_program([str(secret)])


@unix
@pytest.mark.parametrize("content", [b"#!/bin/sh\nexit 0\n", b"\x7fELF\0", b"", b"print(1)"])
def test_command_that_is_not_python(tmp_path, monkeypatch, content):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "our-tool").write_bytes(content)
    (tmp_path / "our-tool").chmod(0o755)
    with pytest.raises(CommandError, match=r"our-tool is no Python script"):
        find_program(["our-tool"])


@pytest.mark.parametrize(
    "words",
    [["-m", "no_such_module"], ["-m", "email"], ["-m", "no.such.module"], ["-m", ""], ["."]],
)
def test_missing_module_is_reported_as_python_does(tmp_path, words):
    assert assert_same(*words, folder=tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


# -------------------------------------------------------------------------------- how it ends

BACKENDS = ["trio", "asyncio", "none"]
ENDS = ["return", "raise", "chain", "ours", "interrupt", "exit", "words", "at once"]


@pytest.mark.parametrize(
    ("backend", "how"),
    [
        *((backend, how) for backend in BACKENDS for how in ENDS),
        *(
            (backend, how)
            for backend in ("anyio-trio", "anyio-asyncio")
            for how in ("raise", "interrupt")
        ),
    ],
)
def test_program_ends_as_it_would(tmp_path, backend, how):
    said = assert_same(str(PROGRAMS / "ends.py"), backend, how, folder=tmp_path, covered=False)
    assert ("nothing was recorded" in said) == (backend == "none")


@pytest.mark.parametrize("how", ["return", "raise", "interrupt"])
def test_module_ends_as_it_would(tmp_path, how):
    shutil.copy(PROGRAMS / "ends.py", tmp_path)
    assert_same("-m", "ends", "trio", how, folder=tmp_path, covered=False)


ENDINGS = {
    "exit none": "raise SystemExit",
    "exit true": "raise SystemExit(True)",
    "exit object": "import sys; sys.exit({'a': 1})",
    "exit large": "raise SystemExit(257)",
    "exit negative": "raise SystemExit(-1)",
    "exit subclass": "class Stop(SystemExit): pass\nraise Stop(9)",
    "exit in a handler": "try: 1 / 0\nexcept ZeroDivisionError: raise SystemExit(6)",
    "context": "try: 1 / 0\nexcept ZeroDivisionError: undefined",
    "ctrl-c of its own": "class Interrupt(KeyboardInterrupt): pass\nraise Interrupt",
    "syntax": "print(1)\nx = (\n",
    "syntax later": "exec('x = (')",
    "missing module": "import no_such_module",
    "finally": "try: 1 / 0\nfinally: print('finally')",
    "atexit": "import atexit\natexit.register(print, 'atexit')\n1 / 0",
    "atexit fails": "import atexit\natexit.register(int, 'x')",
    "atexit exits": "import atexit, sys\natexit.register(sys.exit, 5)",
    "teardown": "class D:\n def __del__(self): print('gone')\nd = D()\n1 / 0",
    "hook": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno)\n1 / 0",
    "hook is put back": (
        "import atexit, sys\nsys.excepthook = hook = lambda *_: print('hook')\n"
        "atexit.register(lambda: print(sys.excepthook is hook))\n1 / 0"
    ),
    "hook fails": "import sys\ndef hook(*_): return {}[1]\nsys.excepthook = hook\n1 / 0",
    "hook exits": "import sys\nsys.excepthook = lambda *_: sys.exit(7)\n1 / 0",
    "last": (
        "import atexit, sys, traceback\n@atexit.register\ndef show():\n"
        " print(sys.last_type, sys.last_value, traceback.format_tb(sys.last_traceback))\n"
        " print(traceback.format_tb(sys.last_value.__traceback__))\n"
        "def f(): 1 / 0\nf()"
    ),
    "thread": (
        "import threading, time\ndef work():\n"
        " threading.main_thread().join()\n print('thread')\n raise ValueError\n"
        "threading.Thread(target=work, name='worker').start()\nprint('main')"
    ),
    "killed": "import os, signal\nprint('no', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)",
    "terminates itself": "import signal\nprint('lost')\nsignal.raise_signal(signal.SIGTERM)",
    "hangs up on itself": "import signal\nprint('lost')\nsignal.raise_signal(signal.SIGHUP)",
    "closed output": "import sys\nsys.stdout.close()",
    "broken output": "import os\nos.close(1)\nprint('lost')",
    "closed errors": "import sys\nsys.stderr.close()",
    "broken errors": "import os\nos.close(2)",
    "no errors": "import sys\nsys.stderr = None",
    "own errors": "import io, sys\nsys.stderr = io.StringIO()",
    "half a line": "import sys\nsys.stderr.write('half')",
    "warning": "import warnings\nwarnings.warn('careful')",
    "traceback of its own": (
        "import traceback\ntry: 1 / 0\nexcept ArithmeticError: traceback.print_exc()"
    ),
}
if sys.version_info >= (3, 11):
    ENDINGS["group"] = (
        "def fail():\n raise ExceptionGroup('two', [ValueError(1), KeyError(2)])\nfail()"
    )
    ENDINGS["note"] = "e = ValueError(1)\ne.add_note('a note')\nraise e"


ENDINGS_AS_CODE = ["context", "exit negative", "hook", "last", "syntax", "syntax later", "warning"]


@unix
@pytest.mark.parametrize(
    ("as_", "name"),
    [*(("script", name) for name in ENDINGS), *(("code", name) for name in ENDINGS_AS_CODE)],
)
def test_end(tmp_path, as_, name):
    words = [written(tmp_path, ENDINGS[name])] if as_ == "script" else ["-c", ENDINGS[name]]
    # what is killed or interrupted leaves no coverage, or half of it
    said = assert_same(*words, folder=tmp_path, covered=name in ("context", "hook", "hook fails"))
    assert list(tmp_path.glob("stack*")) == []  # no loop has run
    if name.startswith("syntax") and name != "syntax later":
        assert said == ""


@unix
@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_that_it_starts_are_its_own(tmp_path, method):
    flags = ("-W", "ignore::DeprecationWarning")  # fork beside threads
    said = assert_same(
        str(PROGRAMS / "spreads.py"), method, folder=tmp_path, covered=False, flags=flags
    )
    assert said.count("tracetools:") == 1


@unix
def test_forked_copy_writes_no_file_and_says_nothing(tmp_path):
    program = """
        import os, trio
        async def main(): await trio.sleep(0)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            print(sorted(os.listdir()))
        trio.run(main)
    """
    written(tmp_path, textwrap.dedent(program))
    with started(*RECORDED, "program.py", folder=tmp_path) as process:
        status, output, errors = end(process)
    assert (status, output) == (0, "['program.py']\n")
    assert errors.count("tracetools:") == 1
    assert "tracetools: recorded 2 loops (trio) of 2 processes" in errors
