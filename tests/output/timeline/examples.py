"""A slow request: it waits for a lock, for its turn, for a child, and for a thread."""

from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.notes import Notes
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake, Work

MS = 1_000_000
HANDLE = (ROOT, Frame("handle", "app.py", 3))
ROUTE = (*HANDLE, Frame("GET /report", "app.py", 9))
LOAD = (ROOT, Frame("load", "app.py", 30))
HOLD = (ROOT, Frame("hold", "cache.py", 20))
OTHER = (ROOT, Frame("other", "app.py", 50))
RELEASE = Frame("hold", "cache.py", 24)


def _step(task, begin, end):
    return Step(task, begin * MS, end * MS)


def _wait(task, begin, end, path):
    return Wait(task, begin * MS, end * MS, path)


def _await(name, line):
    return Frame(f"await {name}", "app.py", line)


SPAN = SpanTime(1, 10 * MS, 110 * MS, ROUTE)
TIMELINE = Timeline(
    5 * MS,
    120 * MS,
    {
        1: Life(1, HANDLE, None, 0, None),
        2: Life(2, HOLD, None, 0, None),
        3: Life(3, LOAD, 1, 42 * MS, 80 * MS),
        4: Life(4, OTHER, None, 0, None),
        5: Life(5, OTHER, None, 0, None),
    },
    steps=(
        _step(1, 8, 12),
        _step(2, 20, 30),
        _step(4, 30, 36),
        _step(5, 36, 38),
        _step(1, 40, 45),
        _step(3, 45, 46),
        _step(3, 60, 80),
        _step(1, 80, 82),
        _step(1, 102, 115),
    ),
    wakes=(
        Wake(1, 29 * MS, "task", 2, HOLD, RELEASE),
        Wake(3, 60 * MS, "loop"),
        Wake(1, 80 * MS, "task", 3, LOAD),
        Wake(1, 102 * MS, "thread"),
    ),
    waits=(
        _wait(1, 12, 29, (*ROUTE, _await("Lock", 11))),
        _wait(3, 46, 60, (*LOAD, _await("read", 33))),
        _wait(1, 45, 80, (*ROUTE, _await("TaskGroup", 14))),
        _wait(1, 82, 102, (*ROUTE, _await("to_thread", 16))),
    ),
    spans=(SpanTime(1, 40 * MS, 81 * MS, (*ROUTE, Frame("load all", "app.py", 13))), SPAN),
    works=(Work(1, 83 * MS, 101 * MS, (ROOT, Frame("render", "pdf.py", 1)), 140_000),),
    subject=SPAN,
    starts=1_700_000_000_000_000_000,
)
CRITICAL = ((1, 10 * MS, 12 * MS), (2, 12 * MS, 29 * MS), (3, 45 * MS, 80 * MS))
NOTES = Notes("shop", "4bf92f3577b34da6", 9 * MS, CRITICAL)
