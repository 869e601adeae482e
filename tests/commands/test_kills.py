"""A few kills at random moments; `tests/commands/kills.py` has many."""

import os

import pytest

from tests.commands.kills import KINDS, Ground, kill

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of Unix")


def test_what_is_killed_leaves_whole_files_and_nothing_in_the_way(tmp_path):
    ground = Ground(tmp_path, seed=7)
    kill(ground, sum(count for _, count in KINDS))
    assert ground.faults == []
