"""`tracetools run`: runs an unchanged program with everything recorded, and reports on it.

The program comes first: its output, its exit status and its signals are its own.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from tracetools.commands import UsageError
from tracetools.commands.running.interpreter import start_again, take_off
from tracetools.commands.running.options import add_options, misuse, split
from tracetools.commands.running.program import find_program, is_path_safe
from tracetools.commands.running.recording import ProgramRecording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.commands.running.family import Family
    from tracetools.commands.running.minutes import ProgramMinutes
    from tracetools.commands.running.program import Program

__all__ = ["SUMMARY", "add_options", "run", "split"]

SUMMARY: Final = "run a program, unchanged, and record every trio run and asyncio loop in it"


def run(options: argparse.Namespace) -> Callable[[], int]:
    """Find the program and prepare the recording.

    Returns:
        What runs the program. The errors that come out of it are the program's own.

    Raises:
        CommandError: there is no such program, or a file cannot be written.
    """
    if options.lens == "critical" and options.keep is None:
        raise UsageError("--lens critical shows slow spans that are kept: give --keep SECONDS too")
    wrong = misuse(options)
    if wrong is not None:
        raise UsageError(wrong)
    words = take_off(options.program)
    if words.switches:
        start_again(words.switches, options.own, words.program)
    program = find_program(words.program)
    program.note = words.note
    recording = _recording(options, program)
    recording.start(sys.path[0 if is_path_safe() else 1 :])

    def go_on() -> int:
        program.run()
        return 0

    return go_on


def take_over(family: Family) -> None:
    """Go on in the program that the recorded one has become, by `os.exec*`."""
    options = argparse.Namespace(**{**family.options, **family.command["options"]})
    _recording(options, None).start(family.path, family)


def _recording(
    options: argparse.Namespace, program: Program | None
) -> ProgramRecording | ProgramMinutes:
    """Return the recording that is asked for."""
    if getattr(options, "continuous", None) is None:
        return ProgramRecording(options, program)
    from tracetools.commands.running.minutes import ProgramMinutes  # only if it is wanted

    return ProgramMinutes(options, program)
