"""`tracetools merge`: adds up any number of files of any formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tracetools.commands.convert import add_lens

if TYPE_CHECKING:
    import argparse

__all__ = ["SUMMARY", "add_options", "run"]

SUMMARY: Final = "add up profiles or stacks of any number of files"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.description = (
        "Add up any number of files, of any formats that `convert` reads. Profiles make one "
        "profile. With anything else among them, all become stacks. One file at a time is in "
        "memory, beside the sum."
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="any file; - is standard input"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        required=True,
        help="what to write; the suffix says the format (see `tracetools convert --help`)",
    )
    add_lens(parser)


def run(given: argparse.Namespace) -> int:
    """Add files up.

    Returns:
        0.

    Raises:
        CommandError, StackFileError, NoStacksError: a file cannot be read or written, or the files
            do not add up.
    """
    from tracetools.commands.files.inputs import lens_of, read_input, say, source_of
    from tracetools.commands.files.targets import check_target, format_of_target
    from tracetools.commands.terminal.progress import pulse
    from tracetools.core.profile import Profile
    from tracetools.output.formats.writing import write
    from tracetools.output.merging import Merger

    format_of_target(given.output)
    check_target(given.output, given.files)
    merger = Merger()
    for path in given.files:
        content = read_input(path, lens=given.lens)
        if isinstance(content.content, Profile):
            merger.lens = lens_of(given.lens, [content])
        merger.add(content, source_of(path))
    for note in merger.notes:
        say(note)
    merged = merger.result()
    with pulse(f"writing {given.output}"):
        write(given.output, merged.content, lens=merger.lens, unit=merged.unit)
    say(f"wrote {given.output}: {merged.description} of {len(given.files)} files")
    return 0
