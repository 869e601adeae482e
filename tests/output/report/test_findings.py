"""Lints by kind and blocking steps by stack, as values without markup."""

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.lints import find_lints
from tracetools.output.report.findings import (
    ANSWERED,
    MAX_BLOCKING_ROWS,
    BlockingRow,
    StackParts,
    blocking_steps_of,
    findings_of,
)

SERVE = "serve (app/server.py:30)"
QUERY = "query (app/db.py:8)"
BELOW_QUERY = StackParts(("serve",), QUERY, ("a", "b", "c", "d"), "lib.py:7")
IN_QUERY = StackParts((), QUERY, (), None)


def test_lints_are_gathered_by_kind(eventful):
    kinds, left_out = findings_of(eventful)
    assert left_out == 0
    assert [(kind.heading, kind.findings) for kind in kinds] == [
        ("Left open", ((IN_QUERY, "1 span was open when the task had finished"),)),
        ("Untracked", ((None, "2 tasks could not be tracked"),)),
    ]
    assert all(kind.why and kind.remedy for kind in kinds)


def test_what_the_answers_say_is_not_found_again(eventful):
    assert {lint.kind for lint in find_lints(eventful).shown} >= {"blocks"} <= ANSWERED
    assert "Blocks" not in {kind.heading for kind in findings_of(eventful).kinds}


def test_lints_that_are_left_out_are_counted():
    stacks = {(ROOT, Frame(f"f{number}")): Times(left_open=1) for number in range(8)}
    [kind], left_out = findings_of(Profile(stacks=stacks))
    assert len(kind.findings) + left_out == 8
    assert left_out > 0


def test_blocking_steps_have_a_stack_a_count_and_times(eventful):
    assert blocking_steps_of(eventful) == (
        "5 ns",
        (BlockingRow(BELOW_QUERY, 3, 40, 20), BlockingRow(IN_QUERY, 1, 6, 6)),
        0,
    )


def test_of_many_blocking_stacks_those_with_most_time_are_shown():
    number = MAX_BLOCKING_ROWS + 3
    blocking = {(ROOT, Frame(f"f{took}")): Blocks(1, took, 1) for took in range(number)}
    threshold, rows, left_out = blocking_steps_of(Profile(blocking=blocking))
    assert threshold is None
    assert [row.total for row in rows] == list(range(number - 1, 2, -1))
    assert left_out == 3


def test_an_empty_profile_has_no_findings_and_no_blocking_steps():
    assert findings_of(Profile()) == ((), 0)
    assert blocking_steps_of(Profile()) == (None, (), 0)


def test_a_stack_that_graphs_do_not_have_is_all_functions():
    path = (ROOT, Frame("gone", "x.py", 1), Frame("blocks the loop", "y.py", 2))
    [row] = blocking_steps_of(Profile(blocking={path: Blocks(1, 1, 1)})).rows
    assert row.stack == StackParts((), "", ("gone",), "y.py:2")


def test_a_stack_of_one_frame_or_none_has_no_parts():
    stacks = {(): Times(left_open=1), (ROOT,): Times(left_open=1)}
    profile = Profile(stacks=stacks, blocking={(): Blocks(1, 2, 2), (ROOT,): Blocks(1, 1, 1)})
    rows = blocking_steps_of(profile).rows
    assert {row.stack for row in rows} == {StackParts((), "", (), None)}
    assert len(findings_of(profile).kinds) == 1
