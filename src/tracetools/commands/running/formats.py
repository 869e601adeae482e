"""The formats that `tracetools run` writes: by their suffix, how to write one and to know one."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.errors import GraphFileError
from tracetools.output.formats.files import explain, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tracetools.core.labels import Labels
    from tracetools.core.profile import Lens, Profile

__all__ = ["FORMATS", "Format", "Look", "format_named", "known_suffixes"]

_START: Final = 1 << 16
"""How many bytes of a file are read to know what it is."""

_START_OF_PAGE: Final = 1 << 22
"""Likewise, of a page: styles and scripts may come first."""


class Look(NamedTuple):
    """How a profile is shown, where the format shows one lens, or labels.

    Attributes:
        lens: which time.
        labels: what the labels of frames have.
    """

    lens: Lens
    labels: Labels


class Format(NamedTuple):
    """What a file may hold.

    Attributes:
        what: in words.
        write: writes a file at once.
        is_one: whether a file that is there has this format.
        programs: returns the programs that a file which is there was recorded of, if it says so.
        modules: what writing needs.
        is_flushed: whether it is written while the program runs, too.
    """

    what: str
    write: Callable[[Path, Profile, Look], None]
    is_one: Callable[[Path], bool]
    programs: Callable[[Path], list[str]]
    modules: tuple[str, ...]
    is_flushed: bool = False

    def prepare(self) -> None:
        """Import what writing needs, so that nothing is imported at the end.

        The program may have used up its descriptors by then. And a dataclass is made by `exec`,
        after which Python forgets that it is to end by the signal of a Ctrl-C.
        """
        for module in self.modules:
            importlib.import_module(module)


def format_named(suffix: str) -> Format | None:
    """Return the format that a suffix stands for; None if there is none."""
    known = FORMATS.get(suffix.lower())
    return known if known is not None or not suffix else _format_of_others(suffix.lower())


def known_suffixes() -> list[str]:
    """Return all suffixes that stand for a format."""
    from tracetools.output.formats.writing import SUFFIXES

    return [*sorted(FORMATS, key=len), *sorted(set(SUFFIXES) - FORMATS.keys())]


def _format_of_others(suffix: str) -> Format | None:
    """Return a format that other tools read."""
    from tracetools.output.formats.writing import SUFFIXES, format_of, write

    if suffix not in SUFFIXES:
        return None

    def write_it(path: Path, profile: Profile, look: Look) -> None:
        write(path, profile, lens=look.lens, labels=look.labels)

    name = format_of(f"name{suffix}")
    what = _FOLDED.what if name == "folded" else f"file of {name}"
    return Format(what, write_it, _SIGNS.get(name, _is_anything), _nobody, (_DOOR,))


# -- writing -----------------------------------------------------------------------------------


def _write_report(path: Path, profile: Profile, _: Look) -> None:
    from tracetools.output.flamegraph.options import GraphOptions
    from tracetools.output.report.of_profile import report_of_profile

    text = report_of_profile(profile, GraphOptions())
    try:
        write_atomically(path, text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write report {path}: {explain(error)}") from error


def _write_graph(path: Path, profile: Profile, look: Look) -> None:
    """Draw stacks that were just recorded, as they would be read from their file."""
    from tracetools.output.flamegraph.flamegrapher import render_packed
    from tracetools.output.flamegraph.marks import marks_of
    from tracetools.output.flamegraph.options import make_options
    from tracetools.output.formats.folded import pack_clean
    from tracetools.output.stack_file import fold

    text = render_packed(
        pack_clean(fold(profile, *look)), None, make_options({}), marks_of([profile], *look)
    )
    try:
        write_atomically(path, text.encode())
    except (OSError, ValueError) as error:
        raise GraphFileError(f"cannot write graph {path}: {explain(error)}") from error


def _write_stacks(path: Path, profile: Profile, look: Look) -> None:
    from tracetools.output.formats.folded import write_folded
    from tracetools.output.stack_file import fold

    write_folded(path, fold(profile, *look))


def _write_profile(path: Path, profile: Profile, _: Look) -> None:
    from tracetools.output.formats.profile_json import write_profile

    write_profile(path, profile)


# -- knowing what is there ---------------------------------------------------------------------


def _start(path: Path, most: int = _START) -> bytes:
    with path.open("rb") as file:
        return file.read(most)


def _is_page(path: Path) -> bool:
    start = _start(path, _START_OF_PAGE)
    return b"<html" in start and b"tracetools" in start


def _is_graph(path: Path) -> bool:
    start = _start(path)
    return start.lstrip().startswith((b"<?xml", b"<svg")) and b"tracetools" in start


_LINE: Final = re.compile(rb".*[^ ] +[0-9]+ *\r?")


def _is_folded(path: Path) -> bool:
    """Whether the first lines of a file end in numbers. The last one may be cut short."""
    first, *others = _start(path).split(b"\n")
    lines = [first, *others[:-1]]
    return all(_LINE.fullmatch(line) for line in lines if line.strip())


def _is_profile(path: Path) -> bool:
    from tracetools.output.formats.profile_json import is_profile

    return is_profile(_start(path))


def _is_speedscope(path: Path) -> bool:
    return b"speedscope" in _start(path)


def _is_pprof(path: Path) -> bool:
    return _start(path)[:1] in (b"\x1f", b"\n", b"\x12")  # gzipped, or bare


def _is_gecko(path: Path) -> bool:
    return b'"meta"' in _start(path)


def _is_pstats(path: Path) -> bool:
    return _start(path)[:1] in (b"{", b"\xfb")  # a dictionary, as marshal writes it


def _is_anything(_: Path) -> bool:
    return True


def _is_prometheus(path: Path) -> bool:
    return _start(path).startswith(b"# HELP tracetools_")


_SIGNS: Final[dict[str, Callable[[Path], bool]]] = {
    "folded": _is_folded,
    "profile": _is_profile,
    "speedscope": _is_speedscope,
    "pprof": _is_pprof,
    "gecko": _is_gecko,
    "pstats": _is_pstats,
    "prometheus": _is_prometheus,
}


def _nobody(_: Path) -> list[str]:
    return []


_PROGRAMS: Final = re.compile(rb'"programs": ?\[("(?:[^"\\]|\\.)*"(?:, ?"(?:[^"\\]|\\.)*")*)\]')


def _programs_of_profile(path: Path) -> list[str]:
    import json

    found = _PROGRAMS.search(_start(path))
    return [] if found is None else list(json.loads(b"[" + found[1] + b"]"))


_TITLE: Final = re.compile(rb"<title>([^<]*)</title>")


def _title_of_page(path: Path) -> list[str]:
    """Return the title of a report, which names the programs."""
    import html

    found = _TITLE.search(_start(path))
    return [] if found is None else [html.unescape(found[1].decode(errors="replace"))]


_DOOR: Final = "tracetools.output.formats.writing"
_STACKS: Final = ("tracetools.output.formats.folded", "tracetools.output.stack_file")
_DRAWING: Final = (
    "tracetools.output.flamegraph.flamegrapher",
    "tracetools.output.flamegraph.marks",
)

_REPORT: Final = Format(
    "report of tracetools",
    _write_report,
    _is_page,
    _title_of_page,
    ("tracetools.output.report.of_profile",),
)
_GRAPH: Final = Format(
    "flame graph of tracetools", _write_graph, _is_graph, _nobody, (*_STACKS, *_DRAWING)
)
_FOLDED: Final = Format(
    "file of folded stacks", _write_stacks, _is_folded, _nobody, _STACKS, is_flushed=True
)
_PROFILE: Final = Format(
    "profile of tracetools",
    _write_profile,
    _is_profile,
    _programs_of_profile,
    ("tracetools.output.formats.profile_json",),
    is_flushed=True,
)

FORMATS: Final[dict[str, Format]] = {
    ".html": _REPORT,
    ".svg": _GRAPH,
    ".folded": _FOLDED,
    ".json": _PROFILE,
    ".htm": _REPORT,
    ".profile.json": _PROFILE,
}
"""The formats by their suffix."""
