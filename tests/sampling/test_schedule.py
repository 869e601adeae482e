"""When samples are taken: at random, at a bounded cost, and so that they are fair."""

from collections import Counter
from functools import partial
from random import Random

import pytest

from tracetools.sampling.schedule import NOT_SAMPLED, Schedule

US = 1_000
MS = 1_000_000


def always(number):
    return lambda: number


# ------------------------------------------------------------------------------- how far it is


@pytest.mark.parametrize(("chance", "distance"), [(1, MS), (0.25, MS // 4), (3, 3 * MS)])
def test_the_next_sample_is_as_far_as_chance_says(chance, distance):
    schedule = Schedule(MS, 10 * MS, always(chance))
    assert schedule.next(5) == distance
    assert schedule.start_sample(5 + distance) == (MS, 0)


def test_no_interval_is_longer_than_the_longest():
    assert Schedule(MS, 10 * MS, always(50)).next(0) == 10 * MS


def test_the_longest_interval_grows_with_the_cost():
    schedule = Schedule(MS, 2 * MS, always(3))
    interval = after_samples(schedule, *[0] * 100, taken=270 * US)
    assert interval == 6 * MS
    assert schedule.next(0) == 2 * interval


def test_the_usual_delay_is_made_up_for():
    schedule = Schedule(MS, 10 * MS, always(0.5))
    for _ in range(3):
        schedule.start_sample(schedule.next(0) + 100 * US)
    assert schedule.next(0) == 400 * US


def test_the_program_goes_on_between_any_two_samples():
    schedule = Schedule(MS, 10 * MS, always(0))
    assert schedule.next(0) == Schedule._LEAST > 0


# ---------------------------------------------------------------------------- what samples may cost


def after_samples(schedule, *lasted, taken, waiting=0):
    for each in lasted:
        schedule.end_sample(each, taken, waiting)
    return schedule.interval


@pytest.mark.parametrize(("taken", "waiting"), [(50, 70), (500, 0), (2000, 150)])
def test_samples_take_at_most_their_part_of_a_busy_program(taken, waiting):
    whole = (taken + waiting) * US + Schedule._HAND_OVER
    interval = after_samples(
        Schedule(MS, 10 * MS, always(1)), *[0] * 100, taken=taken * US, waiting=waiting * US
    )
    assert interval == whole * Schedule.PART


def test_samples_keep_to_their_part_where_few_of_them_cost_much():
    schedule = Schedule(MS, 10 * MS, always(1))
    for _ in range(1000):
        after_samples(schedule, *[0] * 9, taken=60 * US)
        after_samples(schedule, 0, taken=2 * MS)
    mean = (9 * 60 * US + 2 * MS) / 10 + Schedule._HAND_OVER
    assert schedule.interval == pytest.approx(mean * Schedule.PART, rel=0.1)


def test_a_long_wait_for_the_gil_costs_the_program_nothing():
    interval = after_samples(Schedule(MS, 10 * MS, always(1)), 0, taken=0, waiting=40 * MS)
    assert interval == (Schedule._MAX_WAITING + Schedule._HAND_OVER) * Schedule.PART


def test_a_long_interval_stays_as_it_is():
    assert after_samples(Schedule(5 * MS, 10 * MS, always(1)), *[0] * 100, taken=120 * US) == 5 * MS


def test_a_short_interval_lets_samples_take_more():
    whole = 120 * US + Schedule._HAND_OVER
    interval = after_samples(Schedule(MS // 5, 10 * MS, always(1)), *[0] * 100, taken=120 * US)
    assert interval == whole * Schedule.PART // 5


def test_an_idle_program_does_not_lengthen_the_interval():
    schedule = Schedule(MS, 10 * MS, always(1))
    assert after_samples(schedule, *[None] * 100, taken=900 * US) == MS
    half = after_samples(schedule, *[0, None] * 2000, taken=120 * US)
    assert half == pytest.approx((120 * US + Schedule._HAND_OVER) * Schedule.PART / 2, rel=0.05)


# ------------------------------------------------------------------------- the weight of a sample


def is_usually_delayed(schedule, delay):
    for _ in range(200):
        schedule.start_sample(schedule.next(0) + delay)
        schedule.end_sample(None, 0)


def test_the_usual_delay_adds_no_weight():
    schedule = Schedule(MS, 10 * MS, always(1))
    is_usually_delayed(schedule, 80 * US)
    assert schedule.start_sample(schedule.next(0) + 80 * US) == (MS, 0)


@pytest.mark.parametrize("delay", [50 * US, MS // 2, 40 * MS])
def test_a_delay_adds_to_the_weight_of_a_step_that_lasted_for_it(delay):
    schedule = Schedule(MS, 10 * MS, always(1))
    is_usually_delayed(schedule, 80 * US)
    assert schedule.start_sample(schedule.next(0) + 80 * US + delay) == (MS, delay)
    schedule.end_sample(delay, 0)
    assert schedule.start_sample(schedule.next(0) + 80 * US)[0] == MS


def test_a_sample_that_took_long_adds_to_the_weight_of_the_next():
    schedule = Schedule(MS, 10 * MS, always(1))
    now = schedule.next(0)
    schedule.start_sample(now)
    schedule.end_sample(MS, 0)
    now += 30 * MS  # it logged something, and lost the GIL
    now += schedule.next(now)
    assert schedule.start_sample(now) == (MS, 30 * MS)
    now += 50 * US
    assert schedule.start_sample(now + schedule.next(now)) == (MS, 0)


def test_an_unusual_delay_is_not_made_up_for():
    schedule = Schedule(MS, 10 * MS, always(1))
    is_usually_delayed(schedule, 80 * US)
    before = schedule.next(0)
    for _ in range(10):
        schedule.start_sample(schedule.next(0) + 5 * MS)
    assert schedule.next(0) == before


def later_weight(schedule, samples=300):
    """Return the weight that later samples have beyond the interval: the sum, and the most."""
    weights = []
    for _ in range(samples):
        weight, missed = schedule.start_sample(schedule.next(0))
        weights.append(weight - schedule.interval)
        assert missed == 0
        schedule.end_sample(None, 0)
    return sum(weights), max(weights)


@pytest.mark.parametrize("lasted", [None, 0, 8 * MS])
def test_the_delay_of_other_steps_is_spread_over_later_samples(lasted):
    schedule = Schedule(MS, 10 * MS, always(1))
    schedule.start_sample(schedule.next(0) + 40 * MS)
    schedule.end_sample(lasted, 0)
    total, most = later_weight(schedule)
    assert total == pytest.approx(40 * MS, rel=0.001)
    assert most <= 5 * MS


def test_a_sample_that_failed_is_made_up_for():
    schedule = Schedule(MS, 10 * MS, always(1))
    schedule.start_sample(schedule.next(0) + 4 * MS)
    schedule.end_sample(NOT_SAMPLED, 0)
    assert later_weight(schedule)[0] == pytest.approx(5 * MS, rel=0.001)


def test_an_hour_in_which_the_program_was_stopped_is_not_made_up_for():
    schedule = Schedule(MS, 10 * MS, always(1))
    schedule.start_sample(schedule.next(0) + 3600 * 1000 * MS)
    schedule.end_sample(None, 0)
    assert later_weight(schedule)[0] == pytest.approx(Schedule._MAX_OWED * MS, rel=0.001)


# ----------------------------------------------------------------------------- all of it together


class Program:
    """Two functions that alternate: one has a fixed amount to do, one ends at a moment.

    Attributes:
        spent: the time of each, with what samples took from it.
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
                after = {"works": ("waits", self.WAIT), "waits": ("works", self.WORK)}
                self.name, self.left = after[self.name]

    def take(self, time: int) -> None:
        self.now += time
        self.spent[self.name] += time
        if self.name == "waits":
            self.left -= time


def test_samples_are_fair_though_they_take_time_from_what_they_see():
    program, weights = Program(), Counter()
    schedule = Schedule(MS, 10 * MS, partial(Random(1).expovariate, 1))
    for number in range(100_000):
        delay = (40 if number % 2 else 80) * US
        program.run_until(program.now + schedule.next(program.now) + delay)
        weight, _ = schedule.start_sample(program.now)
        weights[program.name] += weight
        program.take(90 * US)
        schedule.end_sample(None, 0)
    share = weights["works"] / weights.total()
    assert share == pytest.approx(program.spent["works"] / program.now, rel=0.01)


@pytest.mark.parametrize(("kept", "free"), [(1, 3), (2, 2), (4, 3.5), (10, 10), (40, 40)])
def test_samples_are_fair_to_code_that_keeps_the_gil(kept, free):
    weights = Counter()
    schedule = Schedule(MS, 20 * MS, partial(Random(1).expovariate, 1))
    kept, free = round(kept * MS), round(free * MS)
    now = 0
    for _ in range(40_000):
        now += schedule.next(now) + 80 * US
        within = now % (kept + free)
        is_kept = within < kept
        if is_kept:
            now += kept - within
        weight, missed = schedule.start_sample(now)
        lasted = kept if is_kept else within - kept
        weights[is_kept] += weight + (missed if lasted >= missed else 0)
        now += 50 * US
        schedule.end_sample(lasted, 50 * US)
    assert weights[True] / weights.total() == pytest.approx(kept / (kept + free), rel=0.03)
