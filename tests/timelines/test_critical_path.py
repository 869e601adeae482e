"""The critical path of a span explains each of its moments, exactly."""

from __future__ import annotations

import copy
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.timelines.scripts import SCRIPTS, SPANS, TIMELINES, Script, names, path
from tracetools.core.stacks import ROOT, Frame
from tracetools.timelines.critical_path import MAX_DEPTH, critical_path
from tracetools.timelines.states import States
from tracetools.timelines.timeline import Life, SpanTime, Step, Timeline, Wait, Wake
from tracetools.timelines.wakers import with_wakers

# --------------------------------------------------------------------------------- small timelines


def first_span(script: Script):
    """Return the critical path of the span that was opened first."""
    task, (path, begin, _) = script.opened[0]
    timeline = script.timeline()
    [span] = [s for s in timeline.spans if (s.task, s.begin, s.path) == (task.number, begin, path)]
    return critical_path(States(timeline), span)


def pieces(found):
    """Return state, task, begin, end and path of each piece."""
    return [
        (each.state, each.task, each.begin, each.end, names(each.path)) for each in found.pieces
    ]


def shares(found):
    return {names(path): time for path, time in found.shares().items()}


def savings(found):
    """Return what frames save, but for the root."""
    return {frame.name: time for frame, time in found.savings().items() if frame is not ROOT}


@pytest.fixture
def script():
    """Return a loop with a task 0 that has opened a span ``load``."""
    made = Script()
    made.spawn("main")
    made.begin(0)
    made.open("load")
    return made


def test_a_span_that_only_computes_is_its_own(script):
    script.tick(10)
    script.close(0)
    script.tick(5)
    script.end()
    found = first_span(script)
    assert pieces(found) == [("busy", 0, 0, 10, "main/load")]
    assert shares(found) == {"main/load": 10}
    assert savings(found) == {"main": 10, "load": 10}
    assert found.duration == 10


def test_spans_within_it_have_their_own_pieces(script):
    script.tick(10)
    inner = script.open("parse")
    script.tick(20)
    script.close(inner)
    script.tick(3)
    script.close(0)
    script.end()
    found = first_span(script)
    assert shares(found) == {"main/load": 13, "main/load/parse": 20}
    assert savings(found) == {"main": 33, "load": 33, "parse": 20}


def test_waiting_for_a_turn_is_told_apart(script):
    script.tick(10)
    script.end("await sleep")
    script.tick(10)
    script.wake(0)
    script.tick(7)
    script.begin(0)
    script.tick(1)
    script.close(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("busy", 0, 0, 10, "main/load"),
        ("waiting", 0, 10, 20, "main/load/await sleep"),
        ("scheduled", 0, 20, 27, "main/load"),
        ("busy", 0, 27, 28, "main/load"),
    ]
    assert found.pieces[1].wake.by == "timer"
    assert shares(found) == {
        "main/load": 11,
        "main/load/[scheduled]": 7,
        "main/load/await sleep": 10,
    }


def test_waiting_for_a_turn_is_what_steps_meanwhile(script):
    """Without the loop, whose own time is nobody's. Spans of others have pieces of their own."""
    first, second = (foreign(script, name) for name in ("first", "second"))
    script.end("await sleep")
    script.wake(0)
    script.tick(2)
    script.step(first, 30, "await x")
    script.tick(3)
    script.begin(second)
    script.tick(4)
    opened = script.open("parse")
    script.tick(50)
    script.close(opened)
    script.end()
    script.begin(0)
    script.tick(1)
    script.close(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("scheduled", 0, 0, 2, "main/load"),
        ("busy", first, 2, 32, "first"),
        ("scheduled", 0, 32, 35, "main/load"),
        ("busy", second, 35, 39, "second"),
        ("busy", second, 39, 89, "second/parse"),
        ("busy", 0, 89, 90, "main/load"),
    ]
    assert shares(found) == {
        "main/load": 1,
        "main/load/[scheduled]": 5,
        "main/load/[scheduled]/first": 30,
        "main/load/[scheduled]/second": 4,
        "main/load/[scheduled]/second/parse": 50,
    }
    assert savings(found) == {
        "main": 90,
        "load": 90,
        "[scheduled]": 89,
        "first": 30,
        "second": 54,
        "parse": 50,
    }


def test_a_step_within_another_one_takes_its_place(script):
    outer, inner = (foreign(script, name) for name in ("outer", "inner"))
    script.end("await sleep")
    script.wake(0)
    script.begin(outer)
    script.tick(5)
    script.begin(inner)
    script.tick(7)
    script.end()
    script.tick(2)
    script.end()
    script.begin(0)
    script.close(0)
    script.end()
    assert shares(first_span(script)) == {
        "main/load/[scheduled]/outer": 7,
        "main/load/[scheduled]/inner": 7,
    }


