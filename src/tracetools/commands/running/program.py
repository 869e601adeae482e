"""Runs a Python program inside this process, as ``python`` would.

The program's exceptions reach the interpreter, which prints the traceback, joins threads, calls
what `atexit` knows, and ends with the right status; after Ctrl-C, by the signal. We only take our
own frames out of tracebacks.
"""

from __future__ import annotations

import builtins
import io
import os
import shutil
import sys
from functools import partial
from importlib.machinery import BuiltinImporter, SourceFileLoader, SourcelessFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.commands import CommandError, UsageError
from tracetools.commands.running.interpreter import command_of_python
from tracetools.instruments import hidden_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

__all__ = ["Program", "find_program", "is_path_safe"]

_replaced: Final[list[ModuleType]] = []
"""The former ``__main__``. What still runs in it needs its globals."""


class Program:
    """A program that was found, and can be run once.

    Args:
        argv: what `sys.argv` will be.
        folder: what stands first in `sys.path`; an archive or a folder with a ``__main__.py`` is a
            folder, too.
        execute: runs the code in ``__main__``, whose globals it is given.
        always: whether `folder` is wanted even in Python's safe path mode.

        name: what it is called on the command line.
        source: the text of a script.

    Attributes:
        words: what follows Python and its switches on a command line of its own.
        words_after: its arguments.
        names: the names by which a profile may know it.
        started: whether the program's code was ever reached.
        note: what is different from what was asked for.
        status: what it has given `sys.exit`, if that is a number.
    """

    def __init__(  # noqa: PLR0913  # what belongs to a program
        self,
        argv: Sequence[str],
        folder: str,
        execute: Callable[[dict[str, Any]], None],
        *,
        always: bool = False,
        name: str = "",
        source: bytes | None = None,
    ) -> None:
        self.started = False
        self.note = ""
        self.status: int | None = None
        self.name = name or argv[0]
        self.source = source
        self.words_after = list(argv[1:])
        last = self.name.rpartition(".")[2]
        is_module = argv[0] == "-m"
        self.names = [last, f"{last}.py"] if is_module else [os.path.basename(argv[0])]
        self._argv = list(argv)
        self._folder = folder
        self.words = list(argv)
        self._execute = execute
        self._always = always

    def run(self) -> None:
        """Become the program, until it ends.

        Raises:
            BaseException: whatever the program raises. It must reach the interpreter, which will
                show it without our frames.
        """
        sys.orig_argv = [*command_of_python(), *self.words]
        sys.argv = self._argv
        self._set_path()
        main = _new_main()
        self.started = True
        try:
            self._execute(vars(main))
        except BaseException as error:
            inner = _below_ours(error.__traceback__)
            self.started = _is_of_program(error, inner)
            if isinstance(error, SystemExit) and isinstance(error.code, int):
                self.status = error.code
            if not isinstance(error, SystemExit):
                _show_without_ours(error, inner)
            raise

    def _set_path(self) -> None:
        """Put the program's folder in place of ours: the command's folder or the current one."""
        if not is_path_safe():
            sys.path[:1] = [self._folder]
        elif self._always:
            sys.path.insert(0, self._folder)


def is_path_safe() -> bool:
    """Whether Python leaves the program's folder out of `sys.path`."""
    return bool(getattr(sys.flags, "safe_path", sys.flags.isolated))


def find_program(words: Sequence[str]) -> Program:
    """Return the program that a command line names, read as Python itself reads it.

    Args:
        words: ``script argument...``, ``-m module argument...`` or ``-c code argument...``; after
            a ``--`` it is a script, whatever it is called. A script that is no path is looked up as
            the shell does it.

    Raises:
        CommandError: there is no such script, it cannot be read, or it is not Python.
    """
    if words[:1] == ["--"]:
        words = words[1:]
    elif words and words[0][:2] in ("-m", "-c"):
        rest = [words[0][2:], *words[1:]] if words[0][2:] else words[1:]
        program = _find_switch(words[0][:2], rest)
        program.words = list(words)
        return program
    if not words:
        raise UsageError("nothing to run: give a script, or -m and a module, or -c and code")
    if words[0] == "-":
        raise UsageError("a program cannot be read from standard input: give a script")
    return _find_script(*words)


def _find_switch(switch: str, words: Sequence[str]) -> Program:
    if not words:
        raise UsageError(f"{switch} needs {'a module' if switch == '-m' else 'code'} after it")
    what, *arguments = words
    if switch == "-m":  # runpy replaces the -m once it has found the module
        run_module = partial(_run_module, what)
        return Program([switch, *arguments], os.getcwd(), run_module, name=what)
    return Program([switch, *arguments], "", partial(_run_code, what), source=what.encode())


def _find_script(name: str, *arguments: str) -> Program:
    if _is_folder_or_archive(name) and not _is_command_beside_folder(name):
        whole = _absolute(name)
        return Program([name, *arguments], whole, _run_main_of_path, always=True)
    is_path = os.path.lexists(name) and not os.path.isdir(name)
    path = name if is_path else _find_command(name) or name
    if (path == name and not is_path) or (path != name and not _is_python(_read(path))):
        run_entry = _find_entry_point(name)
        if run_entry is not None:
            return Program([path, *arguments], "", run_entry, name=name)
    source = _read(path)
    if path != name and not _is_python(source):
        raise CommandError(f"{path} is no Python script: only Python can be recorded")
    folder = os.path.dirname(os.path.realpath(path))
    run_script = partial(_run_script, _absolute(path), source)
    of_script = source if path == name else None  # an installed command has little of its own
    return Program([path, *arguments], folder, run_script, name=name, source=of_script)


