"""The one door for reading: the content of a file says its format, whatever its suffix.

Read are a profile's JSON, folded text of any tool, speedscope's JSON, pprof, Gecko's JSON and
pstats, each also gzipped.
"""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from tracetools.core.errors import NoStacksError, StackFileError
from tracetools.output.formats.collapsed import first_values, has_three_values, kind_and_unit
from tracetools.output.formats.content import NANOSECONDS, Content, MalformedError
from tracetools.output.formats.files import explain
from tracetools.output.formats.folded import parse_folded
from tracetools.output.formats.gecko import is_gecko, parse_gecko
from tracetools.output.formats.json_text import MAX_BYTES, load
from tracetools.output.formats.pprof import parse_pprof
from tracetools.output.formats.profile_json import is_profile, load_profile
from tracetools.output.formats.pstats import is_pstats, parse_pstats
from tracetools.output.formats.speedscope import is_speedscope, parse_speedscope

if TYPE_CHECKING:
    import os

    from _typeshed import SupportsRead

__all__ = ["load_content", "read"]

_SNIFFED_BYTES: Final = 512
_GZIP: Final = b"\x1f\x8b"
_JSON: Final = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*(?:"|\}|\Z)')
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_PPROF: Final = re.compile(rb"[\x0a\x12\x1a\x22\x2a\x32\x48\x50\x5a\x60\x6a\x70]")

MAX_UNPACKED: Final = 1 << 30
"""How many bytes are unpacked of a gzipped file at most."""


def read(
    path: str | os.PathLike[str], *, lens: str | None = None, keep_order: bool = False
) -> Content:
    """Read a file of any format that is known.

    Args:
        path: of the file.
        lens: which of several is read: the name of a profile of speedscope, or of a sample type of
            pprof. A profile is read whole.
        keep_order: whether folded stacks stay in the order of the file.

    Raises:
        StackFileError: it is missing, cannot be read, or makes no sense.
        NoStacksError: it has no stack with a count.
    """
    source = str(path)
    try:
        with Path(path).open("rb") as file:
            return load_content(file, source, lens=lens, keep_order=keep_order)
    except FileNotFoundError as error:
        raise StackFileError(f"no file {source}: check the path") from error
    except (OSError, ValueError) as error:
        raise StackFileError(f"cannot read {source}: {explain(error)}") from error


def load_content(
    file: SupportsRead[bytes], source: str, *, lens: str | None = None, keep_order: bool = False
) -> Content:
    """Read an open file of any format that is known; see `read`. `source` names it in messages."""
    opened = _Again(file)
    if opened.start.startswith(_GZIP):
        opened = _Again(_Unpacked(opened, source))
    try:
        return _content(opened, source, lens, keep_order=keep_order)
    except MalformedError as error:
        raise StackFileError(f"{source}: {error}") from error


def _content(opened: _Again, source: str, lens: str | None, *, keep_order: bool) -> Content:
    start = opened.start
    if is_profile(start):
        return Content(load_profile(opened, source), NANOSECONDS, "a profile")
    if _CONTROL.search(start) and _PPROF.match(start):
        return _checked(parse_pprof, "pprof", _whole(opened), source, lens)
    if _CONTROL.search(start) and is_pstats(start):
        return _checked(lambda data, _: parse_pstats(data), "pstats", _whole(opened), source, lens)
    if _JSON.match(start):
        value = load(_whole(opened))
        if is_speedscope(value):
            return _checked(parse_speedscope, "speedscope", value, source, lens)
        if is_gecko(value):
            return _checked(parse_gecko, "Gecko", value, source, lens)
        raise MalformedError(_unknown_json(value))
    has_three = has_three_values(start)
    lines = first_values(opened) if has_three else opened
    folded = parse_folded(lines, source, keep_order=keep_order)
    kind, unit = kind_and_unit(folded.packed)
    return Content(folded, unit, f"{kind}, the first of three values" if has_three else kind)


def _checked(parse: Any, what: str, data: Any, source: str, lens: str | None) -> Content:
    """Return what is parsed, or say what the file was taken for."""
    try:
        return cast("Content", parse(data, lens))
    except MalformedError as error:
        raise MalformedError(f"taken for {what}: {error}") from error
    except NoStacksError as error:
        raise NoStacksError(f"{source}: {error}") from error


def _unknown_json(value: Any) -> str:
    if isinstance(value, dict) and "traceEvents" in value:
        return "a Chrome trace, which has events and no stacks; give it to Perfetto"
    return "its JSON is neither a profile of tracetools nor of speedscope or Gecko"


def _whole(opened: _Again) -> bytes:
    data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise MalformedError(f"more than {MAX_BYTES >> 20} MiB")
    return data


class _Again:
    """A file whose first bytes were read already. Of a pipe they cannot be read again.

    Attributes:
        start: these bytes.
    """

    def __init__(self, file: SupportsRead[bytes]) -> None:
        self._rest = file
        self.start = self._read_on(_SNIFFED_BYTES)
        self._left = self.start

    def _read_on(self, size: int) -> bytes:
        """Return as many bytes, or fewer at the end; a pipe may give them in parts."""
        parts: list[bytes] = []
        while size > 0 and (part := self._rest.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, or all if it is negative."""
        if size < 0:
            size = 1 << 62
        left, self._left = self._left[:size], self._left[size:]
        return left + self._read_on(size - len(left))


class _Unpacked:
    """The content of a gzipped file, which is bounded."""

    def __init__(self, file: _Again, source: str) -> None:
        self._file = gzip.GzipFile(fileobj=cast("BinaryIO", file))
        self._source = source
        self._left = MAX_UNPACKED

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes; none at the end."""
        try:
            data = self._file.read(min(size, 1 << 20) if size >= 0 else 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise StackFileError(f"{self._source}: broken gzip: {error}") from error
        self._left -= len(data)
        if self._left < 0:
            raise StackFileError(
                f"{self._source}: unpacks to more than {MAX_UNPACKED >> 30} GiB; give a smaller one"
            )
        return data
