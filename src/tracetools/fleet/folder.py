"""Profiles by the minute in a folder: their names, what is read and written, and the bounds.

A file is a profile as any other. Its name says when it begins, how long it is, the service and the
instance, and to which engines it was sent::

    20261130T223500.004Z-60000ms-shop-0123...cdef.profile.json
    20261130T223500.004Z-60000ms-shop-0123...cdef.sent-1a2b3c4d.profile.json

Names sort by time. Beside them, one file for each process says who it is. Several processes may
share a folder: each file has one writer, and whatever changes a name does so at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.errors import StackFileError
from tracetools.fleet.batch import Batch, Source
from tracetools.guest.pace import paced
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.profile_json import format_profile, read_profile

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


__all__ = ["Folder", "MinuteFile", "Pruned", "mark_of", "minute_file", "name_of_service"]

_MODE: Final = 0o700
_OTHERS: Final = 0o022
_SUFFIX: Final = ".profile.json"
_SOURCE: Final = ".source.json"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.]+")
_LONGEST_SERVICE: Final = 60
_LONGEST_SOURCE: Final = 100_000
_MS: Final = 1_000_000
_NAME: Final = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3})Z-(?P<ms>\d{1,10})ms-(?P<service>[A-Za-z0-9_.]*)"
    r"-(?P<instance>[0-9a-f]{32})(?P<marks>(?:\.(?:sent|refused)-[0-9a-f]{8})*)\.profile\.json"
)
_INSTANCE: Final = re.compile(r"([0-9a-f]{32})\.source\.json")
_UNFINISHED: Final = re.compile(r"\.tracetools-\d+-[0-9a-f]{8}\.tmp")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_STALE: Final = 3600.0
"""Seconds after which what a killed process left half done is removed."""


@dataclass(frozen=True)
class MinuteFile:
    """The file of one process and one minute, as far as its name says.

    Attributes:
        path: of the file.
        start: when it begins, in nanoseconds since the Unix epoch, to the millisecond.
        length: how long it is, in nanoseconds.
        service: of the source, with what a file name cannot have replaced.
        instance: of the source.
        marks: the engines that have it, or have refused it, as ``sent-`` or ``refused-`` and the
            mark of the engine.
    """

    path: Path
    start: int
    length: int
    service: str
    instance: str
    marks: tuple[str, ...] = ()

    def is_done(self, mark: str) -> bool:
        """Whether an engine has it, or has refused it."""
        return f"sent-{mark}" in self.marks or f"refused-{mark}" in self.marks


def minute_file(path: Path) -> MinuteFile | None:
    """Return what the name of a file says; ``None`` if it is no such file."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    text = found["start"]
    parts = text[:4], text[4:6], text[6:8], text[9:11], text[11:13], text[13:15]
    try:
        passed = datetime(*map(int, parts), tzinfo=timezone.utc) - _EPOCH  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    start = (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + int(text[16:]) * _MS
    marks = tuple(filter(None, found["marks"].split(".")))
    length = int(found["ms"]) * _MS
    return MinuteFile(path, start, length, found["service"], found["instance"], marks)


def name_of_service(service: str) -> str:
    """Return a service as the names of its files have it."""
    return _UNSAFE.sub("_", service)[:_LONGEST_SERVICE]


def mark_of(url: str) -> str:
    """Return the mark of an engine: 8 hexadecimal digits. It says nothing of the URL."""
    return hashlib.sha256(url.encode(errors="surrogatepass")).hexdigest()[:8]


class Pruned(NamedTuple):
    """What was removed to keep within the bounds.

    Attributes:
        files: how many files.
        unsent: how many of them some engine did not have that should get them.
    """

    files: int = 0
    unsent: int = 0


class Folder:
    """A folder with profiles by the minute.

    Args:
        path: of the folder.

    Attributes:
        path: the same, in full.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            self.path = Path(path).absolute()
        except OSError as error:
            raise StackFileError(
                f"cannot use the folder {os.fspath(path)}: the working directory is gone; give a"
                " whole path"
            ) from error

    def make(self) -> None:
        """Make it, for its owner alone, unless it is there.

        Raises:
            StackFileError: it cannot be made or written to, or others could put files into it.
        """
        try:
            self.path.mkdir(_MODE, parents=True, exist_ok=True)
            found = self.path.stat()
        except (OSError, ValueError) as error:
            raise StackFileError(f"cannot make the folder {self.path}: {explain(error)}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise StackFileError(
                f"cannot write into the folder {self.path}: change its permissions, or choose"
                " another one"
            )
        if hasattr(os, "geteuid") and stat.S_IMODE(found.st_mode) & _OTHERS:
            raise StackFileError(
                f"others may put files into the folder {self.path}: chmod 700 it, or choose another"
                " one"
            )

    # ------------------------------------------------------------------------- writing

    def write_source(self, source: Source) -> None:
        """Write who a process is.

        Raises:
            StackFileError: it cannot be written.
        """
        value = {
            "tracetools-source": 1,
            "service": source.service,
            "version": source.version,
            "host": source.host,
            "pid": source.pid,
            "attributes": dict(source.attributes),
        }
        self._write(self._source_path(source.instance), json.dumps(value).encode("ascii"))

    def write(self, batch: Batch) -> MinuteFile:
        """Write the profile of one minute, at once; readers see all of it or none.

        Raises:
            StackFileError: it cannot be written.
        """
        start, end = batch.start // _MS, batch.end // _MS
        moment = datetime.fromtimestamp(start // 1000, tz=timezone.utc)
        service = name_of_service(batch.source.service)
        length = max(end - start, 0)
        name = (
            f"{moment:%Y%m%dT%H%M%S}.{start % 1000:03d}Z-{length}ms-{service}"
            f"-{batch.source.instance}{_SUFFIX}"
        )
        path = self.path / name
        text = format_profile(replace(batch.profile, start=batch.start))
        self._write(path, text.encode("ascii"))
        return MinuteFile(path, start * _MS, length * _MS, service, batch.source.instance)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data)
        except (OSError, ValueError) as error:
            raise StackFileError(f"cannot write {path}: {explain(error)}") from error

    # ------------------------------------------------------------------------- reading

    def files(self) -> list[MinuteFile]:
        """Return all minutes, the oldest first. Whatever else is there is left alone.

        Raises:
            StackFileError: the folder cannot be read.
        """
        return self._files_of(self._names())

    def _files_of(self, names: Iterable[str]) -> list[MinuteFile]:
        """Return the minutes of some names, the oldest first."""
        return [*filter(None, (minute_file(self.path / name) for name in paced(sorted(names))))]

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)  # noqa: PTH208  # a path for each takes long
        except OSError as error:
            raise StackFileError(f"cannot read {self.path}: {explain(error)}") from error

    def unsent(self, mark: str, instance: str | None = None) -> list[MinuteFile]:
        """Return the minutes that an engine does not have yet, the oldest first.

        Args:
            mark: of the engine.
            instance: only those of one process.

        Raises:
            StackFileError: the folder cannot be read.
        """
        done = (f".sent-{mark}.", f".refused-{mark}.")  # most names: so they are not taken apart
        names = [name for name in paced(self._names()) if not any(each in name for each in done)]
        return [file for file in self._files_of(names) if instance in (None, file.instance)]

    def read(self, file: MinuteFile, sources: dict[str, Source] | None = None) -> Batch:
        """Return what is in a file, and who it is of.

        Args:
            file: the file.
            sources: who was read before, by instance; it is added to.

        Raises:
            StackFileError: it is gone, or broken.
        """
        known = {} if sources is None else sources
        if file.instance not in known:
            known[file.instance] = self.source(file.instance, file.service)
        profile = read_profile(file.path)
        start = file.start
        if start <= profile.start < start + _MS:  # the name has milliseconds
            start = profile.start
        return Batch(known[file.instance], start, file.start + file.length, profile)

    def source(self, instance: str, service: str = "") -> Source:
        """Return who a process is. If that is not known, only its service is, by a file's name."""
        path = self._source_path(instance)
        try:
            with path.open("rb") as opened:
                value = json.loads(opened.read(_LONGEST_SOURCE))
            texts = {name: value[name] for name in ("service", "version", "host")}
            pid, attributes = value["pid"], value["attributes"]
            every = [*texts.values(), *attributes, *attributes.values()]
            if isinstance(pid, int) and all(isinstance(each, str) for each in every):
                return Source(instance, pid=pid, attributes=attributes, **texts)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass  # it was removed, perhaps, or is not ours
        return Source(instance, service or "unknown")

    def _source_path(self, instance: str) -> Path:
        return self.path / f"{instance}{_SOURCE}"

    @contextlib.contextmanager
    def locked(self, mark: str) -> Iterator[None]:
        """Be the only one meanwhile who pushes from here to an engine. A killed one lets go.

        Raises:
            StackFileError: somebody else does, or it cannot be locked.
        """
        try:
            lock = os.open(self.path / f".push-{mark}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StackFileError(f"cannot lock {self.path}: {explain(error)}") from error
        try:
            if fcntl is not None:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise StackFileError(
                        f"another process pushes from {self.path} to this engine: wait for its end"
                    ) from error
            yield
        finally:
            os.close(lock)

    # ------------------------------------------------------------------------- marks and bounds

    def mark(self, file: MinuteFile, mark: str, how: str = "sent") -> None:
        """Note in the name of a file that an engine has it, or that it was ``refused``.

        Whoever has marked or removed it meanwhile is right.

        Raises:
            StackFileError: its name cannot be changed.
        """
        marked = file.path.name.removesuffix(_SUFFIX) + f".{how}-{mark}{_SUFFIX}"
        try:
            file.path.rename(file.path.with_name(marked))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StackFileError(f"cannot mark {file.path} as {how}: {explain(error)}") from error

    def prune(
        self,
        max_bytes: float,
        max_age: float,
        *,
        mark: str | None = None,
        keep: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> Pruned:
        """Remove the oldest minutes, of whatever process, until the others are within the bounds.

        Args:
            max_bytes: how many bytes all files have together.
            max_age: how many seconds ago the oldest one ended. What is from a time to come, by a
                clock that was wrong, is not old.
            mark: of the engine that should get all of them.
            keep: the instances whose sources stay, whatever there is of them.
            now: returns the seconds since the epoch.
        """
        found = self._contents(now())
        total = found.other_bytes + sum(size for *_, size in found.minutes)
        removed = unsent = 0
        left = Counter(instance for _, instance, _ in found.minutes)
        for name, instance, size in found.minutes:
            file = minute_file(self.path / name)
            if file is None:  # of a day that there is not: it is none of ours
                continue
            age = now() - (file.start + file.length) / 1e9
            if total <= max_bytes and age <= max_age:
                break
            if _remove(file.path):
                removed += 1
                unsent += mark is not None and not file.is_done(mark)
            total -= size
            left[instance] -= 1
        stay = {*+left, *keep}
        for path, instance in found.old_sources:
            if instance not in stay:
                _remove(path)
        return Pruned(removed, unsent)

    def _contents(self, now: float) -> _Contents:
        """Return what is there. What killed processes left half done is removed."""
        found = _Contents([], [], 0)
        try:
            entries = [*os.scandir(self.path)]
        except OSError:
            return found
        for entry in paced(entries):
            try:
                stats = entry.stat(follow_symlinks=False)
            except OSError:  # it was removed meanwhile
                continue
            found = found.plus(entry, stats, now)
        found.minutes.sort()
        return found


class _Contents(NamedTuple):
    """What is in a folder.

    Attributes:
        minutes: the names of minutes, their instances and sizes, the oldest first.
        old_sources: files of sources, and the instances, of processes that have written nothing
            else for long if there are no minutes of them.
        other_bytes: how many bytes all sources have.
    """

    minutes: list[tuple[str, str, int]]
    old_sources: list[tuple[Path, str]]
    other_bytes: int

    def plus(self, entry: os.DirEntry[str], stats: os.stat_result, now: float) -> _Contents:
        """Return it with one more file. There may be ten thousand: no path is made of a minute."""
        found = _NAME.fullmatch(entry.name)
        if found is not None:
            self.minutes.append((entry.name, found["instance"], stats.st_size))
            return self
        is_old = now - stats.st_mtime > _STALE
        instance = _INSTANCE.fullmatch(entry.name)
        if instance is not None:
            if is_old:
                self.old_sources.append((Path(entry.path), instance[1]))
            return self._replace(other_bytes=self.other_bytes + stats.st_size)
        if is_old and _UNFINISHED.fullmatch(entry.name):
            _remove(Path(entry.path))
        return self


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except OSError:
        return False
    return True
