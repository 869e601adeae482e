"""A timeline is a frozen value."""

import copy
import pickle

import pytest

from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.timeline import (
    Life,
    QueueLength,
    SpanTime,
    Step,
    Timeline,
    Wait,
    Wake,
    Work,
)

MAIN = (ROOT, Frame("main", "app.py", 3))
SPAN = SpanTime(1, 10, 30, (*MAIN, Frame("load")))
FULL = Timeline(
    10,
    40,
    {1: Life(1, MAIN, None, 0, None)},
    steps=(Step(1, 10, 12),),
    wakes=(Wake(1, 20, "task", 2, MAIN, Frame("main", "app.py", 5)),),
    waits=(Wait(1, 12, 20, MAIN),),
    spans=(SPAN,),
    works=(Work(1, 12, None, MAIN, 7),),
    subject=SPAN,
    starts=1,
    is_cut=True,
    lengths=(QueueLength("Queue (app.py:3)", 10, 2),),
)


def test_it_can_be_pickled_and_copied():
    assert pickle.loads(pickle.dumps(FULL)) == copy.deepcopy(FULL) == FULL


def test_it_does_not_change_with_what_it_is_made_of():
    lives = {1: FULL.lives[1]}
    made = Timeline(0, 1, lives)
    lives.clear()
    assert made.lives == FULL.lives
    with pytest.raises(TypeError):
        made.lives[2] = FULL.lives[1]
