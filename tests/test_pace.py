"""When looks are made: what chance decides, what they may take, and that it all makes them fair."""

from collections import Counter
from functools import partial
from random import Random

import pytest

from tracetools.pace import Pace

US = 1_000
MS = 1_000_000


def always(number):
    return lambda: number


# ------------------------------------------------------------------------------- how far it is


@pytest.mark.parametrize(("chance", "distance"), [(1, MS), (0.25, MS // 4), (3, 3 * MS)])
def test_the_next_look_is_as_far_as_chance_says(chance, distance):
    pace = Pace(MS, 10 * MS, always(chance))
    assert pace.next(5) == distance
    assert pace.look(5 + distance) == (MS, 0)


def test_it_is_never_farther_than_is_good_for_who_watches():
    assert Pace(MS, 10 * MS, always(50)).next(0) == 10 * MS


def test_but_no_nearer_than_can_be_afforded():
    pace = Pace(MS, 2 * MS, always(3))
    pause = after_looks(pace, *[0] * 100, used=270 * US)
    assert pause == 6 * MS
    assert pace.next(0) == 2 * pause


def test_a_look_is_made_when_it_should_be_though_each_is_late():
    pace = Pace(MS, 10 * MS, always(0.5))
    for _ in range(3):
        pace.look(pace.next(0) + 100 * US)
    assert pace.next(0) == 400 * US


def test_the_program_goes_on_between_two_looks_in_any_case():
    pace = Pace(MS, 10 * MS, always(0))
    assert pace.next(0) == Pace._LEAST > 0


# ---------------------------------------------------------------------------- what looks may take


def after_looks(pace, *lasted, used):
    for each in lasted:
        pace.looked(each, used)
    return pace.pause


def test_looks_take_at_most_their_part_of_a_program_at_work():
    used = 120 * US
    taken = used + Pace._HAND_OVER
    assert after_looks(Pace(MS, 10 * MS, always(1)), *[0] * 100, used=used) == taken * Pace.PART


def test_who_asks_for_fewer_looks_gets_as_few():
    assert after_looks(Pace(5 * MS, 10 * MS, always(1)), *[0] * 100, used=120 * US) == 5 * MS


def test_who_wants_them_closer_grants_more_time():
    used = 120 * US
    taken = used + Pace._HAND_OVER
    pace = Pace(MS // 5, 10 * MS, always(1))
    assert after_looks(pace, *[0] * 100, used=used) == taken * Pace.PART // 5


def test_a_program_at_rest_is_not_held_up():
    pace = Pace(MS, 10 * MS, always(1))
    assert after_looks(pace, *[None] * 100, used=900 * US) == MS
    half = after_looks(pace, *[0, None] * 2000, used=120 * US)
    assert half == pytest.approx((120 * US + Pace._HAND_OVER) * Pace.PART / 2, rel=0.05)


def test_one_that_waited_for_long_has_not_taken_so_much():
    pace = Pace(MS, 10 * MS, always(1))
    after_looks(pace, *[0] * 99, used=120 * US)
    taken = 120 * US * 101 / 100 + Pace._HAND_OVER
    assert after_looks(pace, 0, used=40 * MS) == taken * Pace.PART


# ------------------------------------------------------------------------- what a look stands for


def test_a_look_that_is_a_little_late_stands_for_no_more_than_another():
    pace = Pace(MS, 10 * MS, always(0.5))
    pace.next(0)
    stands_for, missed = pace.look(MS)
    assert (stands_for, missed) == (MS, 0)


def test_what_was_missed_belongs_to_what_has_lasted_so_long():
    pace = Pace(MS, 10 * MS, always(1))
    pace.next(0)
    assert pace.look(41 * MS) == (MS, 40 * MS)
    pace.looked(60 * MS, 0)
    pace.next(41 * MS)
    assert pace.look(41 * MS + pace.pause) == (MS, 0)


def test_what_was_missed_of_others_is_spread_over_the_looks_to_come():
    pace = Pace(MS, 10 * MS, always(1))
    pace.next(0)
    pace.look(41 * MS)
    pace.looked(8 * MS, 0)
    told, now = 0, 41 * MS
    for _ in range(300):
        now += pace.next(now)
        stands_for, missed = pace.look(now)
        pace.looked(0, 0)
        assert missed == 0
        assert stands_for - MS <= 40 * MS // Pace._SPREAD
        told += stands_for - MS
    assert told == pytest.approx(40 * MS, rel=0.001)


def test_a_program_that_was_stopped_for_an_hour_is_not_told_of_it():
    pace = Pace(MS, 10 * MS, always(1))
    pace.look(pace.next(0) + 3600 * 1000 * MS)
    pace.looked(None, 0)
    told = 0
    for _ in range(300):
        stands_for, _ = pace.look(pace.next(0))
        told += stands_for - MS
        pace.looked(0, 0)
    assert told == pytest.approx(Pace._MOST_OWED * MS, rel=0.001)


# ----------------------------------------------------------------------------- all of it together


class Program:
    """Two functions by turns: one has a fixed amount to do, and one ends at a moment.

    Attributes:
        spent: the time of each, with what looks took from it.
    """

    WORK, WAIT = 200 * US, 300 * US

    def __init__(self) -> None:
        self.spent = Counter()
        self.now = 0
        self.name, self.left = "works", self.WORK

    def run_until(self, moment: int) -> None:
        while self.now < moment:
            passed = min(max(self.left, 0), moment - self.now)
            self.now += passed
            self.spent[self.name] += passed
            self.left -= passed
            if self.left <= 0:
                turn = {"works": ("waits", self.WAIT), "waits": ("works", self.WORK)}
                self.name, self.left = turn[self.name]

    def hold(self, time: int) -> None:
        self.now += time
        self.spent[self.name] += time
        if self.name == "waits":
            self.left -= time


def test_looks_are_fair_though_they_take_time_from_what_they_see():
    program, told = Program(), Counter()
    pace = Pace(MS, 10 * MS, partial(Random(1).expovariate, 1))
    for number in range(100_000):
        late = (40 if number % 2 else 80) * US
        program.run_until(program.now + pace.next(program.now) + late)
        stands_for, _ = pace.look(program.now)
        told[program.name] += stands_for
        program.hold(90 * US)
        pace.looked(None, 0)
    share = told["works"] / told.total()
    assert share == pytest.approx(program.spent["works"] / program.now, rel=0.01)
