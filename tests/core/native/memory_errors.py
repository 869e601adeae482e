"""Lets allocations fail, one by one, in each entry point, or in spans of recorded programs.

    python -m tests.core.native.memory_errors [--spans] NAME...

`test_memory_errors.py` runs it in a process of its own, for a fault here would end that. It prints
what went wrong, a line each.
"""

from __future__ import annotations

import _testcapi
import faulthandler
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from functools import partial

import anyio

from tests.core.native.entries import (
    COLD,
    ENTRIES,
    MAKES_FUNCTIONS,
    NEVER_RAISE,
    SETS_CONTEXTS,
    World,
)
from tests.core.native.span_entries import function_fails
from tracetools import record, span
from tracetools.core.errors import LawError
from tracetools.recording.spans import unobserved

MOST = 60
"""More allocations than any entry point makes."""

FAILING = (1, 3, 20)
"""How many fail, from one on; of more than 30, Python 3.10 itself does not recover."""


class Log(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


LOG = Log()


def with_failures(call: Callable[[], object], first: int, count: int) -> BaseException | None:
    """Call something while allocations fail, the first of them after so many; return its error."""
    _testcapi.set_nomemory(first, first + count)
    try:
        call()
    except BaseException as error:
        _testcapi.remove_mem_hooks()
        return error
    finally:
        _testcapi.remove_mem_hooks()
    return None


def try_all(name: str) -> Iterator[str]:
    """Call an entry point with each failure there may be; give what is wrong with what follows."""
    for count in FAILING[:1] if name in SETS_CONTEXTS else FAILING:
        for first in range(MOST):
            wrong = try_one(name, first, count)
            if wrong:
                yield f"{name}, {count} from allocation {first} on: {wrong}"


def try_one(name: str, first: int, count: int) -> str:
    world = World()
    try:
        return what_is_wrong(world, name, first, count)
    finally:
        world.script.recorder.close()


def what_is_wrong(world: World, name: str, first: int, count: int) -> str:
    if name in MAKES_FUNCTIONS and sys.version_info >= (3, 13):
        return ""
    entry = ENTRIES[name]
    entry(world)
    world.premake()
    LOG.lines.clear()
    error = with_failures(lambda: entry(world), first, count)
    if error is not None and (name in NEVER_RAISE or not may_be_raised(error, name)):
        return f"it raised {error!r}"
    is_stopped = world.script.recorder.stopped
    if is_stopped != bool(LOG.lines) or len(LOG.lines) > 1:
        return f"it logged {LOG.lines}, and the recording has {'' if is_stopped else 'not '}stopped"
    if error is not None and name in COLD:
        return ""
    for unused in world.premade:
        unused.close()
    world.premade.clear()
    try:
        entry(world)
        world.end()
    except (LawError, StopIteration) as broken:
        return f"it raised {error!r}, and then {broken!r}"
    return ""


def may_be_raised(error: BaseException, name: str) -> bool:
    """Whether Python itself raises such an error where memory is short."""
    if isinstance(error, SystemError):
        return name.endswith(("refused", "fails", "lacks")) and is_lost_by_python(error, name)
    return isinstance(error, MemoryError)


def is_lost_by_python(error: SystemError, name: str) -> bool:
    """Whether Python itself has lost an error, and says so.

    It loses that of a Python function if there is no memory to make its frame for a traceback. Then
    it says so where that was called. Of what our code loses, it says so where that was called.
    """
    said = str(error)
    if said == "error return without exception set":
        traceback = error.__traceback__
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        where = "" if traceback is None else traceback.tb_frame.f_code.co_name
        calls_python = (
            {"call"} if name.endswith(("refused", "lacks")) else {"step_fails", "<lambda>"}
        )
        return where in {"coroutine_function", *calls_python}
    of_python = ("<built-in method throw of coroutine ", "<built-in method throw of generator ")
    return said.startswith((repr(unobserved(function_fails)), *of_python))


# -------------------------------------------------------------------------- spans of whole programs


def try_spans(backend: str) -> Iterator[str]:
    """Open and close a span in a recorded program, with each failure; give what is wrong."""
    for count in FAILING:
        for first in range(MOST):
            wrong = what_is_wrong_with_spans(backend, first, count)
            if wrong:
                yield f"a span on {backend}, {count} from allocation {first} on: {wrong}"


def what_is_wrong_with_spans(backend: str, first: int, count: int) -> str:
    errors: list[BaseException | None] = []

    async def main() -> int:
        known = span("a span")
        with known:
            await anyio.lowlevel.checkpoint()
        enter, leave = known.__enter__, partial(known.__exit__, None, None, None)
        errors.append(with_failures(enter, first, count))
        await anyio.lowlevel.checkpoint()
        errors.append(with_failures(leave, first, count))
        await anyio.lowlevel.checkpoint()
        return 5

    LOG.lines.clear()
    with record() as recording:
        result = anyio.run(main, backend=backend)
    if errors != [None, None] or result != 5:
        return f"it raised {errors}, and the program returned {result}"
    if len(LOG.lines) > 1:
        return f"it logged {LOG.lines}"
    if not LOG.lines:
        recording.profile.check()
    return ""


def main(names: list[str]) -> None:
    faulthandler.enable()
    gc.disable()  # so that the same allocations fail each time
    logger = logging.getLogger("tracetools")
    logger.addHandler(LOG)
    logger.propagate = False
    tries = try_all
    if names[:1] == ["--spans"]:
        tries = try_spans
        del names[0]
    for name in names:
        print(f"# {name}", flush=True)
        for line in tries(name):
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
