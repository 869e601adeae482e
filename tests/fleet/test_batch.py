"""Who a batch is from, and what makes it the same batch."""

from __future__ import annotations

from tracetools.core.profile import Profile
from tracetools.fleet.batch import Batch, Source

SHOP = Source("0" * 32, "shop")


def test_the_same_minute_of_one_process_has_one_id():
    assert Batch(SHOP, 1, 2, Profile()).id == Batch(SHOP, 1, 3, Profile(duration=5)).id


def test_other_minutes_and_other_processes_have_others():
    other = Source("1" * 32, "shop")
    batches = [Batch(SHOP, 1, 2, Profile()), Batch(SHOP, 2, 3, Profile())]
    assert len({each.id for each in [*batches, Batch(other, 1, 2, Profile())]}) == 3
