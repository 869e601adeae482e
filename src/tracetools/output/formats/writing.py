"""The one door for writing: the suffix of a file says its format.

| suffix | format |
|---|---|
| `.folded`, `.collapsed`, `.txt` | folded text, microseconds of one lens |
| `.json`, `.profile.json` | a whole profile |
| `.speedscope.json` | speedscope |
| `.pb.gz`, `.pprof`, `.pb` | pprof, gzipped but for the last |
| `.gecko.json` | Gecko, for Firefox Profiler and Perfetto |
| `.pstats` | Python's pstats, one lens |
| `.prom` | metrics in the text format of Prometheus; not read again |
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.core.errors import StackFileError
from tracetools.core.labels import label_path
from tracetools.core.profile import Profile
from tracetools.output.formats.content import NANOSECONDS, scaled
from tracetools.output.formats.files import explain, write_atomically
from tracetools.output.formats.folded import format_packed, pack
from tracetools.output.formats.gecko import format_gecko
from tracetools.output.formats.pprof import format_pprof
from tracetools.output.formats.profile_json import format_profile
from tracetools.output.formats.prometheus import format_prometheus
from tracetools.output.formats.pstats import format_pstats
from tracetools.output.formats.speedscope import format_speedscope

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens
    from tracetools.output.formats.folded import Folded

    _Encode = Callable[[Profile | Folded, str, Lens, Labels], bytes]

__all__ = ["SUFFIXES", "encode", "format_of", "write"]


_NO_PROFILE: Final = "folded stacks are no profile; choose .folded, .speedscope.json or .pb.gz"


def _folded(content: Profile | Folded, unit: str, lens: Lens, labels: Labels) -> bytes:
    if not isinstance(content, Profile):
        return format_packed(scaled(content.packed, unit, "microseconds"))
    return format_packed(scaled(_packed(content, lens, labels), NANOSECONDS, "microseconds"))


def _packed(profile: Profile, lens: Lens, labels: Labels) -> Iterator[tuple[bytes, int]]:
    """Return the nanoseconds of packed stacks; those that are named alike are added up."""
    sums: dict[bytes, int] = {}
    for path, time in profile.lens(lens).items():
        packed = pack(label_path(path, labels))
        sums[packed] = sums.get(packed, 0) + time
    yield from sums.items()


def _json(content: Profile | Folded, *_: object) -> bytes:
    if not isinstance(content, Profile):
        raise ValueError(_NO_PROFILE)  # noqa: TRY004  # the call is right
    return format_profile(content).encode("ascii")


def _speedscope(content: Profile | Folded, unit: str, lens: Lens, labels: Labels) -> bytes:
    return format_speedscope(content, unit, lens=lens, labels=labels).encode("ascii")


def _gecko(content: Profile | Folded, unit: str, lens: Lens, labels: Labels) -> bytes:
    return format_gecko(content, unit, lens=lens, labels=labels).encode("ascii")


def _pstats(content: Profile | Folded, unit: str, lens: Lens, labels: Labels) -> bytes:
    return format_pstats(content, unit, lens=lens, labels=labels)


def _pprof(content: Profile | Folded, unit: str, *_: object) -> bytes:
    return format_pprof(content, unit)


def _bare_pprof(content: Profile | Folded, unit: str, *_: object) -> bytes:
    return format_pprof(content, unit, compressed=False)


def _prometheus(content: Profile | Folded, *_: object) -> bytes:
    if not isinstance(content, Profile):
        raise ValueError(_NO_PROFILE)  # noqa: TRY004  # the call is right
    return format_prometheus(content).encode()


_FORMATS: Final[dict[str, tuple[str, _Encode]]] = {
    ".speedscope.json": ("speedscope", _speedscope),
    ".gecko.json": ("gecko", _gecko),
    ".profile.json": ("profile", _json),
    ".json": ("profile", _json),
    ".folded": ("folded", _folded),
    ".collapsed": ("folded", _folded),
    ".txt": ("folded", _folded),
    ".pb.gz": ("pprof", _pprof),
    ".pprof": ("pprof", _pprof),
    ".pb": ("pprof", _bare_pprof),
    ".pstats": ("pstats", _pstats),
    ".prom": ("prometheus", _prometheus),
}
"""The name and the encoder of each suffix. The first that fits counts."""

SUFFIXES: Final = tuple(_FORMATS)
"""All suffixes that can be written, those within others first."""


def format_of(path: str | os.PathLike[str]) -> str:
    """Return the format that the suffix of a file stands for, such as ``pprof``.

    It is one of ``folded``, ``profile``, ``speedscope``, ``pprof``, ``gecko``, ``pstats``,
    ``prometheus``.

    Raises:
        StackFileError: the suffix is none of `SUFFIXES`.
    """
    return _format(path)[0]


def _format(path: str | os.PathLike[str]) -> tuple[str, _Encode]:
    name = Path(path).name.lower()
    for suffix, found in _FORMATS.items():
        if name.endswith(suffix):
            return found
    raise StackFileError(
        f"unclear what {path} should be: end it in one of {', '.join(sorted(SUFFIXES))}"
    )


def encode(
    path: str | os.PathLike[str],
    content: Profile | Folded,
    *,
    lens: Lens = "busy",
    labels: Labels = "name",
    unit: str = "",
) -> bytes:
    """Return the bytes of a file with that suffix; see `write`."""
    _, encoder = _format(path)
    try:
        return encoder(content, unit, lens, labels)
    except ValueError as error:
        raise StackFileError(f"cannot write {path}: {error}") from error


def write(
    path: str | os.PathLike[str],
    content: Profile | Folded,
    *,
    lens: Lens = "busy",
    labels: Labels = "name",
    unit: str = "",
) -> None:
    """Write a profile or stacks in the format of the path's suffix; replace the file at once.

    Args:
        path: of the file.
        content: what to write.
        lens: which time of a profile is written, or is shown first where the format has all.
        labels: what labels show, where the format has no files and lines of its own.
        unit: of the counts of stacks; times become microseconds in folded text.

    Raises:
        StackFileError: the suffix is not known, the content does not fit into that format, or the
            file cannot be written; what was there before is untouched.
    """
    data = encode(path, content, lens=lens, labels=labels, unit=unit)
    try:
        write_atomically(Path(path), data)
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot write {path}: {explain(error)}") from error
