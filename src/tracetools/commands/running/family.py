"""What the recorded processes of one program share: a folder, and what is recorded.

In the folder, each process has files with a name of its own (`PID-RANDOM`), by their suffixes:

- ``.folded``: its profile up to now; it is empty until a loop begins.
- ``.profile``: its profile, after its end.
- ``.expected``: it was started by multiprocessing, and does not record yet.
- ``.failed``: why it cannot be recorded.
- ``.kept``: the files that it has kept of slow spans and the like.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.errors import TracetoolsError
from tracetools.output.formats.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from typing_extensions import Self

    from tracetools.core.profile import Profile
    from tracetools.session.kept_files import KeptFile

__all__ = ["ALWAYS", "VARIABLE", "Family", "Found", "Window"]

VARIABLE: Final = "TRACETOOLS_PROCESS"
"""The environment variable by which a process that is started finds the folder."""

STARTUP: Final = os.path.join(os.path.dirname(__file__), "start_on_path")
"""A folder whose `sitecustomize` starts to record."""

INSTALLED: Final = "tracetools_processes.pth"
"""A file that does so as well, where tracetools was installed with it."""

_PATIENCE: Final = 2.0
"""Seconds that are waited for others at the end of the window, at most: one may be stopped."""

_LOOK: Final = 0.01
"""Seconds between two looks for what they have left."""

_PLAN: Final = "plan.json"
_PATH: Final = "PYTHONPATH"
_CLOCKS: Final[dict[str, Callable[[], int]]] = {
    "wall": time.perf_counter_ns,
    "cpu": time.thread_time_ns,
}


class Found(NamedTuple):
    """What the processes have left.

    Attributes:
        profiles: of all that have run a loop.
        unread: how many profiles cannot be read.
        running: how many processes have run a loop and are still there.
        lost: how many processes are not recorded, by the reason.
        kept: the files that they have kept of slow spans and the like.
    """

    profiles: list[Profile]
    unread: int
    running: int
    lost: Counter[str]
    kept: list[KeptFile]


class Window(NamedTuple):
    """The time in which something is recorded.

    Moments are those of `time.perf_counter_ns`, which is one clock for all processes of a machine.

    Attributes:
        begins: the moment of its begin; ``None`` if it has begun.
        ends: the moment of its end; ``None`` for that of the program.
    """

    begins: int | None
    ends: int | None

    @classmethod
    def from_now(cls, delay: float | None, duration: float | None) -> Self:
        """Return the window that begins after `delay` seconds, and is `duration` seconds long."""
        now = time.perf_counter_ns()
        begins = now + round((delay or 0) * 1e9)
        ends = None if duration is None else begins + round(duration * 1e9)
        return cls(begins if delay else None, ends)


ALWAYS: Final = Window(None, None)


class Family:
    """The folder, and what is recorded.

    Args:
        options: what is recorded, by the names that `Options` has for it.
        path: the `sys.path` by which our own modules are found.
        everyone: whether each Python program that is started is recorded.
        command: what the first process needs to go on after `os.exec*`.
        window: when it is recorded.
        folder: where it is; without one, it is made when it is needed.
        kept: the folder of what is kept of slow spans and the like; ``None`` for none.
    """

    def __init__(  # noqa: PLR0913  # what processes have in common
        self,
        options: Mapping[str, Any],
        path: Sequence[str],
        *,
        everyone: bool = False,
        command: Mapping[str, Any] | None = None,
        window: Window = ALWAYS,
        folder: str | None = None,
        kept: str | None = None,
    ) -> None:
        self.kept = kept
        self.window = window
        self.options = dict(options)
        self.path = list(path)
        self.everyone = everyone
        self.command = dict(command or {})
        self.folder = folder
        self.lost: Counter[str] = Counter()
        self._pid = os.getpid()

    @classmethod
    def of(cls, folder: str) -> Self:
        """Return the family of a folder that another process has made.

        Raises:
            OSError, ValueError, KeyError: there is none.
        """
        plan = json.loads(Path(folder, _PLAN).read_bytes())
        options = {**plan["options"], "clock": _CLOCKS[plan["options"]["clock"]]}
        if isinstance(options.get("keep"), dict):
            from tracetools.recording.keeper import slow  # only here

            options["keep"] = slow(**options["keep"])
        return cls(
            options,
            plan["path"],
            everyone=plan["everyone"],
            command=plan["command"],
            window=Window(*plan["window"]),
            folder=folder,
            kept=plan["kept"],
        )

    @property
    def is_quiet(self) -> bool:
        """Whether processes write nothing but errors to stderr."""
        return bool(self.command.get("options", {}).get("quiet"))

    @property
    def is_continuous(self) -> bool:
        """Whether each process writes profiles by the minute."""
        return bool(self.command.get("options", {}).get("continuous"))

    def make_folder(self) -> str | None:
        """Return the folder; make it if it is not there yet. None if that cannot be done."""
        if self.folder is None:
            with contextlib.suppress(OSError):
                folder = tempfile.mkdtemp(prefix="tracetools-")
                try:
                    Path(folder, _PLAN).write_text(json.dumps(self._plan()), "utf-8")
                except OSError:
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    self.folder = folder
        return self.folder

    def _plan(self) -> dict[str, Any]:
        clock = "cpu" if self.options.get("clock") is time.thread_time_ns else "wall"
        return {
            "version": list(sys.version_info[:2]),
            "options": {**self.options, "clock": clock, **self._plan_of_keep()},
            "path": self.path,
            "everyone": self.everyone,
            "window": list(self.window),
            "kept": self.kept,
            "command": {**self.command, "pid": self._pid},
        }

    def _plan_of_keep(self) -> dict[str, Any]:
        """Return what is kept as `slow` takes it, if it is more than a number."""
        keep: Any = self.options.get("keep")
        has_more = hasattr(keep, "__dict__")
        return {"keep": {"seconds": float(keep), **vars(keep)}} if has_more else {}

    # -- the environment of those that are started -----------------------------------------------

    def environment(self, *, expected: bool = True) -> dict[str, str]:
        """Return what is added to the environment of a process, for it to be recorded.

        With `expected`, it is known for one process that it is going to be started.
        """
        folder = self.make_folder()
        if folder is None:
            self.note_no_folder()
            return {}
        name = f"{os.getpid()}-{os.urandom(8).hex()}" if expected else ""
        if expected:
            with contextlib.suppress(OSError):
                Path(folder, f"{name}.expected").touch()
        added = {VARIABLE: os.path.join(folder, name)}
        if not _is_installed():
            before = os.environ.get(_PATH)
            added[_PATH] = STARTUP if not before else f"{STARTUP}{os.pathsep}{before}"
        return added

    def forget_environment(self) -> None:
        """Take out of this process's environment what was added, unless each program needs it."""
        if self.everyone:
            return
        os.environ.pop(VARIABLE, None)
        first, found, others = os.environ.get(_PATH, "").partition(os.pathsep)
        if first == STARTUP:
            if found:
                os.environ[_PATH] = others
            else:
                del os.environ[_PATH]

    def reaches(
        self, path: Any, words: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> bool:
        """Whether a program that is about to be started will record itself."""
        return self.everyone and self.why_not(path, words, environment) == ""

    def note_unreached(
        self, path: Any, words: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> None:
        """Note that a program which is about to be started will not record itself, if it should."""
        why = self.why_not(path, words, environment) if self.everyone else None
        if why:
            self.fail(why)

    def why_not(
        self, path: Any, words: Sequence[Any], environment: Mapping[Any, Any] | None
    ) -> str | None:
        """Return why a Python program will not record itself, nothing if it will.

        None for a program that is not a Python, or cannot be known as one.
        """
        switches = _switches(os.fsdecode(path), [os.fsdecode(word) for word in words[1:]])
        if switches is None:
            return None
        if environment is not None and not {VARIABLE, os.fsencode(VARIABLE)} & set(environment):
            return "it was given an environment of its own"
        if "S" in switches:
            return "Python was started with -S"
        if not _is_installed() and {"I", "E"} & set(switches):
            return "Python was started with -I or -E"
        return ""

    # -- the files ------------------------------------------------------------------------------

    def new_name(self) -> str:
        """Return the path of the files of this process, without a suffix."""
        return os.path.join(self.folder or "", f"{os.getpid()}-{os.urandom(8).hex()}")

    def note_no_folder(self) -> None:
        """Note that a process is not recorded, for there is no folder."""
        self.lost[_NO_FOLDER] += 1

    def leave(self, profile: Profile) -> Callable[[], object]:
        """Leave a profile of this process, which ends; return what takes it back.

        Raises:
            OSError: it cannot be written.
        """
        from tracetools.output.formats.profile_json import format_profile  # only here

        file = Path(self.new_name() + ".profile")
        if profile.runs:
            write_atomically(file, format_profile(profile).encode("ascii"))
        return partial(file.unlink, missing_ok=True)

    def fail(self, why: str) -> None:
        """Note why this process cannot be recorded. The folder may be gone; then nobody asks."""
        if self.folder is None:
            self.lost[why] += 1
            return
        with contextlib.suppress(OSError):
            Path(self.new_name() + ".failed").write_text(why, "utf-8")

    def await_ends(
        self, seconds: float = _PATIENCE, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Wait until all other processes have ended their recording, at most so many `seconds`.

        Their window ends when that of this process does, and they write what they have then.
        """
        for _ in range(round(seconds / _LOOK)):
            if not any(_is_running(_pid_of(file)) for file in self._files(".folded")):
                return
            sleep(_LOOK)

    def collect(self) -> Found:
        """Return what the processes have left up to now."""
        found = Found([], 0, 0, Counter(self.lost), [])
        if self.folder is None:
            return found
        unread = running = 0
        for name in sorted({file.stem for file in self._files(".folded", ".profile")}):
            file = Path(self.folder, f"{name}.folded")
            profile = _read(file)
            if not file.exists():  # it is over, perhaps since just now
                file = file.with_suffix(".profile")
                profile = _read(file)
            if profile is not None:
                found.profiles.append(profile)
                running += file.suffix == ".folded" and _is_running(_pid_of(file))
            elif _size(file):
                unread += 1
        for file in self._files(".failed"):
            found.lost[file.read_text("utf-8", "replace")] += 1
        silent = len(list(self._files(".expected")))
        if silent:
            found.lost[_SILENT] += silent
        if self.kept is not None:
            from tracetools.commands.running.kept import read_kept  # only here

            for file in self._files(".kept"):
                found.kept.extend(read_kept(file))
        return found._replace(unread=unread, running=running)

    def _files(self, *suffixes: str) -> Iterator[Path]:
        if self.folder is None:
            return iter(())
        return (file for file in Path(self.folder).iterdir() if file.suffix in suffixes)

    def remove(self) -> None:
        """Remove the folder. A process that is still there writes nothing any more."""
        folder, self.folder = self.folder, None
        if folder is not None:
            gone = f"{folder}-over"
            try:
                os.rename(folder, gone)  # else a file that is written meanwhile would stay
            except OSError:
                gone = folder
            shutil.rmtree(gone, ignore_errors=True)


_NO_FOLDER: Final = "no temporary folder can be made"
_SILENT: Final = "nothing of ours ran there (-I, -E, -S or another Python?), or they ended too soon"


def _is_installed() -> bool:
    """Whether this Python has a file of ours that starts to record, in whatever program."""
    folders = [folder for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    return any(os.path.exists(os.path.join(folder, INSTALLED)) for folder in folders)


_PYTHON: Final = re.compile(r"python[0-9.]*(\.exe)?", re.IGNORECASE)


def _switches(path: str, words: Sequence[str]) -> str | None:
    """Return the switches that a Python is started with; None if the program is none.

    A script counts if its first line names a Python.
    """
    if not _PYTHON.fullmatch(os.path.basename(path)):
        try:
            with open(path, "rb") as file:
                first = file.readline(256)
        except OSError:
            return None
        if not first.startswith(b"#!"):
            return None
        path, *words = first[2:].decode(errors="replace").split() or [""]
        if os.path.basename(path) == "env":
            path, *words = words or [""]
        if not _PYTHON.fullmatch(os.path.basename(path)):
            return None
    switches = ""
    for word in words:
        if not word.startswith("-") or word.startswith("--"):
            break
        switches += word[1:].partition("c")[0].partition("m")[0]
        if "c" in word or "m" in word:
            break
    return switches


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _pid_of(file: Path) -> int:
    """Return the process that a file is of."""
    return int(file.name.partition("-")[0])


def _is_running(pid: int) -> bool:
    """Whether a process is there, and has not ended without anyone asking for its status."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in (b"Z", b"X")


def _read(file: Path) -> Profile | None:
    """Return what a process has written, if it makes sense."""
    from tracetools.output.formats.profile_json import read_profile  # only here

    try:
        profile = read_profile(file)
        profile.check()
    except TracetoolsError:
        return None
    return profile