def test_a_wait_without_a_name_is_idle(script):
    script.end()
    script.tick(10)
    script.wake(0)
    script.begin(0)
    script.close(0)
    script.end()
    assert shares(first_span(script)) == {"main/load/[idle]": 10}


def test_a_wait_for_a_child_is_what_the_child_did(script):
    child = script.spawn("child")
    script.tick(1)
    script.end("await nursery")
    script.tick(2)
    script.step(child, 30, "await sleep")
    script.tick(40)
    script.wake(child)
    script.begin(child)
    script.tick(5)
    script.wake(0)
    script.exit()
    script.begin(0)
    script.tick(1)
    script.close(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("busy", 0, 0, 1, "main/load"),
        ("scheduled", 1, 1, 3, "main/load/child"),
        ("busy", 1, 3, 33, "main/load/child"),
        ("waiting", 1, 33, 73, "main/load/child/await sleep"),
        ("busy", 1, 73, 78, "main/load/child"),
        ("busy", 0, 78, 79, "main/load"),
    ]
    [wait] = found.waits
    assert (wait.begin, wait.end, wait.within, wait.bound) == (1, 78, -1, 77)
    assert shares(found) == {
        "main/load": 2,
        "main/load/child": 35,
        "main/load/child/[scheduled]": 2,
        "main/load/child/await sleep": 40,
    }
    assert savings(found) == {
        "main": 79,
        "load": 79,
        "child": 77,
        "await sleep": 40,
        "[scheduled]": 2,
    }


def children_that_sleep(script, children: dict[str, int]):
    """Let the task of the span wait for children that take as long as is told."""
    numbers = {name: script.spawn(name.split()[0]) for name in children}
    script.end("await nursery")
    for number in numbers.values():
        script.step(number, 0, "await sleep")
    left = dict(children)
    while left:
        name = min(left, key=left.get)
        script.tick(left[name] - script.now)
        script.wake(numbers[name])
        script.begin(numbers[name])
        del left[name]
        if not left:
            script.wake(0)
        script.exit()
    script.begin(0)
    script.close(0)
    script.end()
    return first_span(script)


def test_the_slow_one_of_five_children_saves_what_the_next_one_leaves(script):
    found = children_that_sleep(
        script, {"one": 20, "two": 40, "three": 60, "four": 80, "slow": 100}
    )
    assert shares(found) == {"main/load/slow/await sleep": 100}
    assert savings(found)["slow"] == 20
    assert savings(found)["load"] == 100


def test_a_frame_of_other_children_saves_what_is_left_of_them_without_it(script):
    found = children_that_sleep(
        script, {"same": 20, "same again": 80, "other": 30, "same too": 100}
    )
    assert savings(found)["same"] == 70
    assert savings(found)["await sleep"] == 100


def test_children_that_end_at_once_save_nothing_alone(script):
    found = children_that_sleep(script, {"one": 100, "other": 100})
    assert savings(found)["other"] == 0


def test_a_child_that_wakes_its_parent_and_lives_on_is_no_exit(script):
    for name in ("child", "sibling"):
        script.spawn(name)
    script.end("await start")
    script.step(1, 10)
    script.begin(2)
    script.tick(10)
    script.exit()
    script.tick(5)
    script.wake(1)
    script.begin(1)
    script.tick(5)
    script.wake(0)
    script.end()
    script.begin(0)
    script.close(0)
    script.end()
    script.wake(1)
    script.step(1, 1)
    [wait] = first_span(script).waits
    assert (wait.end, wait.bound) == (30, 30)


def test_a_lock_that_another_task_holds_over_a_query_stands_on_the_await(script):
    other = script.spawn("other")
    script.tasks[other].path = path("other")
    script.tick(4)
    script.end("await lock")
    script.step(other, 6, "await query")
    script.tick(50)
    script.wake(other)
    script.begin(other)
    script.tick(2)
    script.wake(0)
    script.tick(8)
    script.end()
    script.begin(0)
    script.close(0)
    script.end()
    found = first_span(script)
    assert shares(found) == {
        "main/load": 4,
        "main/load/await lock/other": 8,
        "main/load/await lock/other/await query": 50,
        "main/load/[scheduled]/other": 8,
    }
    assert savings(found) == {
        "main": 70,
        "load": 70,
        "await lock": 58,
        "other": 66,
        "await query": 50,
        "[scheduled]": 8,
    }


