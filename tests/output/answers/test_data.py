"""The types of answers."""

from tracetools.output.answers.data import NOTHING, Answer, Answers, Group


def test_location_of_an_answer():
    assert Answer("function", "app.py", 3, "f").location == "app.py:3"
    assert Answer("function", "app.py", 0, "f").location == "app.py"
    assert Answer("libraries", None, 0, "").location == ""


def test_only_groups_that_say_something_are_shown():
    assert [*NOTHING.groups] == []
    noted = Group("late", "What came late", note="not measured")
    filled = Group("waits", "What is waited for", answers=(Answer("sleep", "a.py", 1, "f"),))
    answers = Answers(NOTHING.blocks, filled, NOTHING.computes, noted)
    assert [*answers.groups] == [filled, noted]
