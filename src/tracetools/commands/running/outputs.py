"""What `tracetools run` leaves: which files ``-o`` asks for, and how each is written.

A name without the suffix of a format makes the report, the stacks and the profile. A name with one
makes that file alone. What cannot be written, or would replace what is no earlier output, is
refused before the program starts.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.commands import CommandError, UsageError
from tracetools.commands.files.targets import check_writable
from tracetools.commands.running.formats import FORMATS, Format, Look, format_named, known_suffixes
from tracetools.output.formats.files import explain, is_device_or_pipe
from tracetools.output.formats.names import suffix_of, with_suffix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracetools.core.profile import Profile
    from tracetools.output.formats.files import Rescue

__all__ = ["Output", "Outputs"]

_DEFAULT: Final = "stack"
_BY_DEFAULT: Final = (".profile.json", ".folded", ".html")
"""What a name without a suffix makes, in the order in which it is written: the picture last."""

_STREAMS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
"""Names of what the process was given, and the descriptors. It may be a file that others write to,
too, so it is not replaced."""


class Output(NamedTuple):
    """One file that is written.

    Attributes:
        path: where it is, in full.
        format: what it holds.
    """

    path: Path
    format: Format

    @property
    def is_stream(self) -> bool:
        """Whether it is a device, a pipe or a standard stream, which is written to once."""
        return is_device_or_pipe(self.path) or str(self.path) in _STREAMS

    def write(self, path: Path, profile: Profile, look: Look) -> None:
        """Write a profile to a path, perhaps another one."""
        if str(path) in _STREAMS:
            _flush_streams()
        if str(path) in _STREAMS and not is_device_or_pipe(path):
            with tempfile.TemporaryDirectory(prefix="tracetools-") as folder:
                file = Path(folder, f"stream{suffix_of(self.path)}")
                self.format.write(file, profile, look)
                _append(_STREAMS[str(path)], file.read_bytes())
        else:
            self.format.write(path, profile, look)


class Outputs:
    """All files that are written.

    Args:
        names: what ``-o`` was given; the default name if there is none.

    Raises:
        UsageError: a name is none, its suffix is that of no format, or two outputs have one name.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._all = [output for name in names or [_DEFAULT] for output in _outputs_of(name)]
        self._check_names()

    def __iter__(self) -> Iterator[Output]:
        return iter(self._all)

    @property
    def names(self) -> list[str]:
        """The paths in full, as ``-o`` takes them in another folder."""
        return [str(output.path) for output in self]

    @property
    def flushed(self) -> list[Output]:
        """Those that are written while the program runs, too."""
        return [each for each in self if each.format.is_flushed and not each.is_stream]

    def _check_names(self) -> None:
        for index, output in enumerate(self._all):
            if any(_is_same(output.path, other.path) for other in self._all[:index]):
                raise UsageError(f"two outputs are named {output.path.name}: give each its own -o")

    def check(self) -> None:
        """Check that all can be written, and replace nothing but earlier outputs.

        Raises:
            CommandError: one cannot, or would.
        """
        for output in self:
            try:
                _check_writable(output.path)
                is_other = _is_other(output)
            except (OSError, ValueError) as error:
                raise CommandError(f"cannot write {output.path}: {explain(error)}") from error
            if is_other:
                raise CommandError(
                    f"{output.path} is there already and is no {output.format.what}: "
                    "it would be lost; choose another -o"
                )

    def prepare(self) -> None:
        """Import what writing needs."""
        for output in self:
            output.format.prepare()

    def of_others(self, program: Sequence[str]) -> str:
        """Return which files of another program are going to be replaced, in a sentence.

        Args:
            program: the names by which profiles may know the program.
        """
        replaced, others = [], []
        for output in self:
            is_there = output.path.exists() and not output.is_stream
            known = output.format.programs(output.path) if is_there else []
            if known and not any(_names(each, name) for each in known for name in program):
                replaced.append(output.path.name)
                others += known
        if not replaced:
            return ""
        verb = "is" if len(replaced) == 1 else "are"
        return f"{_joined(replaced)} of {_joined(others)} {verb} going to be replaced"

    def write(self, profile: Profile, look: Look, rescue: Rescue) -> list[Path]:
        """Write all, each also if another one cannot be written; return where they are."""
        written = [
            rescue.write(output.path, partial(output.write, profile=profile, look=look))
            for output in self
        ]
        return [path for path in written if path is not None]


def _outputs_of(name: str) -> list[Output]:
    """Return what one ``-o`` asks for."""
    if name == "-" and os.name == "posix":
        name = "/dev/stdout"
    path = Path(name)
    if path.name in ("", "..") or name.endswith(("/", os.sep)):
        raise UsageError(f"{name!r} names no file: give a name such as 'stack'")
    suffix = suffix_of(path)
    wanted = format_named(suffix)
    if is_device_or_pipe(path) or name in _STREAMS:
        return [Output(_absolute(path), wanted or FORMATS[".folded"])]
    if wanted is not None:
        return [Output(_absolute(path), wanted)]
    if suffix:
        raise UsageError(
            f"no format has the suffix {suffix} of {name}: choose one of"
            f" {', '.join(known_suffixes())}, or a name without a suffix for the report, the"
            " stacks and the profile"
        )
    return [Output(with_suffix(_absolute(path), each), FORMATS[each]) for each in _BY_DEFAULT]


def _absolute(path: Path) -> Path:
    """Return the path in full, for the program may change its directory later."""
    try:
        return path.absolute()
    except OSError as error:
        raise CommandError(
            f"cannot write {path}: the working directory is gone; give a whole path"
        ) from error


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.realpath(one) == os.path.realpath(other) or one.samefile(other)
    except (OSError, ValueError):
        return False


def _check_writable(path: Path) -> None:
    """Check that a file can be written, and leave none behind."""
    if str(path) in _STREAMS:
        os.fstat(_STREAMS[str(path)])
        return
    check_writable(path)


def _flush_streams() -> None:
    """Let what the program has printed stand before what we write."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _append(descriptor: int, data: bytes) -> None:
    """Write at the end of a file that the process was given open."""
    while data:
        data = data[os.write(descriptor, data) :]


def _is_other(output: Output) -> bool:
    """Whether a file is there that holds something else. An empty one holds nothing."""
    path = output.path
    if output.is_stream or not path.exists() or not path.stat().st_size:
        return False
    return not output.format.is_one(path)


def _names(text: str, program: str) -> bool:
    """Whether a text, a name or the title of a report, names a program."""
    return re.search(rf"(?<![\w.-]){re.escape(program)}(?![\w.-])", text) is not None


def _joined(names: Iterable[str]) -> str:
    *first, last = dict.fromkeys(names)
    return f"{', '.join(first)} and {last}" if first else last
