"""`tracetools convert`: from any format to any other one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

__all__ = ["SUMMARY", "add_lens", "add_options", "run"]

SUMMARY: Final = "turn a profile or stacks of any tool into another format"

_FORMATS: Final = """\
formats that are written, by the suffix of OUT:
  .folded .collapsed .txt   folded stacks, in microseconds (FlameGraph, inferno)
  .json .profile.json       a whole profile of tracetools
  .speedscope.json          speedscope
  .pb.gz .pprof .pb         pprof (go tool pprof, Pyroscope); holds a whole profile
  .gecko.json               Firefox Profiler, Perfetto
  .pstats                   Python's pstats, snakeviz
  .prom                     metrics of Prometheus, of a profile
Read are all of these but the last, whatever their names, also gzipped, and the collapsed
stacks of py-spy, austin and Tachyon.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _FORMATS
    parser.add_argument("input", type=Path, metavar="IN", help="any file; - is standard input")
    parser.add_argument("output", type=Path, metavar="OUT", help="the suffix says the format")
    add_lens(parser)


def add_lens(parser: argparse.ArgumentParser) -> None:
    """Declare the option for which of several times is taken."""
    parser.add_argument(
        "--lens",
        metavar="NAME",
        help="which time of a profile: busy (default), idle, scheduled, task or critical; of pprof "
        "the sample type, of speedscope the profile with that name",
    )


def run(given: argparse.Namespace) -> int:
    """Convert a file.

    Returns:
        0.

    Raises:
        CommandError, StackFileError, NoStacksError: a file cannot be read or written.
    """
    from tracetools.commands.files.inputs import (
        described,
        lens_of,
        read_input,
        say,
        source_of,
    )
    from tracetools.commands.files.targets import check_target, format_of_target
    from tracetools.commands.terminal.progress import pulse
    from tracetools.core.profile import Profile
    from tracetools.output.formats.writing import write
    from tracetools.output.merging import stacks_of

    target = format_of_target(given.output)
    check_target(given.output, [given.input])
    content = read_input(given.input, lens=given.lens)
    lens = lens_of(given.lens, [content])
    is_one_lens = target in ("folded", "pstats")
    if is_one_lens:
        stacks_of(content, lens, source_of(given.input))  # which says so if there are none
    with pulse(f"writing {given.output}"):
        write(given.output, content.content, lens=lens, unit=content.unit)
    shown = f", with {lens} time" if isinstance(content.content, Profile) and is_one_lens else ""
    say(f"wrote {given.output} from {described(content)}{shown}")
    return 0
