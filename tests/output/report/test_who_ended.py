"""The section about who ended waits."""

from tracetools.core.edges import Edge, Waited
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame
from tracetools.output.report.who_ended import who_ended_section
from tracetools.output.who_ended import ended_waits

HOSTILE = Frame("<b>", "<i>.py", 1)


def section(edges):
    return "".join(who_ended_section(ended_waits(Profile(edges=edges))))


def test_each_waiter_has_a_row_and_texts_are_escaped():
    text = section({Edge((ROOT, HOSTILE), "task", (ROOT, HOSTILE), HOSTILE): Waited(3, 3000, 2000)})
    assert '<th scope="row">&lt;b&gt; (&lt;i&gt;.py:1)</th>' in text
    assert "<td>3 µs</td><td>3</td><td>2 µs</td>" in text
    assert "<b>" not in text


def test_rows_with_the_shortest_waits_are_left_out():
    edges = {
        Edge((ROOT, Frame(f"f{number}")), "task", (ROOT, HOSTILE)): Waited(1, number, number)
        for number in range(1, 45)
    }
    text = section(edges)
    assert text.count("<tr>") == 41
    assert "4 more with shorter waits are left out." in text


def test_without_edges_there_is_no_section():
    assert section({}) == section({Edge((ROOT,), "timer"): Waited(1, 5, 5)}) == ""