def foreign(script, name: str) -> int:
    number = script.spawn(name)
    script.tasks[number].path = path(name)
    return number


def test_a_chain_of_three_wakers_is_followed_to_its_end(script):
    first, second, third = (foreign(script, name) for name in ("first", "second", "third"))
    script.end("await a")
    script.step(first, 1, "await b")
    script.step(second, 1, "await c")
    script.step(third, 1, "await sleep")
    script.tick(10)
    script.wake(third)
    for waker, woken in ((third, second), (second, first), (first, 0)):
        script.begin(waker)
        script.tick(1)
        script.wake(woken)
        script.end()
    script.begin(0)
    script.close(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("busy", first, 0, 1, "first"),
        ("busy", second, 1, 2, "second"),
        ("busy", third, 2, 3, "third"),
        ("waiting", third, 3, 13, "third/await sleep"),
        ("busy", third, 13, 14, "third"),
        ("busy", second, 14, 15, "second"),
        ("busy", first, 15, 16, "first"),
    ]
    assert [wait.within for wait in found.waits] == [-1, 0, 1]
    assert shares(found) == {
        "main/load/await a/first": 2,
        "main/load/await a/first/await b/second": 2,
        "main/load/await a/first/await b/second/await c/third": 2,
        "main/load/await a/first/await b/second/await c/third/await sleep": 10,
    }


def test_what_a_thread_does_is_a_piece_of_its_own(script):
    script.end("await to_thread")
    script.tick(20)
    script.work(0, "compress", 5)
    script.tick(1)
    script.wake(0, "thread")
    script.begin(0)
    script.close(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("waiting", 0, 0, 5, "main/load/await to_thread"),
        ("thread", 0, 5, 20, "main/load/compress"),
        ("waiting", 0, 20, 21, "main/load/await to_thread"),
    ]
    assert [piece.wake and piece.wake.by for piece in found.pieces] == ["thread", None, "thread"]


def test_a_span_that_is_closed_from_elsewhere_ends_with_what_its_task_did_then(script):
    other = script.spawn("other")
    script.tick(1)
    script.end("await event")
    script.begin(other)
    script.tick(10)
    script.close(0)
    script.tick(10)
    script.wake(0)
    script.end()
    found = first_span(script)
    assert pieces(found) == [
        ("busy", 0, 0, 1, "main/load"),
        ("waiting", 0, 1, 11, "main/load/await event"),
    ]
    assert found.pieces[-1].wake is None
    assert found.waits == ()


def test_before_its_waker_was_born_the_spawner_explains_a_wait(script):
    server = foreign(script, "server")
    script.end("await reply")
    script.begin(server)
    script.tick(10)
    handler = script.spawn("handler")
    script.tick(5)
    script.end()
    script.begin(handler)
    script.tick(20)
    script.wake(0)
    script.exit()
    script.begin(0)
    script.close(0)
    script.end()
    found = first_span(script)
    assert shares(found) == {
        "main/load/await reply/server": 10,
        "main/load/await reply/server/handler/[scheduled]/server": 5,
        "main/load/await reply/server/handler": 20,
    }
    assert [(wait.within, wait.begin, wait.end) for wait in found.waits] == [
        (-1, 0, 35),
        (0, 10, 15),
    ]
    assert [piece.within for piece in found.pieces] == [0, 1, 0]


def test_a_waker_that_has_exited_before_the_wake_leaves_the_rest_to_the_await():
    lives = {1: Life(1, path("main"), None, 0, None), 2: Life(2, path("gone"), None, 0, 40)}
    timeline = Timeline(
        0,
        50,
        lives,
        steps=(Step(2, 10, 40), Step(1, 45, 50)),
        wakes=(Wake(1, 45, "task", 2),),
        waits=(Wait(1, 0, 45, path("main/await x")),),
    )
    found = critical_path(States(timeline), SpanTime(1, 0, 50, path("main")))
    assert pieces(found) == [
        ("scheduled", 2, 0, 10, "gone"),
        ("busy", 2, 10, 40, "gone"),
        ("waiting", 1, 40, 45, "main/await x"),
        ("busy", 1, 45, 50, "main"),
    ]
    assert shares(found) == {
        "main/await x/gone/[scheduled]": 10,
        "main/await x/gone": 30,
        "main/await x": 5,
        "main": 5,
    }


