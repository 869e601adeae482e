"""Prints how many moves one wait of 20 ms on trio takes through our modules, as JSON.

`house.py` runs this with the tracetools to measure in PYTHONPATH. A move is a call or a return from
one module to another, if one of the two is ours; all that is not ours counts as one module.
Resuming a generator or a coroutine is a call, and its yield is a return. What our modules call of
the standard library does not count; a coroutine of the program that they resume does.

The count begins when the program calls `trio.sleep` and ends when the program goes on: so it has
the end of one step and the start of the next. It is made for the first wait of its kind, and for a
later one, when all that we remember of such waits is there.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
from collections.abc import Iterable

import trio

import tracetools

OURS = os.path.dirname(tracetools.__file__) + os.sep
SECONDS = 0.02
MEASURED = {"first": 0, "later": 4}


class Moves:
    """Counts moves while it is installed as the profile function of a thread."""

    def __init__(self) -> None:
        self.count = 0
        self.modules: set[str] = set()

    def __call__(self, frame, event, _):
        if event not in {"call", "return"} or frame.f_back is None:
            return
        module, caller = _module(frame), _module(frame.f_back)
        if module or frame.f_code.co_flags & inspect.CO_COROUTINE:
            self.count += module != caller
            self.modules |= {module, caller} - {""}


def _module(frame) -> str:
    """Return the path of a module of ours; nothing for any other."""
    file = frame.f_code.co_filename
    return file.removeprefix(OURS) if file.startswith(OURS) else ""


async def waits(found: dict[int, Moves], measured: Iterable[int]) -> None:
    for index in range(max(measured) + 1):
        moves = found[index] = Moves()
        sys.setprofile(moves)
        await trio.sleep(SECONDS)
        sys.setprofile(None)


async def main(found: dict[int, Moves]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits, found, MEASURED.values())


def measure() -> dict[str, tuple[int, int]]:
    """Return how many moves each wait took, and through how many modules."""
    found: dict[int, Moves] = {}
    with tempfile.TemporaryDirectory() as folder:
        stack_file = os.path.join(folder, "stack")
        trio.run(main, found, instruments=[tracetools.FlamegraphInstrument(stack_file)])
    return {
        name: (found[index].count, len(found[index].modules)) for name, index in MEASURED.items()
    }


if __name__ == "__main__":
    json.dump(measure(), sys.stdout)
