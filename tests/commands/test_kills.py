"""A few kills at random moments; `tests/commands/kills.py` has many."""

import os

import pytest

from tests.commands.kills import A_ROUND, Ground, kill

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")


def test_what_is_killed_leaves_whole_files_and_nothing_in_the_way(tmp_path):
    with Ground(tmp_path, seed=7) as ground:
        kill(ground, A_ROUND - 1)  # there may be nothing to push
    assert ground.faults == []
