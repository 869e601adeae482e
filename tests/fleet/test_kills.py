"""A few kills of senders and servers at random moments; `tests/fleet/kills.py` has many."""

from tests.fleet import kills
from tests.fleet.kills import Fleet, kill

KINDS = [
    kills.kill_a_push,
    kills.kill_a_server_of_all,
    kills.kill_the_program,
    kills.kill_while_tables_are_made,
    kills.kill_a_server_of_a_push,
]


def test_what_was_acknowledged_is_there_once_after_each_kill(tmp_path):
    with Fleet(tmp_path, seed=7) as fleet:
        kill(fleet, len(KINDS), KINDS)
    assert fleet.faults == []
