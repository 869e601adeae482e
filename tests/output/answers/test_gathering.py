"""What belongs to one line adds up."""

from tracetools.core.stacks import ROOT, Frame
from tracetools.output.answers.data import MOST_PATHS
from tracetools.output.answers.gathering import Gathering, heaviest, ordered, part_of
from tracetools.output.answers.places import Place

HERE = Place("app.py", 3, "f", 2)
THERE = Place("app.py", 9, "g", 2)
ONE = (ROOT, Frame("one"))
TWO = (ROOT, Frame("two"))


def gathered():
    lines = Gathering()
    lines.of("kind", HERE).add(ONE, 3, "GET /b")
    lines.of("kind", HERE).add(TWO, 4, "GET /a")
    lines.of("kind", THERE).add(ONE, 5, "g")
    lines.of("kind", THERE, "other").add(TWO, 0)
    return lines


def test_the_heaviest_line_comes_first_and_its_heaviest_path_too():
    first, second = gathered().answers(24, lambda _, answer: answer)
    assert (first.function, first.total, first.share) == ("f", 7, 7 / 24)
    assert first.paths == (TWO, ONE)
    assert first.for_whom == ("GET /a", "GET /b")
    assert (second.function, second.total) == ("g", 5)
    assert second.for_whom == ()  # it is g itself


def test_an_answer_has_the_heaviest_paths_in_a_steady_order():
    paths = [(ROOT, Frame(f"{number:02}")) for number in range(20)]
    times = [7 if number % 3 else number for number in range(20)]
    expected = sorted(zip(times, paths, strict=True), key=lambda each: (-each[0], each[1]))
    for order in (1, -1):
        lines = Gathering()
        for path, time in [*zip(paths, times, strict=True)][::order]:
            lines.of("kind", HERE).add(path, time)
        (answer,) = lines.answers(1, lambda _, answer: answer)
        assert answer.paths == tuple(path for _, path in expected[:MOST_PATHS])


def test_lines_have_a_sum():
    assert gathered().total == 12


def test_what_is_subtracted_never_leaves_less_than_nothing():
    lines = gathered()
    lines.subtract({("app.py", "f"): 2, ("app.py", "g"): 9, ("app.py", "h"): 1})
    assert [answer.total for answer in lines.answers(1, lambda _, answer: answer)] == [5]


def test_shares_of_nothing():
    assert part_of(5, 0) == 0
    assert part_of(5, 4) == 1
    assert part_of(1, 4) == 0.25


def test_orders():
    assert heaviest({"a": 1, "b": 3, "c": 3}) == ["b", "c", "a"]
    answers = gathered().answers(1, lambda _, answer: answer)
    assert ordered(reversed(answers)) == answers
