"""What stands out of locks and queues, with the words that are said of it."""

import pytest

from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.profile import Profile
from tracetools.core.resources import COULD_STEP, Holds, Resource, ResourceUse, Waits
from tracetools.core.stacks import ROOT, Frame, Tokens
from tracetools.output.lints import amount, find_lints
from tracetools.output.resource_findings import sentence, telling

MS, S = 10**6, 10**9
MAIN = Frame("main", "app.py", 1)
HOLD = (ROOT, MAIN, Frame("hold", "app.py", 6))
WANT = (ROOT, MAIN, Frame("want", "app.py", 12))
SLEEP = Frame("await sleep", "app.py", 7)
LOCK = Resource("Lock", Frame("main", "app.py", 17))

HELD = ResourceUse(
    count=1,
    size=1,
    lived=S,
    saturated=S,
    most_waiting=5,
    holds={HOLD: Holds(1, 300 * MS, 300 * MS, 300 * MS), WANT: Holds(5, 5, 1, 0)},
    waits={WANT: Waits(5, 1450 * MS, 290 * MS, 1)},
    blockers={(*HOLD, SLEEP): Waits(5, 1450 * MS, 290 * MS, 1)},
)
QUEUE = ResourceUse(
    count=1,
    size=2,
    lived=S,
    saturated=S // 2,
    waits={WANT: Waits(3, 20 * MS, 9 * MS, 0)},
    lengths=Histogram(9, 2, {1: 1, 2: 4}),
    length_time=S * 3 // 2,
    items=5,
    taken=5,
)
CONVOY = ResourceUse(
    count=1,
    size=1,
    lived=S,
    saturated=900 * MS,
    most_waiting=9,
    holds={HOLD: Holds(100, 900 * MS, 9 * MS, 0)},
    waits={WANT: Waits(99, 7920 * MS, 90 * MS, 0)},
    blockers={(*HOLD, COULD_STEP): Waits(99, 7920 * MS, 90 * MS, 0)},
)


def found(use, resource=LOCK, duration=S, **more):
    profile = Profile(resources={resource: use}, duration=duration, **more)
    return [(lint.kind, lint.finding) for lint in find_lints(profile).shown]


def changed(use, **what):
    values = {name: getattr(use, name) for name in use.__dataclass_fields__}
    return ResourceUse(**(values | what))


def test_a_lock_that_is_held_over_an_await():
    [(kind, text)] = found(HELD)
    assert kind == "held-over-await"
    assert text == (
        "Lock (app.py:17) was held over await sleep (app.py:7): others waited 1.45 s for it,"
        " 5 times"
    )
    [lint] = find_lints(Profile(resources={LOCK: HELD}, duration=S)).shown
    assert (lint.path, lint.weight) == (HOLD, S)


@pytest.mark.parametrize(
    "use",
    [
        changed(HELD, blockers={(*HOLD, COULD_STEP): Waits(5, 1450 * MS, 290 * MS, 1)}),
        changed(HELD, blockers={(*HOLD, SLEEP): Waits(1, 9 * MS, 9 * MS, 0)}),
        changed(HELD, waits={WANT: Waits(5, 9 * MS, 9 * MS, 0)}),
        changed(HELD, size=2, saturated=0),
        ResourceUse(),
    ],
)
def test_what_is_short_or_has_another_reason_is_not_told(use):
    assert found(use) == []


def test_tokens_that_are_used_up():
    use = changed(HELD, size=2, saturated=660 * MS)
    assert found(use, Resource("Semaphore", MAIN)) == [
        (
            "saturated",
            (
                "Semaphore (app.py:1): all 2 were taken for 66 % of the time; up to 5 tasks waited"
                " at once, 1.45 s in all"
            ),
        )
    ]
    assert found(changed(use, size=None)) == []


def test_a_limiter_that_is_told_already():
    use = changed(HELD, size=2)
    limiter = Resource("CapacityLimiter", MAIN)
    assert [kind for kind, _ in found(use, limiter)] == ["saturated"]
    assert found(use, limiter, limiters={(ROOT, MAIN): Tokens(2, 7)}) == []


def test_a_queue_that_is_full():
    assert found(QUEUE, Resource("Queue", MAIN)) == [
        (
            "queue-full",
            (
                "Queue (app.py:1) was full for 50 % of the time; tasks waited 3 times to put an"
                " item, 20 ms in all"
            ),
        )
    ]
    assert found(changed(QUEUE, saturated=S // 100)) == []


def test_a_queue_that_grows():
    lengths = Histogram(500, 250, {bucket_of(250): 2})
    use = changed(QUEUE, size=None, waits={}, items=1000, taken=800, lengths=lengths)
    text = "Queue (app.py:1): 1,000 items put, 800 taken, 200 left"
    assert found(use, Resource("Queue", MAIN)) == [("queue-grows", text)]
    assert found(changed(use, taken=901)) == []
    assert found(changed(use, taken=880)) == []


def test_a_convoy():
    assert found(CONVOY) == [
        (
            "convoy",
            (
                "Lock (app.py:17): 99 waits of 80 ms on average for holds of 9 ms, up to 9 tasks in"
                " line"
            ),
        )
    ]
    assert found(changed(CONVOY, most_waiting=2)) == []
    assert found(changed(CONVOY, holds={HOLD: Holds(100, 900 * MS, 46 * MS, 0)})) == []
    assert found(changed(CONVOY, holds={HOLD: Holds(10, 900 * MS, 9 * MS, 0)})) == []


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (
            HELD,
            (
                "waited for 5 times, 290 ms at most, up to 5 at once, 1 gave up; held 6 times, 300"
                " ms at most, most by hold (app.py:6), over await sleep (app.py:7); taken for 100"
                " % of the time"
            ),
        ),
        (
            QUEUE,
            (
                "waited for 3 times, 9 ms at most; full for 50 % of the time; 5 items put, 5 taken;"
                " 1.5 in it on average, 2 at most"
            ),
        ),
        (
            changed(HELD, size=3, waits={WANT: Waits(1, MS, MS, 0)}, blockers={}, most_waiting=1),
            (
                "waited for once, 1 ms at most; held 6 times, 300 ms at most, most by hold"
                " (app.py:6); all 3 taken for 100 % of the time"
            ),
        ),
        (
            ResourceUse(count=1, getters={WANT: Waits(3, 7 * MS, 4 * MS, 0)}),
            (
                "0 items put, 0 taken; 0.0 in it on average, 0 at most; empty 3 times, for 4 ms at"
                " most"
            ),
        ),
        (ResourceUse(), ""),
    ],
)
def test_what_is_said_of_each(use, text):
    assert sentence(use, amount) == text


def test_those_that_tasks_have_waited_for_are_told():
    others = {
        Resource("Queue", MAIN): QUEUE,
        LOCK: HELD,
        Resource("Lock", MAIN): changed(HELD, waits={}),
    }
    assert telling(Profile(resources=others)) == [
        (LOCK, HELD),
        (Resource("Queue", MAIN), QUEUE),
    ]
