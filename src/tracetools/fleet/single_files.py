"""Sends files of profiles, whoever wrote them, to an engine: each counts once, by its content.

A minute of `continuous`, as its name says, is what it is when its folder is pushed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tracetools.core.errors import StackFileError
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.engine import EngineError, EngineRefusesError, EngineUnavailableError
from tracetools.fleet.engines import open_engine
from tracetools.fleet.folder import Folder, mark_of, minute_file
from tracetools.fleet.sender import Round
from tracetools.fleet.sources import bounded
from tracetools.output.formats.files import explain
from tracetools.output.formats.profile_json import MAX_BYTES, load_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tracetools.core.profile import Profile
    from tracetools.fleet.engine import Engine

__all__ = ["Given", "batch_of", "send_files"]


class Given(NamedTuple):
    """What is to be said of files; what is ``None`` is as each file says it.

    Attributes:
        service: the name of the service.
        version: its version.
        host: the name of the machine.
    """

    service: str | None = None
    version: str | None = None
    host: str | None = None


def batch_of(path: Path, given: Given) -> Batch:
    """Return what is in a file, and who it is of.

    A profile says when it began and which program it is of, and neither a host nor a version.

    Raises:
        StackFileError: it cannot be read, is no profile, or does not say enough.
    """
    minute = minute_file(path)
    batch = _batch_of_profile(path, given) if minute is None else Folder(path.parent).read(minute)
    known = batch.source
    return replace(
        batch,
        source=replace(
            known,
            service=known.service if given.service is None else bounded(given.service),
            version=known.version if given.version is None else bounded(given.version),
            host=known.host if given.host is None else bounded(given.host),
        ),
    )


def _batch_of_profile(path: Path, given: Given) -> Batch:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read profile {path}: {explain(error)}") from error
    profile = load_profile(io.BytesIO(data), str(path))
    if not profile.start:
        raise StackFileError(f"{path} does not say when it was recorded")
    service = given.service or _program_of(profile, path)
    source = Source(hashlib.sha256(data).hexdigest()[:32], service)
    end = profile.start + profile.duration // max(profile.merged, 1)
    return Batch(source, profile.start, end, profile)


def _program_of(profile: Profile, path: Path) -> str:
    if len(profile.programs) != 1:
        what = ", ".join(profile.programs) or "no program"
        raise StackFileError(f"{path} is of {what}: name the service by --service")
    return bounded(profile.programs[0].removesuffix(".py")) or "unknown"


def send_files(
    paths: Sequence[Path],
    url: str,
    given: Given,
    opened: Callable[[str], Engine] = open_engine,
) -> tuple[Round, list[str]]:
    """Send files, one by one, until something fails. Minutes are marked, and not sent again.

    Returns:
        What became of them, and why some were refused.

    Raises:
        EngineRefusesError: there is no such engine.
    """
    engine = opened(url)
    waiting, sent = list(paths), 0
    why: list[str] = []
    error = None
    try:
        while waiting:
            sent += _send(engine, waiting[0], given, mark_of(url), why)
            del waiting[0]
    except EngineUnavailableError as failure:
        error = str(failure)
    finally:
        with contextlib.suppress(EngineError):  # what it has acknowledged, it has
            engine.close()
    return Round(sent, len(why), len(waiting), error), why


def _send(engine: Engine, path: Path, given: Given, mark: str, why: list[str]) -> bool:
    """Send a file, and return whether that was done; if it is refused, add the reason to `why`.

    Raises:
        EngineUnavailableError: it may be sent again.
    """
    minute = minute_file(path)
    if minute is not None and minute.is_done(mark):
        return False
    try:
        engine.send([batch_of(path, given)])
    except (EngineRefusesError, StackFileError) as error:
        why.append(f"{path.name} is left out: {error}")
        return False
    if minute is not None:
        with contextlib.suppress(StackFileError):  # sent again, it counts once
            Folder(path.parent).mark(minute, mark)
    return True