def _is_command_beside_folder(name: str) -> bool:
    """Whether a folder has the name of a command, and no ``__main__.py`` that could be meant."""
    main = os.path.join(name, "__main__.py")
    return os.path.isdir(name) and not os.path.exists(main) and _find_command(name) is not None


def _find_entry_point(name: str) -> Callable[[dict[str, Any]], None] | None:
    """Return what runs an installed command of which there is no script in Python."""
    from importlib.metadata import entry_points

    if os.path.dirname(name):
        return None
    for entry in entry_points(group="console_scripts"):
        if entry.name == name:
            code = f"import sys\nfrom {entry.module} import {entry.attr.partition('.')[0]}\n"
            return partial(_run_code, f"{code}sys.exit({entry.attr}())\n")
    return None


# --------------------------------------------------------------------------------- finding files


def _find_command(name: str) -> str | None:
    """Return the path of an installed command: this Python's own, or else the shell's."""
    beside = os.path.dirname(sys.executable)
    own = shutil.which(name, path=beside) if beside and not os.path.dirname(name) else None
    return own or shutil.which(name)


def _is_folder_or_archive(path: str) -> bool:
    """Whether Python would look for a ``__main__.py`` in it."""
    for hook in sys.path_hooks:
        try:
            hook(path)
        except ImportError:
            continue
        return True
    return False


def _read(path: str) -> bytes:
    try:
        with io.open_code(_absolute(path)) as file:
            return file.read()
    except OSError as error:
        why = f"[Errno {error.errno}] {error.strerror}"
        raise CommandError(f"can't open file {_absolute(path)!r}: {why}") from error


def _is_python(source: bytes) -> bool:
    """Whether a command is a Python script, as installers write them."""
    first, _, rest = source.partition(b"\n")
    return first.startswith(b"#!") and (b"python" in first or rest.startswith(b"'''exec' "))


def _absolute(path: str) -> str:
    """Return what Python calls a script in tracebacks: all but not normalised."""
    if path == "." and sys.version_info >= (3, 11):
        return os.getcwd()
    return os.path.join(os.getcwd(), path)


# --------------------------------------------------------------------------------- running code


def _new_main() -> ModuleType:
    """Replace our ``__main__`` by a new one, made as the interpreter makes it."""
    main = ModuleType("__main__")
    vars(main).update(__loader__=BuiltinImporter, __builtins__=builtins)
    if sys.version_info < (3, 14):  # since, they are made when they are asked for
        vars(main).update(__annotations__={})
    _replaced.append(sys.modules["__main__"])
    sys.modules["__main__"] = main
    return main


def _run_script(file: str, source: bytes, main: dict[str, Any]) -> None:
    if file.endswith(".pyc"):
        loader: Any = SourcelessFileLoader("__main__", file)
        code = loader.get_code("__main__")
    else:
        loader = SourceFileLoader("__main__", file)
        code = compile(source, file, "exec", dont_inherit=True)
    main.update(__file__=file, __loader__=loader)
    if sys.version_info < (3, 15):
        main.update(__cached__=None)
    exec(code, main)  # noqa: S102  # what the command is for


def _run_code(text: str, main: dict[str, Any]) -> None:
    if sys.version_info >= (3, 13):  # tracebacks show the lines, since
        import linecache

        lines = [line + "\n" for line in text.splitlines()]
        linecache.cache["<string>"] = (len(text), None, lines, "<string>")
    exec(compile(text, "<string>", "exec", dont_inherit=True), main)  # noqa: S102  # likewise


def _run_module(name: str, _: dict[str, Any]) -> None:
    compat.runpy_run_module()(name)


def _run_main_of_path(_: dict[str, Any]) -> None:
    compat.runpy_run_module()("__main__", alter_argv=False)


hidden_frames.outermost.update(
    each.__code__ for each in (_run_script, _run_code, _run_module, _run_main_of_path)
)

# ------------------------------------------------------------------------------------ the end


def _below_ours(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without our frames, which stand above those of the program."""
    while traceback is not None and traceback.tb_frame.f_globals is globals():
        traceback = traceback.tb_next
    return traceback


def _is_of_program(error: BaseException, inner: TracebackType | None) -> bool:
    """Whether an error comes from the program, and does not say that there is none to be run."""
    if inner is None:  # it cannot be compiled
        return False
    refused = isinstance(error, SystemExit) and inner.tb_next is None
    return not (refused and inner.tb_frame.f_globals.get("__name__") == "runpy")


def _show_without_ours(error: BaseException, inner: TracebackType | None) -> None:
    """Let the interpreter, which is about to print an error, see only the program's frames.

    `sys.excepthook` is replaced for this one call, which comes next.
    """
    theirs = getattr(sys, "excepthook", sys.__excepthook__)

    def hook(kind: type[BaseException], value: BaseException, traceback: Any) -> None:
        sys.excepthook = theirs
        if value is error:
            traceback = sys.last_traceback = value.__traceback__ = inner
        try:
            theirs(kind, value, traceback)
        except SystemExit:
            raise
        except BaseException as failure:  # noqa: BLE001  # as the interpreter does, but our frame
            print("Error in sys.excepthook:", file=sys.stderr)
            sys.__excepthook__(type(failure), failure, _drop_ours_from(failure))
            print("\nOriginal exception was:", file=sys.stderr)
            sys.__excepthook__(kind, value, traceback)

    sys.excepthook = hook


def _drop_ours_from(error: BaseException) -> TracebackType | None:
    error.__traceback__ = _below_ours(error.__traceback__)
    return error.__traceback__
