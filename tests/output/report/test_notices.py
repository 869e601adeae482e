"""What stands out, by kind, and what held the loop, row by row: values without markup."""

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.report.notices import MAX_HOLDS, Hold, Where, holds_of, notices_of

SERVE = "serve (app/server.py:30)"
QUERY = "query (app/db.py:8)"
BELOW_QUERY = Where(("serve",), QUERY, ("a", "b", "c", "d"), "lib.py:7")
IN_QUERY = Where((), QUERY, (), None)


def test_notices_are_gathered_by_kind(eventful):
    kinds, left_out = notices_of(eventful)
    assert left_out == 0
    assert [(kind.heading, kind.notices) for kind in kinds] == [
        (
            "Blocked",
            (
                (BELOW_QUERY, "3 steps over 0 ms, 0 ms in all, the worst 0 ms"),
                (IN_QUERY, "1 step over 0 ms, which took 0 ms"),
            ),
        ),
        ("Left open", ((IN_QUERY, "1 span was open when the task had finished"),)),
        ("Unseen", ((None, "2 tasks could not be followed"),)),
    ]
    assert all(kind.why and kind.remedy for kind in kinds)


def test_notices_tell_how_many_are_left_out():
    stacks = {(ROOT, Frame(f"f{number}")): Times(left_open=1) for number in range(8)}
    [kind], left_out = notices_of(Profile(stacks=stacks))
    assert len(kind.notices) + left_out == 8
    assert left_out > 0


def test_holds_say_where_and_how_long(eventful):
    assert holds_of(eventful) == (
        "5 ns",
        (Hold(BELOW_QUERY, 3, 40, 20), Hold(IN_QUERY, 1, 6, 6)),
        0,
    )


def test_of_many_holds_the_longest_in_all_are_shown():
    blocking = {(ROOT, Frame(f"f{took}")): Blocks(1, took, 1) for took in range(MAX_HOLDS + 3)}
    limit, rows, left_out = holds_of(Profile(blocking=blocking))
    assert limit is None
    assert [row.total for row in rows] == list(range(MAX_HOLDS + 2, 2, -1))
    assert left_out == 3


def test_nothing_is_nothing():
    assert notices_of(Profile()) == ((), 0)
    assert holds_of(Profile()) == (None, (), 0)


def test_where_a_stack_is_not_among_those_of_the_graphs():
    path = (ROOT, Frame("gone", "x.py", 1), Frame("holds the loop", "y.py", 2))
    [hold] = holds_of(Profile(blocking={path: Blocks(1, 1, 1)})).rows
    assert hold.where == Where((), "", ("gone",), "y.py:2")


def test_the_shortest_paths_do_no_harm():
    stacks = {(): Times(left_open=1), (ROOT,): Times(left_open=1)}
    profile = Profile(stacks=stacks, blocking={(): Blocks(1, 2, 2), (ROOT,): Blocks(1, 1, 1)})
    assert {hold.where for hold in holds_of(profile).rows} == {Where((), "", (), None)}
    assert len(notices_of(profile).kinds) == 2
