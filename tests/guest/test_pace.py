"""A thread that works at a pace rests now and then, and no other one does."""

import random
import threading

from tracetools.guest.pace import Pace, paced, sorted_at_pace


class Clock:
    """A clock that goes on by so much at each look, and what rests it has seen."""

    def __init__(self, step):
        self.now, self.step, self.rests = 0.0, step, []

    def __call__(self):
        self.now += self.step
        return self.now

    def rest(self, seconds):
        self.rests.append(self.now)
        self.now += seconds


def test_items_are_what_they_were():
    items = [1, 2, 3]
    assert paced(items) is items
    with Pace():
        assert [*paced(items)] == items
        assert [*paced(iter(()))] == []
    assert paced(items) is items


def test_a_thread_rests_after_each_slice():
    clock = Clock(0.000_01)
    with Pace(clock, clock.rest):
        assert [*paced(range(200))] == [*range(200)]
    slices = [later - earlier for earlier, later in zip(clock.rests, clock.rests[1:], strict=False)]
    assert len(clock.rests) == 6
    assert all(0.000_3 < each < 0.000_4 for each in slices)


def test_loops_within_each_other_share_a_slice():
    clock = Clock(0.000_01)
    with Pace(clock, clock.rest):
        for _ in paced(range(20)):
            assert len([*paced(range(10))]) == 10
    assert len(clock.rests) == 7


def test_other_threads_do_not_rest():
    items, found = [1], []
    with Pace():
        thread = threading.Thread(target=lambda: found.append(paced(items)))
        thread.start()
        thread.join()
    assert found[0] is items


def test_items_are_sorted_as_without_a_pace():
    items = [
        (number, place) for place, number in enumerate(random.Random(1).choices(range(99), k=2000))
    ]
    for given in (items, items[:256], items[:1], []):
        for key in (None, lambda item: -item[0]):
            expected = sorted(given, key=key)
            assert sorted_at_pace(given, key) == expected
            with Pace():
                assert sorted_at_pace(given, key) == expected


def test_a_thread_rests_while_it_sorts():
    clock = Clock(0.000_01)
    with Pace(clock, clock.rest):
        sorted_at_pace(range(3000))
    assert len(clock.rests) > 90
