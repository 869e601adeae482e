"""What is said of a timeline beside it, and names of tasks."""

from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.notes import NO_NOTES, Notes, function_of, last_frame, task_name
from tracetools.timelines.timeline import Life, Timeline

SERVE = Frame("serve", "app.py", 3)
TIMELINE = Timeline(0, 9, {1: Life(1, (ROOT, SERVE), None, 0, None), 2: Life(2, (), None, 0, None)})


def test_a_task_has_the_name_of_its_function_and_its_number():
    assert function_of(TIMELINE, 1) == "serve"
    assert task_name(TIMELINE, 1) == "serve #1"


def test_what_is_not_known_is_said():
    assert task_name(TIMELINE, 2) == "unknown #2"
    assert task_name(TIMELINE, 3) == "unknown #3"
    assert task_name(TIMELINE, None) == "unknown"


def test_the_last_frame_is_the_innermost():
    assert last_frame((ROOT, SERVE)) == SERVE
    assert last_frame(()) == Frame("unknown", "")


def test_nothing_need_be_said():
    assert Notes() == NO_NOTES == ("", "", None, (), "")


def test_a_long_name_hides_no_number():
    timeline = Timeline(0, 9, {1: Life(1, (Frame("x" * 999),), None, 0, None)})
    assert task_name(timeline, 1) == f"{'x' * 200} #1"