def test_what_is_not_known_of_a_waker_stands_on_the_await():
    lives = {1: Life(1, path("main"), None, 0, None), 2: Life(2, path("late"), None, 30, None)}
    wakes = (Wake(1, 50, "task", 2),)
    timeline = Timeline(0, 50, lives, wakes=wakes, waits=(Wait(1, 0, 50, path("main/await x")),))
    found = critical_path(States(timeline), SpanTime(1, 0, 50, path("main")))
    assert pieces(found) == [
        ("unknown", 1, 0, 30, "main/await x"),
        ("scheduled", 2, 30, 50, "late"),
    ]
    assert shares(found) == {"main/await x/[unknown]": 30, "main/await x/late/[scheduled]": 20}


def test_a_wait_of_a_child_that_is_over_when_its_parent_wakes_is_what_the_child_did():
    lives = {1: Life(1, path("main"), None, 0, None), 2: Life(2, path("main/child"), 1, 5, 60)}
    timeline = Timeline(
        0,
        80,
        lives,
        steps=(Step(1, 0, 10), Step(2, 10, 60), Step(1, 65, 80)),
        wakes=(Wake(1, 63, "loop"),),
        waits=(Wait(1, 10, 63, path("main/await TaskGroup")),),
    )
    states = States(with_wakers(timeline))
    found = critical_path(states, SpanTime(1, 0, 80, path("main")))
    assert shares(found) == {
        "main": 25,
        "main/child": 50,
        "main/await TaskGroup": 3,
        "main/[scheduled]": 2,
    }


def test_a_waker_that_is_not_known_leaves_the_wait_as_it_is():
    lives = {1: Life(1, path("main"), None, 0, None)}
    timeline = Timeline(0, 50, lives, wakes=(Wake(1, 50, "task", 9),))
    found = critical_path(States(timeline), SpanTime(1, 0, 50, path("main")))
    assert pieces(found) == [("waiting", 1, 0, 50, "main")]


def test_what_was_before_a_timeline_that_is_cut_is_unknown():
    lives = {1: Life(1, path("main"), None, 0, None)}
    span = SpanTime(1, 10, None, path("main/load"))
    timeline = Timeline(30, 50, lives, steps=(Step(1, 30, 45),), subject=span, is_cut=True)
    found = critical_path(States(timeline), span)
    assert pieces(found) == [
        ("unknown", 1, 10, 30, "main/load"),
        ("busy", 1, 30, 45, "main/load"),
        ("waiting", 1, 45, 50, "main/load"),
    ]
    assert found.duration == 40


def test_a_span_that_ends_before_it_begins_has_no_pieces():
    timeline = Timeline(0, 50, {1: Life(1, path("main"), None, 0, None)})
    found = critical_path(States(timeline), SpanTime(1, 20, 10, path("main")))
    assert (found.pieces, found.duration, found.shares(), found.savings()) == ((), 0, {}, {})


def test_tasks_that_wait_for_each_other_end_the_walk():
    lives = {number: Life(number, path(str(number)), None, 0, None) for number in (1, 2, 3)}
    wakes = (Wake(1, 50, "task", 2), Wake(2, 50, "task", 3), Wake(3, 50, "task", 1))
    found = critical_path(
        States(Timeline(0, 60, lives, wakes=wakes)), SpanTime(1, 0, 50, path("1"))
    )
    assert pieces(found) == [("waiting", 3, 0, 50, "3")]
    assert len(found.waits) == 2


def test_spawners_that_spawn_each_other_end_the_walk():
    lives = {1: Life(1, path("1"), 2, 40, None), 2: Life(2, path("2"), 1, 40, None)}
    found = critical_path(States(Timeline(0, 60, lives)), SpanTime(1, 0, 50, path("1")))
    assert pieces(found) == [("unknown", 1, 0, 40, "1"), ("scheduled", 1, 40, 50, "1")]


def chain(length: int) -> Timeline:
    """Return tasks of which each waits for the next one; the last one computes."""
    lives = {n: Life(n, path(f"task {n}"), None, 0, None) for n in range(length + 1)}
    wakes = [Wake(n, 2 * length - n, "task", n + 1) for n in range(length)]
    return Timeline(
        0, 2 * length, lives, steps=(Step(length, 0, 2 * length),), wakes=tuple(wakes[::-1])
    )


def test_a_chain_may_be_thousands_of_tasks_long():
    length = 2000
    timeline = chain(length)
    found = critical_path(States(timeline), SpanTime(0, 0, 2 * length, path("task 0")))
    assert len(found.waits) == 2 * length - 1  # for what they wait for, and for their turns
    assert found.duration == sum(found.shares().values()) == 2 * length
    assert max(map(len, found.shares())) == MAX_DEPTH
    assert found.savings()[Frame("task 0")] == 2 * length
    assert pickle.loads(pickle.dumps(found)) == found


