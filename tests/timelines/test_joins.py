"""The last of several tasks ends the wait for all of them."""

import pytest

from tracetools.core.stacks import CALLBACKS, ROOT, Frame
from tracetools.timelines.joins import with_joined
from tracetools.timelines.timeline import Life, Wait, Wake

MAIN = (ROOT, Frame("main"))
CHILD = (*MAIN, Frame("child"))
LIVES = {
    1: Life(1, MAIN, None, 0, None),
    2: Life(2, CHILD, 1, 1, 10),
    3: Life(3, CHILD, 1, 1, 12),
    4: Life(4, CHILD, 1, 1, 20),
    5: Life(5, CHILD, 2, 1, 14),
}


def waits(name, begin=5, end=15):
    return [Wait(1, begin, end, (*MAIN, Frame(name, "app.py", 3)))]


@pytest.mark.parametrize(
    "name", ["await gather", "await TaskGroup", "await TaskGroup.start", "await wait_for (child)"]
)
@pytest.mark.parametrize(
    "wake", [Wake(1, 15, "loop"), Wake(1, 15, "callback", None, (ROOT, CALLBACKS))]
)
def test_the_child_that_exited_last_wakes_who_waits_for_tasks(name, wake):
    [found] = with_joined([wake], waits(name), LIVES)
    assert found == Wake(1, 15, "task", 3, CHILD)


@pytest.mark.parametrize(
    ("wake", "waited"),
    [
        (Wake(1, 15, "loop"), waits("await sleep")),
        (Wake(1, 15, "loop"), waits("await gatherer")),
        (Wake(1, 15, "loop"), waits("gather")),
        (Wake(1, 15, "loop"), waits("await gather", begin=13)),
        (Wake(1, 16, "loop"), waits("await gather")),
        (Wake(1, 15, "task", 5, CHILD), waits("await gather")),
        (Wake(1, 15, "thread"), waits("await gather")),
        (Wake(1, 15, "loop"), []),
        (Wake(2, 15, "loop"), waits("await gather")),
    ],
)
def test_all_others_stay_as_they_are(wake, waited):
    assert with_joined([wake], waited, LIVES) == [wake]
