"""The words of sentences."""

import pytest

from tracetools.output.answers.data import Answer
from tracetools.output.answers.words import at_line, before_steps, for_whom, listed, percent, times

MS = 10**6


def test_where_an_answer_is():
    assert at_line(Answer("function", "app.py", 3, "f")) == "f (app.py:3)"
    assert at_line(Answer("libraries", None, 0, "libraries")) == "libraries"


def test_names():
    assert for_whom([]) == ""
    assert for_whom(["a", "b"]) == ", for a, b"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (1, "100 %")]
)
def test_percent(share, text):
    assert percent(share) == text


def test_how_often():
    assert times(1, 5 * MS, 5 * MS) == "once, for 5 ms"
    assert times(1200, 5 * MS, 2 * MS) == "1,200 times, for 5 ms in all and 2 ms at most"


def test_how_long_before_each_step():
    assert before_steps(1, 5 * MS) == "5 ms before 1 step"
    assert before_steps(1200, 2400 * MS) == "2 ms before each of 1,200 steps"
    assert before_steps(0, 0) == "0 ms before each of 0 steps"
