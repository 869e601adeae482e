"""`tracetools run`: runs an unchanged program with everything recorded, and reports on it.

The program comes first: its output, its exit status and its signals are its own. Our report goes
to stderr, after everything that it writes, and no failure of ours changes how it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import time
from dataclasses import Field, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tracetools.commands import tables
from tracetools.commands.program import find_program, is_path_safe
from tracetools.commands.signals import DeadlySignals
from tracetools.commands.stderr import Stderr
from tracetools.core.errors import GraphFileError, LawError, TracetoolsError
from tracetools.core.interruptions import Insist
from tracetools.core.labels import LABELS
from tracetools.core.profile import LENSES
from tracetools.guest.messages import common
from tracetools.output.formats.files import Rescue, explain, write_atomically
from tracetools.output.formats.folded import pack_clean, write_folded
from tracetools.output.formats.profile_json import write_profile
from tracetools.output.stack_file import fold
from tracetools.session.options import Options, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tracetools.commands.family import Family
    from tracetools.commands.program import Program
    from tracetools.core.labels import LabelPath, Labels
    from tracetools.core.profile import Lens, Profile

__all__ = ["SUMMARY", "add_options", "run", "split"]

SUMMARY: Final = "run a program, unchanged, and record every trio run and asyncio loop in it"

_USAGE: Final = "tracetools run [options] (script | -m module | -c code) [argument ...]"

_NOTHING_RECORDED: Final = """\
tracetools: nothing was recorded: no trio run and no asyncio loop was started, neither in this
process nor in one that it forked, or started by multiprocessing.
For plain Python take a sampling profiler: py-spy record -o profile.svg -- python ...
Python programs that this one starts are recorded with --subprocesses."""

_REPLACED: Final = """\
tracetools: the program becomes another one ({}), which is not recorded. Python programs are, with
--subprocesses. This is what was recorded until now."""


def _count(text: str) -> int:
    count = int(text) if text.isdecimal() else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 up")
    return count


def _seconds(name: str, text: str) -> float | None:
    if text == "none":
        return None
    try:
        seconds = float(text)
        nanoseconds(name, seconds)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return seconds


_CLOCKS: Final = {"wall": time.perf_counter_ns, "cpu": time.thread_time_ns}


def _clock(text: str) -> Callable[[], int]:
    """Convert the name of a clock."""
    if text not in _CLOCKS:
        raise argparse.ArgumentTypeError(f"no clock is named {text!r}; choose wall or cpu")
    return _CLOCKS[text]


_RECORDED: Final = {
    each.name: each for each in fields(Options) if each.metadata.get("command", True)
}
"""The options that say what is recorded."""


def _switch(option: Field[Any]) -> dict[str, Any]:
    """Return how argparse is to take an option, which follows from its type and its default."""
    kind, default = str(option.type), option.default
    text = (
        option.metadata.get("command", option.metadata["text"])
        .replace("None for", "none for")
        .replace("``", "")
        .replace("`", "")
        .replace("%", "%%")
    )
    if kind in ("Lens", "Labels"):
        choices = LENSES if kind == "Lens" else LABELS
        how: dict[str, Any] = {"choices": choices}
    elif kind == "bool":
        action = argparse.BooleanOptionalAction if default else "store_true"
        return {"action": action, "default": default, "help": text}
    elif kind == "bool | None":
        return {"action": "store_const", "const": True, "help": text}
    elif option.name == "clock":
        how = {"type": _clock, "metavar": "wall|cpu"}
        return {**how, "default": default, "help": f"{text} (default: wall)"}
    elif kind == "int":
        how = {"type": _count, "metavar": "N"}
    else:
        how = {"type": partial(_seconds, option.name), "metavar": "SECONDS"}
    return {**how, "default": default, "help": f"{text} (default: %(default)s)"}


_OPTIONS: Final[dict[tuple[str, ...], dict[str, Any]]] = {
    ("-o", "--output"): {
        "default": "stack",
        "metavar": "NAME",
        "help": "write NAME.folded, NAME.profile.json and NAME.svg (default: %(default)s); a device"
        " or a pipe gets the stacks alone",
    },
    **{("--" + name.replace("_", "-"),): _switch(option) for name, option in _RECORDED.items()},
    ("--subprocesses",): {
        "action": "store_true",
        "help": "record the Python programs that the program starts or becomes, too, by variables"
        " in their environment (TRACETOOLS_PROCESS, PYTHONPATH)",
    },
    ("-q", "--quiet"): {"action": "store_true", "help": "print nothing but errors"},
}

_WITH_VALUE: Final = {
    name for names, how in _OPTIONS.items() for name in names if "action" not in how
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command, but for the program and what belongs to it."""
    parser.usage = _USAGE
    parser.epilog = "What follows the script, the module or the code belongs to the program."
    for names, how in _OPTIONS.items():
        parser.add_argument(*names, **how)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own options, and the program's command line: it begins where ours end.

    argparse is not asked: it takes options wherever they stand, and drops a ``--``.
    """
    index = 0
    while index < len(arguments) and _is_option(arguments[index]):
        index += 2 if _wants_value(arguments[index]) else 1
    return list(arguments[:index]), list(arguments[index:])


def run(options: argparse.Namespace) -> Callable[[], int]:
    """Find the program and prepare the recording.

    Returns:
        What runs the program. The errors that come out of it are the program's own.

    Raises:
        CommandError: there is no such program.
        StackFileError: the stack file cannot be written.
    """
    program = find_program(options.program)
    recording = _Recording(options, program)
    recording.start(sys.path[0 if is_path_safe() else 1 :])

    def go_on() -> int:
        program.run()
        return 0

    return go_on


def take_over(family: Family) -> None:
    """Go on in the program that the recorded one has become, by `os.exec*`."""
    options = argparse.Namespace(**{**family.options, **family.command["options"]})
    _Recording(options, None).start(family.path, family)


def _is_option(word: str) -> bool:
    return word[:1] == "-" and word not in ("-", "--") and word[:2] not in ("-m", "-c")


def _wants_value(word: str) -> bool:
    """Whether the next word belongs to this one, as in ``--output NAME`` and ``-qo NAME``."""
    if word.startswith("--"):
        return word in _WITH_VALUE
    first = next((at for at, letter in enumerate(word) if f"-{letter}" in _WITH_VALUE), 0)
    return first == len(word) - 1


class _Recording:
    """The recording of a program, from before its start to after its end.

    In a forked copy of the process it does nothing: the files and the report are the parent's.

    Args:
        options: those of the command.
        program: the program; None if it runs already.
    """

    def __init__(self, options: argparse.Namespace, program: Program | None) -> None:
        self._options = options
        self._program = program
        self._pid = os.getpid()
        self._here = _working_directory()
        self._path: list[str] = []
        self._stderr = Stderr(quiet=options.quiet)
        self._record: Any = None
        self._recording: Any = None
        self._children: Any = None
        self._family: Any = None
        self._wakeup_fd: Any = None
        self._of_others: list[Profile] = []
        self._notes: list[str] = []
        self._over = False

    def start(self, path: list[str], family: Family | None = None) -> None:
        """Start to record, and have `finish` called however the program ends.

        Args:
            path: the `sys.path` by which our own modules are found.
            family: what the program had in common with its children, if it has become another one.

        Raises:
            StackFileError: the stack file cannot be written.
        """
        self._path = path
        with _sys_path(self._path):  # takes a while
            from tracetools.commands.child_processes import Children
            from tracetools.commands.ending import Ending
            from tracetools.commands.family import Family
            from tracetools.commands.wakeup_fd import WakeupFd
            from tracetools.session.record import Record
            from tracetools.session.recording import Recording

            with contextlib.suppress(ImportError):  # Windows has none
                import resource  # noqa: F401  # not at the end: an import takes a descriptor

        options = {name: getattr(self._options, name) for name in _RECORDED}
        chosen = Options(**options)
        common.to = self._stderr
        self._recording = Recording(
            self._options.output, chosen, closes=True, with_profile=True, messages=self._stderr
        )
        self._recording.discard()  # it can be written; killed before its first loop, it leaves none
        self._record = Record(self._recording)
        self._record.__enter__()
        self._recording.recorder.counts_forks = False
        ending = Ending(self.finish, self.before_exec)
        self._family = family or Family(
            options, path, everyone=self._options.subprocesses, command=self._command()
        )
        self._children = Children(self._family, self._record, ending)
        self._children.start()
        self._wakeup_fd = WakeupFd()
        self._wakeup_fd.start()
        ending.start()
        if self._options.subprocesses and family is None:
            with contextlib.suppress(OSError):
                os.environ.update(self._family.environment(expected=False))
        DeadlySignals(self.finish).catch()

    def _command(self) -> dict[str, Any]:
        """Return what the program needs that this one may become."""
        output = os.path.abspath(self._options.output)
        return {"options": {"output": output, "quiet": self._options.quiet, "subprocesses": True}}

    def before_exec(
        self, path: Any, argv: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> Callable[[], object]:
        """Write what was recorded, before the program becomes another one. Never raises.

        That one goes on with the recording, if it can. Otherwise this is the end. Returns what is
        to be done if the program stays what it is.
        """
        if self._over or os.getpid() != self._pid:
            return _nothing
        try:
            if isinstance(path, int) or not os.access(path, os.X_OK) or os.path.isdir(path):
                return _nothing  # others may follow, on the shell's path
            if self._family.reaches(path, argv, environment):
                self._recording.file.write()
                undo: Callable[[], object] = self._family.leave(self._recording.profile)
                return undo
            self._say_what_was_recorded(os.fsdecode(path))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the program comes first
            self._stderr.report(f"tracetools: {type(error).__name__}: {error}")
        return _nothing

    def _say_what_was_recorded(self, becomes: str) -> None:
        """Write the files and report, though the recording goes on."""
        self._collect()
        self._family.remove()
        text = self._conclude_with(self._recording.profile)
        first = "" if self._options.quiet else _REPLACED.format(becomes)
        text = "\n\n".join(filter(None, (first, text)))
        if text:
            self._stderr.report(text)

    def finish(self) -> None:
        """End the recording, write the files, report. A second time does nothing. Never raises."""
        if self._over or os.getpid() != self._pid:
            return
        self._over = True
        try:
            text = self._conclude()
        except KeyboardInterrupt:
            text = "tracetools: interrupted while the files were written"
        except TracetoolsError as error:
            text = _in_one_line(error)
        except Exception as error:  # noqa: BLE001  # how the program ends is not ours to change
            text = f"tracetools: the files could not be written: {type(error).__name__}: {error}"
        if text:
            self._stderr.report(text)

    def _conclude(self) -> str:
        """Write the files, and return the report."""
        try:
            with Insist(quietly=True) as insist:
                insist.do(_allow_more_descriptors)
                insist.do(self._wakeup_fd.end)
                insist.do(self._children.end)
                insist.do(partial(self._recording.close, write=False))
                insist.do(self._record.__exit__)
            self._collect()
        finally:
            self._family.remove()
        text = self._conclude_with(self._recording.profile)
        started = self._program is None or self._program.started
        return text or ("" if self._options.quiet or not started else _NOTHING_RECORDED)

    def _conclude_with(self, own: Profile) -> str:
        """Write the files of all processes, and return the report; nothing if there is nothing."""
        profiles = [profile for profile in (own, *self._of_others) if profile.runs]
        notes = "\n".join(self._notes)
        return self._write(profiles[0].merge(*profiles[1:]), notes) if profiles else notes

    def _collect(self) -> None:
        """Take what other processes have left, and note what they have not."""
        try:
            found = self._family.collect()
        except OSError as error:
            self._notes.append(f"tracetools: other processes are left out: {error}")
        else:
            self._of_others += found.profiles
            self._notes += tables.what_is_left_out(found.unread, found.running, found.lost)

    def _write(self, profile: Profile, lost: str) -> str:
        """Write the files, and return the report; `lost` says what is not in them."""
        options = self._options
        rescue = Rescue()
        with _sys_path(self._path):
            written = self._write_files(profile, rescue)
        try:
            profile.check()
        except LawError as error:
            rescue.said.append(str(error))
        said = "\n".join(f"tracetools: {sentence}" for sentence in rescue.said)
        if options.quiet:
            return "\n\n".join(filter(None, (lost, said)))
        parts = (
            f"tracetools: {tables.what_ran(profile)}",
            tables.top_stacks(profile, options.lens),
            tables.what_stands_out(profile),
            lost,
            said,
            tables.what_to_open(written, self._here),
        )
        return "\n\n".join(filter(None, parts))

    def _write_files(self, profile: Profile, rescue: Rescue) -> list[Path]:
        """Write the profile, the stack file and the graph; return where they are.

        A device or a pipe gets the stacks alone. What the program reads is not ours to say.
        """
        options, file = self._options, self._recording.file
        stacks = fold(profile, options.lens, options.labels)
        files = [rescue.write(file.path, partial(write_folded, stacks=stacks))]
        if file.profile_path is not None:
            graph = file.path.with_suffix(".svg")
            draw = partial(_draw, stacks=stacks, marks=(profile, options.lens, options.labels))
            write = partial(write_profile, profile=profile)
            files = [rescue.write(file.profile_path, write), *files, rescue.write(graph, draw)]
        return [path for path in files if path is not None]


def _draw(
    path: Path, *, stacks: Mapping[LabelPath, int], marks: tuple[Profile, Lens, Labels]
) -> None:
    """Draw stacks that were just recorded, as they would be read from their file."""
    from tracetools.output.flamegraph.flamegrapher import render_packed
    from tracetools.output.flamegraph.marks import marks_of
    from tracetools.output.flamegraph.options import make_options

    profile, lens, labels = marks
    text = render_packed(
        pack_clean(stacks), None, make_options({}), marks_of([profile], lens, labels)
    )
    try:
        write_atomically(path, text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write graph {path}: {explain(error)}") from error


def _allow_more_descriptors() -> None:
    """Let us open a few more files, if the program has used up all that it may open."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        resource: Any = sys.modules.get("resource")
        if error.errno == errno.EMFILE and resource is not None:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            more = soft + _DESCRIPTORS
            if hard != resource.RLIM_INFINITY:
                more = min(more, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))


_DESCRIPTORS: Final = 16
"""How many descriptors we need at the end, at most."""


def _nothing() -> None:
    """Undo nothing."""


def _in_one_line(error: TracetoolsError) -> str:
    return " ".join(["tracetools:", *str(error).splitlines()])


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError:
        return Path(os.path.sep)


@contextlib.contextmanager
def _sys_path(path: list[str]) -> Iterator[None]:
    """Let our imports find our own modules, and not those of the program with the same names."""
    theirs, sys.path = sys.path, path
    try:
        yield
    finally:
        sys.path = theirs
