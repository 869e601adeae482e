"""Who ended waits is told in rows and sentences."""

from tracetools.core.edges import Edge, Waited
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, RUNTIME, Frame
from tracetools.output.who_ended import EndedWaits, ended_waits

SERVE, WRITER = Frame("serve", "app.py", 3), Frame("writer", "app.py", 30)
LOCK, LINE = Frame("await Lock", "app.py", 5), Frame("writer", "app.py", 34)
WAITER = (ROOT, SERVE, LOCK)
EDGES = {
    Edge(WAITER, "task", (ROOT, WRITER), LINE): Waited(2, 3_000, 2_000),
    Edge((ROOT, Frame("main"), SERVE, LOCK), "task", (ROOT, WRITER), LINE): Waited(1, 500, 500),
    Edge((ROOT, SERVE), "callback", (ROOT, Frame("called", "", 0))): Waited(1, 9, 9),
    Edge(WAITER, "thread", (ROOT, SERVE, WRITER)): Waited(1, 7_000, 7_000),
    Edge(WAITER, "timer"): Waited(1, 11, 11),
    Edge(WAITER, "loop"): Waited(1, 12, 12),
    Edge(WAITER, None): Waited(0, 13, 0),
    Edge((ROOT, RUNTIME, SERVE), "task", (ROOT, WRITER)): Waited(1, 99, 99),
}


def test_those_with_the_longest_waits_come_first():
    found = ended_waits(Profile(edges=EDGES))
    assert [row.sentence for row in found.rows] == [
        (
            "serve (app.py:3) waited 7 µs (once) at await Lock (app.py:5) for writer (app.py:30)"
            " in a thread"
        ),
        (
            "serve (app.py:3) waited 3.5 µs (3 times, 2 µs at most) at await Lock (app.py:5) for"
            " writer (app.py:30) at app.py:34"
        ),
        "serve (app.py:3) waited 9 ns (once) for callback called",
    ]
    assert found.total == 10_509


def test_what_nobody_has_ended_is_said_as_a_sum():
    found = ended_waits(Profile(edges=EDGES))
    assert (found.by_timers, found.by_loop, found.unknown) == (11, 12, 13)
    assert found.others == (
        "Besides, tasks waited 11 ns for timers, 12 ns for events of the system, or for what is not"
        " known, 13 ns without a known end."
    )
    assert EndedWaits().others == ""
