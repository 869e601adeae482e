"""Start-up apart: imports within steps."""

from tracetools.core.stacks import IMPORTING, ROOT, Frame
from tracetools.output.start_up import START_UP, start_up_apart

TASK, MODULE = Frame("serve", "app.py", 1), Frame("<module>", "app.py", 1)
IMPORT = Frame("_find_and_load", "<frozen importlib._bootstrap>", 6)


def test_an_import_is_below_the_root_without_the_task_around_it():
    path = (ROOT, TASK, IMPORT, MODULE, IMPORT)
    assert start_up_apart(path) == (ROOT, START_UP, IMPORT, MODULE, IMPORT)


def test_a_folded_import_is_start_up_itself():
    assert start_up_apart((ROOT, TASK, IMPORTING, MODULE)) == (ROOT, START_UP, MODULE)


def test_other_stacks_stay_as_they_are():
    assert start_up_apart((ROOT, TASK, MODULE)) == (ROOT, TASK, MODULE)
    assert start_up_apart((ROOT,)) == (ROOT,)
    assert start_up_apart(()) == ()
    assert start_up_apart((TASK, IMPORT, MODULE)) == (TASK, IMPORT, MODULE)


def test_doing_it_twice_changes_nothing():
    for path in [(ROOT, TASK, IMPORT, MODULE), (ROOT, TASK, IMPORTING, MODULE), (ROOT, TASK)]:
        once = start_up_apart(path)
        assert start_up_apart(once)[:2] == once[:2]
