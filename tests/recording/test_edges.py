"""Edges in numbers become edges with paths, which make up the idle time of stacks."""

from tracetools.core.edge_table import (
    BY_CALLBACK,
    BY_CHILD,
    BY_LOOP,
    BY_OTHER,
    BY_TASK,
    BY_THREAD,
    BY_UNKNOWN,
    EdgeTable,
)
from tracetools.core.edges import Edge, Waited
from tracetools.core.stacks import OTHER, ROOT, Frame, StackTree, Times
from tracetools.recording.edges import EdgeSums, edges_by_path


class World:
    """Some stacks, and edges between them."""

    def __init__(self):
        self.tree = StackTree()
        self.table = EdgeTable(10)

    def stack(self, *names):
        stack = self.tree.root
        for name in names:
            stack = self.tree.child(stack, Frame(name))
        return stack.number

    def edges(self, stacks=()):
        sums = EdgeSums()
        sums.add(self.table.packed())
        return edges_by_path(sums, [self.tree.stacks], lambda frame: frame, dict(stacks))


def path(*names):
    return (ROOT, *map(Frame, names))


def test_who_acted_is_told_by_kind():
    world = World()
    waiter, other = world.stack("a"), world.stack("b")
    for kind in (BY_UNKNOWN, BY_TASK, BY_CALLBACK, BY_THREAD, BY_OTHER):
        world.table.add(waiter, other, 0, kind, 5)
    world.table.add(waiter, 0, 0, BY_LOOP, 5)
    assert set(world.edges()) == {
        Edge(path("a"), None, path("b")),
        Edge(path("a"), "task", path("b")),
        Edge(path("a"), "callback", path("b")),
        Edge(path("a"), "thread", path("b")),
        Edge(path("a"), None, (OTHER,)),
        Edge(path("a"), "loop"),
    }


def test_a_child_ends_only_a_wait_for_children():
    world = World()
    child, callback = world.stack("a", "child"), world.stack("called")
    for awaited in ("await gather", "await Event.wait"):
        world.table.add(world.stack("a", awaited), child, callback, BY_CHILD, 5)
    world.table.add(world.stack("a"), child, 0, BY_CHILD, 5)
    assert set(world.edges()) == {
        Edge(path("a", "await gather"), "task", path("a", "child")),
        Edge(path("a", "await Event.wait"), "callback", path("called")),
        Edge(path("a"), "loop"),
    }


def test_a_sleep_that_the_loop_ends_was_a_timer():
    world = World()
    world.table.add(world.stack("a", "await sleep"), 0, 0, BY_LOOP, 5)
    assert set(world.edges()) == {Edge(path("a", "await sleep"), "timer")}


def test_what_has_not_ended_is_of_nobody():
    world = World()
    world.table.add(world.stack("a"), world.stack("b"), 0, BY_TASK, 5)
    stacks = {path("a"): Times(idle=7), path("b"): Times(idle=3), path("c"): Times()}
    assert world.edges(stacks) == {
        Edge(path("a"), "task", path("b")): Waited(1, 5, 5),
        Edge(path("a"), None): Waited(0, 2, 0),
        Edge(path("b"), None): Waited(0, 3, 0),
    }


def test_loops_add_up_and_a_copy_is_apart():
    table = EdgeTable(10)
    table.add(1, 2, 0, BY_TASK, 5)
    sums = EdgeSums()
    sums.add(table.packed())
    copied = sums.copy()
    copied.add(table.packed())
    assert sums.rows() == {(1, 2, 0, BY_TASK): Waited(1, 5, 5)}
    assert copied.rows() == {(1, 2, 0, BY_TASK): Waited(2, 10, 5)}
