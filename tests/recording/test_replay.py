"""Timelines of what a journal has kept, and of what goes on just now."""

import pytest

from tracetools.core.journal import STEP, WAKE, YIELD, Journal
from tracetools.core.stacks import CALLBACKS, ROOT, Frame
from tracetools.recording.replay import Paths, replay
from tracetools.testing import ScriptedLoop
from tracetools.timelines.timeline import Life, SpanTime, Step, Wait, Wake, Work


class Recorded(ScriptedLoop):
    """A loop with a journal, from moment 0 on, whose tasks have the numbers of the script."""

    def __init__(self, most=1000):
        super().__init__(scheduled=True)
        self.loop.journal = Journal(most)
        self.recorder.journal = self.loop.journal

    def timeline(self, begin=0, end=10_000, loop=None):
        start = self.loop.begin
        numbers = {task.number: number for number, task in enumerate(self.tasks)}
        paths = Paths(self.recorder._trees, lambda frame: frame)
        found = replay(
            self.loop.journal,
            paths,
            number=self.loop.number,
            loop=loop or self.loop,
            begin=start + begin,
            end=start + end,
        )

        def plain(row):
            times = {
                name: getattr(row, name) - start
                for name in ("begin", "end", "born", "moment")
                if getattr(row, name, None) is not None
            }
            tasks = {
                name: numbers[getattr(row, name)]
                for name in ("task", "waker", "number", "spawner")
                if getattr(row, name, None) is not None
            }
            return row._replace(**times, **tasks)

        return {
            "lives": sorted(map(plain, found.lives.values())),
            **{
                name: [plain(row) for row in getattr(found, name)]
                for name in ("steps", "wakes", "waits", "spans", "works")
            },
            "is_cut": found.is_cut,
        }


@pytest.fixture
def loop():
    made = Recorded()
    yield made
    made.finish()


ONE, OTHER = (ROOT, Frame("one")), (ROOT, Frame("other"))


def test_what_tasks_did_and_who_woke_whom(loop):
    one, other = loop.spawn("one"), loop.spawn("other")
    loop.begin_step(one)
    span = loop.open("span")
    loop.tick(5)
    loop.end_step()
    loop.begin_step(other)
    loop.tick(10)
    loop.wake(one)
    loop.tick(1)
    loop.end_step()
    loop.begin_step(one, awaits=["await"])
    loop.tick(3)
    loop.close(span)
    loop.exit(one)
    inner = (*ONE, Frame("span"))
    assert loop.timeline() == {
        "lives": [Life(0, ONE, None, 0, 19), Life(1, OTHER, None, 0, None)],
        "steps": [Step(0, 0, 5), Step(1, 5, 16), Step(0, 16, 19)],
        "wakes": [Wake(0, 15, "task", 1, OTHER)],
        "waits": [Wait(0, 5, 15, (*inner, Frame("await")))],
        "spans": [SpanTime(0, 0, 19, inner)],
        "works": [],
        "is_cut": False,
    }


def test_a_step_that_ends_at_a_checkpoint_is_told_by_one_event_or_two(loop):
    one, found = loop.spawn("one"), []
    task, start = loop.tasks[one].number, loop.loop.begin
    for kinds in ((YIELD,), (STEP, WAKE)):
        journal = loop.loop.journal = loop.recorder.journal = Journal(10)
        for end in (5, 9):
            for kind in kinds:
                begin = start + end - (0 if kind == WAKE else 3)
                journal.note(kind, loop.loop.number, begin, start + end, task)
        found.append(loop.timeline())
    assert found[0] == found[1]
    assert found[0]["steps"] == [Step(0, 2, 5), Step(0, 6, 9)]
    assert found[0]["wakes"] == [Wake(0, 5, "loop", None, ()), Wake(0, 9, "loop", None, ())]


def test_what_goes_on_is_open_at_the_end(loop):
    one = loop.spawn("one")
    loop.tick(1)
    loop.begin_step(one)
    outer, inner = loop.open("outer"), loop.open("inner")
    loop.tick(5)
    found = loop.timeline(end=6)
    path = (*ONE, Frame("outer"))
    assert found["steps"] == [Step(0, 1, 6)]
    assert found["spans"] == [
        SpanTime(0, 1, None, path),
        SpanTime(0, 1, None, (*path, Frame("inner"))),
    ]
    assert found["lives"] == [Life(0, ONE, None, 0, None)]
    loop.close(inner)
    loop.close(outer)


