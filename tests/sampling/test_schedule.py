"""When looks are made: what chance decides, what they may take, and that it all makes them fair."""

from collections import Counter
from functools import partial
from random import Random

import pytest

from tracetools.sampling.schedule import NOTHING, Pace

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
    pause = after_looks(pace, *[0] * 100, taken=270 * US)
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


def after_looks(pace, *lasted, taken, waiting=0):
    for each in lasted:
        pace.looked(each, taken, waiting)
    return pace.pause


@pytest.mark.parametrize(("taken", "waiting"), [(50, 70), (500, 0), (2000, 150)])
def test_looks_take_at_most_their_part_of_a_program_at_work(taken, waiting):
    whole = (taken + waiting) * US + Pace._HAND_OVER
    pause = after_looks(
        Pace(MS, 10 * MS, always(1)), *[0] * 100, taken=taken * US, waiting=waiting * US
    )
    assert pause == whole * Pace.PART


def test_they_do_so_where_few_of_them_are_dear():
    pace = Pace(MS, 10 * MS, always(1))
    for _ in range(1000):
        after_looks(pace, *[0] * 9, taken=60 * US)
        after_looks(pace, 0, taken=2 * MS)
    mean = (9 * 60 * US + 2 * MS) / 10 + Pace._HAND_OVER
    assert pace.pause == pytest.approx(mean * Pace.PART, rel=0.1)


def test_waiting_for_long_takes_nothing_from_the_program():
    pause = after_looks(Pace(MS, 10 * MS, always(1)), 0, taken=0, waiting=40 * MS)
    assert pause == (Pace._MOST_WAITING + Pace._HAND_OVER) * Pace.PART


def test_who_asks_for_fewer_looks_gets_as_few():
    assert after_looks(Pace(5 * MS, 10 * MS, always(1)), *[0] * 100, taken=120 * US) == 5 * MS


def test_who_wants_them_closer_grants_more_time():
    whole = 120 * US + Pace._HAND_OVER
    pause = after_looks(Pace(MS // 5, 10 * MS, always(1)), *[0] * 100, taken=120 * US)
    assert pause == whole * Pace.PART // 5


def test_a_program_at_rest_is_not_held_up():
    pace = Pace(MS, 10 * MS, always(1))
    assert after_looks(pace, *[None] * 100, taken=900 * US) == MS
    half = after_looks(pace, *[0, None] * 2000, taken=120 * US)
    assert half == pytest.approx((120 * US + Pace._HAND_OVER) * Pace.PART / 2, rel=0.05)


# ------------------------------------------------------------------------- what a look stands for


def is_usually_late(pace, late):
    for _ in range(200):
        pace.look(pace.next(0) + late)
        pace.looked(None, 0)


def test_as_late_as_usual_is_not_late():
    pace = Pace(MS, 10 * MS, always(1))
    is_usually_late(pace, 80 * US)
    assert pace.look(pace.next(0) + 80 * US) == (MS, 0)


@pytest.mark.parametrize("late", [50 * US, MS // 2, 40 * MS])
def test_while_nobody_could_look_belongs_to_what_has_lasted_so_long(late):
    pace = Pace(MS, 10 * MS, always(1))
    is_usually_late(pace, 80 * US)
    assert pace.look(pace.next(0) + 80 * US + late) == (MS, late)
    pace.looked(late, 0)
    assert pace.look(pace.next(0) + 80 * US)[0] == MS


def test_a_look_that_took_long_has_kept_others_from_being_made():
    pace = Pace(MS, 10 * MS, always(1))
    now = pace.next(0)
    pace.look(now)
    pace.looked(MS, 0)
    now += 30 * MS  # it logged something, and lost its turn
    now += pace.next(now)
    assert pace.look(now) == (MS, 30 * MS)
    now += 50 * US
    assert pace.look(now + pace.next(now)) == (MS, 0)


def test_who_is_held_up_sets_out_no_earlier_for_that():
    pace = Pace(MS, 10 * MS, always(1))
    is_usually_late(pace, 80 * US)
    before = pace.next(0)
    for _ in range(10):
        pace.look(pace.next(0) + 5 * MS)
    assert pace.next(0) == before


def told_later(pace, looks=300):
    """Return for how much more than for themselves the looks to come stand, and the most of it."""
    told = []
    for _ in range(looks):
        stands_for, missed = pace.look(pace.next(0))
        told.append(stands_for - pace.pause)
        assert missed == 0
        pace.looked(None, 0)
    return sum(told), max(told)


@pytest.mark.parametrize("lasted", [None, 0, 8 * MS])
def test_of_others_it_is_spread_over_the_looks_to_come(lasted):
    pace = Pace(MS, 10 * MS, always(1))
    pace.look(pace.next(0) + 40 * MS)
    pace.looked(lasted, 0)
    told, most = told_later(pace)
    assert told == pytest.approx(40 * MS, rel=0.001)
    assert most <= 5 * MS


def test_a_look_that_came_to_nothing_is_made_up_for():
    pace = Pace(MS, 10 * MS, always(1))
    pace.look(pace.next(0) + 4 * MS)
    pace.looked(NOTHING, 0)
    assert told_later(pace)[0] == pytest.approx(5 * MS, rel=0.001)


def test_a_program_that_was_stopped_for_an_hour_is_not_told_of_it():
    pace = Pace(MS, 10 * MS, always(1))
    pace.look(pace.next(0) + 3600 * 1000 * MS)
    pace.looked(None, 0)
    assert told_later(pace)[0] == pytest.approx(Pace._MOST_OWED * MS, rel=0.001)


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


@pytest.mark.parametrize(("held", "free"), [(1, 3), (2, 2), (4, 3.5), (10, 10), (40, 40)])
def test_looks_are_fair_to_code_that_lets_nobody_look(held, free):
    told = Counter()
    pace = Pace(MS, 20 * MS, partial(Random(1).expovariate, 1))
    held, free = round(held * MS), round(free * MS)
    now = 0
    for _ in range(40_000):
        now += pace.next(now) + 80 * US
        within = now % (held + free)
        is_held = within < held
        if is_held:
            now += held - within
        stands_for, missed = pace.look(now)
        lasted = held if is_held else within - held
        told[is_held] += stands_for + (missed if lasted >= missed else 0)
        now += 50 * US
        pace.looked(lasted, 50 * US)
    assert told[True] / told.total() == pytest.approx(held / (held + free), rel=0.03)
