"""Who ended waits, on a terminal."""

from tracetools.commands.terminal.screen import PLAIN, Screen
from tracetools.commands.terminal.who_ended import who_ended_in_lines
from tracetools.core.edges import Edge, Waited
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame

A, B = Frame("a", "a.py", 1), Frame("b", "b.py", 2)
EDGES = {
    Edge((ROOT, A), "task", (ROOT, B)): Waited(2, 3_000_000, 2_000_000),
    Edge((ROOT, B), "task", (ROOT, A)): Waited(1, 1_000_000, 1_000_000),
    Edge((ROOT, A), "timer"): Waited(1, 5_000_000, 5_000_000),
}


def test_the_longest_waits_have_a_line_each():
    assert who_ended_in_lines(Profile(edges=EDGES), Screen(200, PLAIN), 1) == [
        "Who ended waits (tasks waited 4 ms for others in all)",
        "       3 ms  a (a.py:1) waited 3 ms (2 times, 2 ms at most) for b (b.py:2)",
        "  ... and 1 more",
        "  Besides, tasks waited 5 ms for timers.",
    ]


def test_nothing_is_said_without_edges():
    assert who_ended_in_lines(Profile(), Screen(200, PLAIN), 5) == []