def test_what_ended_before_or_began_after_is_left_out(loop):
    for name in ("before", "within", "after"):
        task = loop.spawn(name)
        loop.begin_step(task)
        loop.tick(10)
        loop.exit(task)
        loop.tick(10)
    found = loop.timeline(begin=15, end=35)
    assert found["steps"] == [Step(1, 20, 30)]
    assert [life.number for life in found["lives"]] == [1]


def test_a_task_that_is_woken_in_its_step_is_ready_from_its_end_on(loop):
    task = loop.spawn("one")
    loop.wake(task)
    loop.tick(1)
    for _ in range(2):
        loop.begin_step(task)
        loop.wake(task)
        loop.tick(4)
        loop.end_step()
    found = loop.timeline()
    assert found["steps"] == [Step(0, 1, 5), Step(0, 5, 9)]
    assert [wake.moment for wake in found["wakes"]] == [0, 5, 9]


def test_the_step_that_interrupts_has_its_own_begin(loop):
    outer, inner = loop.spawn("one"), loop.spawn("other")
    loop.begin_step(outer)
    loop.tick(2)
    loop.begin_step(inner)
    loop.tick(3)
    loop.end_step()
    loop.end_step()
    assert loop.timeline()["steps"] == [Step(1, 2, 5), Step(0, 0, 5)]


def test_callbacks_wake_tasks_and_so_does_the_loop(loop):
    task = loop.spawn("one")
    callback = loop.loop.callback(Frame("on_data"), loop.clock())
    callback.begin_step(loop.clock())
    loop.wake(task)
    loop.loop.end_callback(callback, loop.clock())
    loop.begin_step(task)
    loop.end_step()
    loop.wake(task)
    assert loop.timeline()["wakes"] == [
        Wake(0, 0, "callback", None, (ROOT, CALLBACKS, Frame("on_data"))),
        Wake(0, 0, "loop", None, ()),
    ]


def test_work_in_a_thread_is_of_the_task_that_waits_for_it(loop):
    task = loop.spawn("one")
    loop.begin_step(task)
    loop.tick(1)
    token = loop.recorder.context_task.set(loop.tasks[task])
    loop.end_step()
    opened = loop.recorder.open_in_thread(Frame("work"), 1)
    loop.tick(7)
    loop.recorder.close_in_thread(opened.account, opened)
    loop.recorder.context_task.reset(token)
    loop.tick(1)
    loop.wake(task)
    loop.begin_step(task, awaits=["await to_thread"])
    found = loop.timeline()
    thread = opened.account.thread % (1 << 32)
    path = (*ONE, Frame("work"))
    assert found["works"] == [Work(0, 1, 8, path, thread)]
    assert found["wakes"] == [Wake(0, 9, "thread", None, path)]


def test_who_spawned_a_task_is_known_from_both(loop):
    one, other = loop.spawn("one"), loop.spawn("other")
    third = loop.spawn("third")
    loop.tasks[other].spawner = loop.tasks[third].spawner = loop.tasks[one]
    loop.exit(other)
    assert [life.spawner for life in loop.timeline()["lives"]] == [None, 0, 0]


def test_a_timeline_that_begins_before_the_oldest_event_is_cut():
    loop = Recorded(most=3)
    task = loop.spawn("one")
    for _ in range(5):
        loop.begin_step(task)
        loop.tick(10)
        loop.end_step()
    assert loop.timeline(begin=25)["is_cut"]
    assert not loop.timeline(begin=35)["is_cut"]
    assert not loop.timeline(begin=30)["is_cut"]
    assert loop.timeline(begin=0)["steps"] == [Step(0, 20 + i, 30 + i) for i in (0, 10, 20)]
    loop.finish()


def test_a_slow_span_is_a_span(loop):
    loop.loop.slow_after = 5
    task = loop.spawn("one")
    loop.begin_step(task)
    span = loop.open("slow")
    loop.tick(6)
    loop.close(span)
    assert loop.loop.journal.slow == 1
    assert loop.timeline()["spans"] == [SpanTime(0, 0, 6, (*ONE, Frame("slow")))]


def test_a_task_that_exits_while_its_loop_is_read_has_a_life(loop):
    class Busy:
        """A loop that goes on in another thread just when its tasks are read."""

        current, began = None, 0

        @property
        def tasks(self):
            loop.exit(one)
            return loop.loop.tasks

    one = loop.spawn("one")
    loop.begin_step(one)
    loop.tick(5)
    loop.end_step()
    loop.begin_step(one)
    found = loop.timeline(loop=Busy())
    assert found["lives"] == [Life(0, ONE, None, 0, 5)]
    assert found["steps"] == [Step(0, 0, 5)]
