"""The section about locks and queues."""

from dataclasses import replace

from tests.output.test_resource_findings import HELD, LOCK, MAIN, QUEUE, S
from tracetools.core.profile import Profile
from tracetools.core.resources import Resource
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.report.of_profile import report_of_profile
from tracetools.output.report.resources import (
    NO_RESOURCES,
    ResourceRow,
    ResourceTable,
    resources_of,
    resources_section,
)

PROFILE = Profile(resources={LOCK: HELD, Resource("Queue", MAIN): QUEUE}, duration=S)


def html(table):
    return "".join(resources_section(table))


def test_a_row_has_the_waits_and_what_is_said():
    first, second = resources_of(PROFILE).rows
    assert first[:4] == ("Lock (app.py:17)", 1_450_000_000, 5, 290_000_000)
    assert first.text.startswith("waited for 5 times, 290 ms at most")
    assert second[:4] == ("Queue (app.py:1)", 20_000_000, 3, 9_000_000)


def test_nothing_makes_no_section():
    assert html(NO_RESOURCES) == ""
    assert resources_of(Profile()) == NO_RESOURCES


def test_texts_are_escaped():
    text = html(ResourceTable((ResourceRow("<b>", 1, 1, 1, "a & b"),), 3))
    assert "<b>" not in text
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "3 more with shorter waits are left out" in text


def test_the_longest_are_shown():
    many = {LOCK._replace(place=MAIN._replace(line=line)): HELD for line in range(30)}
    table = resources_of(replace(PROFILE, resources=many))
    assert (len(table.rows), table.left_out) == (20, 10)


def test_the_page_has_it():
    profile = replace(PROFILE, duration=0)
    assert "Locks and queues" in report_of_profile(profile, GraphOptions())
    assert "Locks and queues" not in report_of_profile(
        replace(profile, resources={}), GraphOptions()
    )