# --------------------------------------------------------------------------------------- properties


def explained(script: Script, span: SpanTime):
    """Return state, path and task of each moment of a span, as they follow from what was seen."""
    return [_explain(script, span, moment) for moment in range(span.begin, span.end)]


def _explain(script: Script, span: SpanTime, moment: int):
    task, end = script.tasks[span.task], span.end
    known = span.path, span.task
    while True:
        seen = task.seen[moment]
        wake = seen.waiting and seen.waiting.wake
        if wake and wake.by == "task" and wake.moment <= end:
            known = seen.path, task.number
            task, end = script.tasks[wake.waker], wake.moment
        elif seen.state == "unborn" and task.spawner is not None:
            task, end = script.tasks[task.spawner], min(end, task.born)
        elif wake and wake.by == "thread" and wake.moment <= end and _work(script, task, moment):
            return "thread", _work(script, task, moment), task.number
        elif seen.state == "scheduled":
            steps = [t for t in script.tasks if t.seen[moment].state == "busy"]
            by = steps[0] if steps else task
            return by.seen[moment].state, by.seen[moment].path, by.number
        elif seen.state in {"busy", "waiting"}:
            return seen.state, seen.path, task.number
        else:
            waits = seen.state == "over" and end < span.end
            return "waiting" if waits else "unknown", *known


def _work(script: Script, task, moment: int):
    works = [w for w in script.works if w.task == task.number and w.begin <= moment < w.end]
    return max(works, key=lambda w: (w.begin, len(w.path), -w.end)).path if works else ()


@given(SCRIPTS)
def test_pieces_explain_each_moment(script):
    states = States(script.timeline())
    for span in script.spans:
        found = critical_path(states, span)
        assert [
            (each.state, each.path, each.task)
            for each in found.pieces
            for _ in range(each.begin, each.end)
        ] == explained(script, span)


WITH_SPANS = st.one_of(
    st.tuples(TIMELINES, SPANS),
    SCRIPTS.flatmap(
        lambda s: st.sampled_from(s.timeline().spans or [SpanTime(0, 0, s.now, path("main"))]).map(
            lambda span: (s.timeline(), span)
        )
    ),
)


@given(WITH_SPANS)
def test_pieces_tile_any_span_of_any_timeline(made):
    timeline, span = made
    found = critical_path(States(timeline), span)
    end = timeline.end if span.end is None else span.end
    edges = [span.begin, *(each.end for each in found.pieces)]
    assert [each.begin for each in found.pieces] == edges[:-1]
    assert all(each.begin < each.end for each in found.pieces)
    assert edges[-1] == max(span.begin, end)
    assert found.duration == sum(found.shares().values()) == max(end - span.begin, 0)


@given(WITH_SPANS)
def test_a_frame_saves_no_more_than_the_time_that_it_is_in(made):
    timeline, span = made
    found = critical_path(States(timeline), span)
    times = Counter()
    for shown, time in found.shares().items():
        times.update(dict.fromkeys(shown, time))
    saved = found.savings()
    assert saved.keys() == times.keys()
    assert all(0 <= time <= times[frame] <= found.duration for frame, time in saved.items())


@given(WITH_SPANS)
def test_waits_lie_within_those_that_they_are_part_of(made):
    timeline, span = made
    found = critical_path(States(timeline), span)
    for index, wait in enumerate(found.waits):
        assert wait.within < index
        if wait.within >= 0:
            outer = found.waits[wait.within]
            assert outer.begin <= wait.begin < wait.end <= outer.end
        inner = [p for p in found.pieces if p.begin >= wait.begin and p.end <= wait.end]
        assert sum(piece.end - piece.begin for piece in inner) == wait.end - wait.begin
        assert 0 <= wait.bound <= wait.end - wait.begin
        assert all(wait.bound < bound for _, bound in wait.bounds)


@given(WITH_SPANS)
def test_a_copy_is_equal(made):
    timeline, span = made
    found = critical_path(States(timeline), span)
    assert copy.deepcopy(found) == pickle.loads(pickle.dumps(found)) == found


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50)), min_size=1, max_size=6))
def test_a_frame_of_children_saves_what_a_run_without_it_does(children):
    def duration(of):
        return max((time for _, time in of), default=0)

    script = Script()
    script.spawn("main")
    script.begin(0)
    script.open("load")
    named = {f"{name} {number}": time for number, (name, time) in enumerate(children)}
    saved = savings(children_that_sleep(script, named))
    for name in {name for name, _ in children}:
        without = duration([each for each in children if each[0] != name])
        assert saved.get(name, 0) == duration(children) - without
