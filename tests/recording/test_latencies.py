"""How long spans and tasks lasted, by stack, for a profile."""

from tests.strategies import histogram_of
from tracetools.core.stacks import ROOT, Frame, StackTree
from tracetools.recording.latencies import copy_latencies, latencies_by_path
from tracetools.testing import ScriptedLoop

TASK = Frame("task", "/src/app.py", 3)


def shorten(frame):
    return frame._replace(file=frame.file and frame.file.removeprefix("/src/"))


def tree_of(*values):
    tree = StackTree()
    stack = tree.child(tree.root, TASK)
    for value in values:
        stack.add_latency(value)
    return tree


def test_a_copy_is_of_its_moment():
    tree = tree_of(5, 7)
    copies = copy_latencies([tree])
    tree.child(tree.root, TASK).add_latency(1000)
    [(stack, latency)] = copies
    assert stack is tree.child(tree.root, TASK)
    assert latency.sums() == (12, 7, {5: 1, 7: 1})


def test_what_has_not_ended_yet_is_left_out():
    assert copy_latencies([tree_of(), StackTree()]) == []


def test_one_path_in_several_trees_is_added_up():
    found = latencies_by_path(copy_latencies([tree_of(5), tree_of(3000, 5)]), shorten)
    assert found == {(ROOT, Frame("task", "app.py", 3)): histogram_of([5, 5, 3000])}


def test_the_profile_of_a_loop_that_runs_has_those_that_have_ended():
    loop = ScriptedLoop()
    task = loop.spawn("task")
    loop.begin_step(task)
    for lasts in (5, 2000):
        span = loop.open("span")
        loop.tick(lasts)
        loop.close(span)
    loop.open("open")
    path = (ROOT, Frame("task"), Frame("span"))
    assert dict(loop.profile.latencies) == {path: histogram_of([5, 2000])}
    loop.exit(task)
    assert dict(loop.finish().latencies) == {
        path: histogram_of([5, 2000]),
        path[:2]: histogram_of([2005]),
    }


def test_spans_of_worker_threads_have_one_too():
    loop = ScriptedLoop()
    opened = loop.recorder.open_in_thread(Frame("work"), 1)
    loop.tick(40)
    loop.recorder.close_in_thread(opened.account, opened)
    [(path, latency)] = loop.finish().latencies.items()
    assert (path[-1], latency) == (Frame("work"), histogram_of([40]))
