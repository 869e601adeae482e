"""Marks of blocking steps: on which frames they are, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.critical_times import CriticalTimes
from tracetools.core.profile import LENSES, Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import BLOCKS_THE_LOOP, ROOT, Blocks, Frame, Times
from tracetools.output.flamegraph.flamegrapher import render
from tracetools.output.flamegraph.layout import Box
from tracetools.output.flamegraph.marks import (
    NO_MARKS,
    SYMBOL,
    Marks,
    marks_of,
    place_marks,
    sentence_of,
    sentence_within,
)
from tracetools.output.flamegraph.options import make_options
from tracetools.output.stack_file import fold

from .reading import lay_out
from .strategies import identifiers, relaxed, stacks

SERVE, QUERY = Frame("serve", "app/server.py", 30), Frame("a;b", "app/db.py", 8)
MS = 1_000_000
ONCE = Blocks(1, 203 * MS, 203 * MS)
THRICE = Blocks(3, 612 * MS, 206 * MS)
PROFILE = Profile(
    {path: Times(busy=1) for path in [(ROOT, SERVE), (ROOT, SERVE, QUERY), (ROOT, QUERY)]},
    blocking_threshold=100 * MS,
    blocking={(ROOT, SERVE): ONCE, (ROOT, SERVE, QUERY): THRICE, (ROOT, QUERY): Blocks()},
)


# -- marks of profiles --------------------------------------------------------------------------


def test_stacks_have_the_labels_of_a_folded_file_and_those_that_never_blocked_are_left_out():
    assert marks_of([PROFILE]) == Marks(
        {
            ("all-spans", "serve (app/server.py:30)"): ONCE,
            ("all-spans", "serve (app/server.py:30)", "a:b (app/db.py:8)"): THRICE,
        },
        100 * MS,
    )


def test_stacks_with_the_same_labels_add_up():
    path = (ROOT, SERVE._replace(name="x"))
    other = Profile({path: Times(busy=1)}, blocking={path: Blocks(1, MS, MS)})
    marks = marks_of([PROFILE, other], labels="location")
    assert marks.blocks["all-spans", "app/server.py:30"] == Blocks(2, 204 * MS, 203 * MS)


def test_of_several_profiles_the_least_threshold_counts():
    assert marks_of([PROFILE, Profile(blocking_threshold=5)]).threshold == 5
    assert marks_of([PROFILE, Profile()]).threshold == 100 * MS
    assert marks_of([Profile()]).threshold is None


@pytest.mark.parametrize("lens", LENSES)
def test_graphs_without_busy_time_have_no_marks(lens):
    assert (marks_of([PROFILE], lens) == NO_MARKS) == (
        lens in ("idle", "scheduled", "critical", "chain")
    )


# -- notes on critical paths --------------------------------------------------------------------

ORDER, OVEN = Frame("order", "app.py", 3), Frame("await Lock", "app.py", 8)
BAKES = {
    (ROOT, SERVE, ORDER, OVEN): 6 * MS,
    (ROOT, SERVE, ORDER, OVEN, QUERY): 2 * MS,
}
SLOW = Profile(
    slow={
        (ROOT, SERVE, ORDER): SlowSpans(
            critical=CriticalTimes(2, 8 * MS, BAKES, {OVEN: 7 * MS, QUERY: MS})
        )
    }
)
KEPT = ("all-spans", "(critical paths of kept spans)", "order (app.py:3)")
AWAITED = (*KEPT, "await Lock (app.py:8)")
LESS = "without it, wherever it is, they would take"


def test_frames_of_critical_paths_say_what_they_would_save():
    assert marks_of([SLOW], "critical").notes == {
        KEPT: "2 were kept",
        AWAITED: f"{LESS} 7 ms (87.5%) less at most",
        (*AWAITED, "a:b (app/db.py:8)"): f"{LESS} 1 ms (12.5%) less at most",
    }
    assert marks_of([SLOW, SLOW], "critical").notes[KEPT] == "4 were kept"


def test_frames_that_share_a_label_have_no_note_unless_it_is_the_same():
    def notes(**savings):
        two = {(ROOT, ORDER, Frame(name, "app.py", 9)): 1 for name in savings}
        saved = {Frame(name, "app.py", 9): time for name, time in savings.items()}
        slow = SlowSpans(critical=CriticalTimes(1, 4, two, saved))
        return marks_of([Profile(slow={(ROOT, ORDER): slow})], "critical", "location").notes

    label = ("all-spans", "(critical paths of kept spans)", "app.py:3", "app.py:9")
    assert label in notes(x=1, y=1)
    assert label not in notes(x=1, y=2)


def test_a_frame_that_stands_for_others_has_no_note():
    other = Frame("(libraries)", "")
    notes = marks_of(
        [SLOW], "critical", transform=lambda path: (*path[:3], *[other][: len(path) - 3])
    ).notes
    assert notes == {KEPT: "2 were kept"}


def test_notes_have_no_sign():
    text = render(fold(SLOW, "critical"), make_options({}), marks_of([SLOW], "critical"))
    assert f"await Lock (app.py:8) (8 ms, 100.00%; {LESS} 7 ms (87.5%) less at most)" in text
    assert "only slow spans that were kept" in text
    assert SYMBOL not in text.partition("<script")[0]


LINE = Frame(BLOCKS_THE_LOOP, "app/db.py", 9)
READ = Frame("read", "app/db.py", 8)
SERVED = ("all-spans", "serve (app/server.py:30)")


def test_the_line_of_a_path_is_no_frame_of_a_graph():
    profile = Profile(PROFILE.stacks, blocking={(ROOT, SERVE, LINE): ONCE})
    assert marks_of([profile]) == Marks({SERVED: ONCE})


def test_without_functions_a_mark_is_within_the_innermost_frame_that_is_known():
    profile = Profile(PROFILE.stacks, blocking={(ROOT, SERVE, READ, LINE): ONCE})
    assert marks_of([profile]) == Marks(within={SERVED: ONCE})


def test_with_functions_no_other_frame_is_marked_for_one_that_is_not_known():
    profile = Profile(PROFILE.stacks, blocking={(ROOT, SERVE, READ, LINE): ONCE}, samples=7)
    assert marks_of([profile]) == NO_MARKS


def test_of_a_task_that_is_not_known_nothing_is_marked():
    assert marks_of([Profile({}, blocking={(ROOT, READ, LINE): ONCE})]) == NO_MARKS


def test_a_stack_is_marked_as_it_was_transformed():
    marks = marks_of([PROFILE], transform=lambda path: path[1:])
    assert set(marks.blocks) == {SERVED[1:], (*SERVED[1:], "a:b (app/db.py:8)")}


# -- words -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "sentence"),
    [
        (ONCE, "blocked the loop once, for 203 ms"),
        (THRICE, "blocked the loop 3 times, 612 ms in all, at most 206 ms"),
        (Blocks(1234, 5, 1), "blocked the loop 1,234 times, 5 ns in all, at most 1 ns"),
    ],
)
def test_a_mark_says_how_often_and_how_long(blocks, sentence):
    assert sentence_of(blocks) == sentence


def test_a_mark_of_a_frame_around_it_says_so():
    assert sentence_within(ONCE) == "somewhere within, the loop was blocked once, for 203 ms"


def test_the_legend_has_the_threshold_if_it_is_known():
    assert Marks({}, 100 * MS).legend == "\u26a0 blocked the loop for longer than 100 ms"
    assert Marks({}, None).legend == "\u26a0 blocked the loop"


# -- boxes -------------------------------------------------------------------------------------

STACKS = {
    ("a",): 10,
    ("a", "x"): 20,
    ("a", "x", "z"): 30,
    ("b", "x"): 40,
    ("b", "x", "thin"): 1,
}


def placed(marks, min_width=2, within=(), **more):
    boxes = lay_out(STACKS, min_width, **more).boxes
    return place_marks(boxes, Marks(marks, within=dict(within)))


@pytest.mark.parametrize(
    ("stack", "box"),
    [
        (("a",), Box(1, 0, 60, "a")),
        (("a", "x"), Box(2, 10, 50, "x")),
        (("a", "x", "z"), Box(3, 30, 30, "z")),
        (("b", "x"), Box(2, 60, 41, "x")),
    ],
)
def test_a_mark_goes_to_the_frame_of_its_stack(stack, box):
    assert placed({stack: ONCE}) == {box: sentence_of(ONCE)}
    assert placed({}, within={stack: ONCE}) == {box: sentence_within(ONCE)}


@pytest.mark.parametrize(
    "stack",
    [
        ("a", "x", "z", "deeper"),
        ("a", "other", "z"),
        ("b", "x", "z"),
        ("b", "x", "thin"),
        ("nowhere", "x"),
        (),
    ],
)
def test_no_other_frame_is_marked_for_one_that_is_not_drawn(stack):
    assert placed({stack: ONCE}, within={stack: ONCE}) == {}


def test_a_frame_that_is_left_out_has_no_mark():
    assert placed({("a", "x", "z"): ONCE}, 0, max_frames=2) == {}


def test_a_frame_that_blocked_itself_says_that():
    stack = ("b", "x")
    assert placed({stack: ONCE}, within={stack: THRICE}) == {Box(2, 60, 41, "x"): sentence_of(ONCE)}


def test_without_blocking_steps_no_frame_is_marked():
    assert placed({}) == {}


def path_of(box, boxes):
    """The names from the root to a box, by the boxes around it."""
    around = [
        other
        for other in boxes
        if 0 < other.depth <= box.depth and other.start <= box.start < other.start + other.width
    ]
    return tuple(other.name for other in around)


@relaxed
@given(
    stacks(identifiers),
    st.dictionaries(
        st.lists(identifiers | st.sampled_from(["one", "two"]), max_size=4).map(tuple),
        st.builds(Blocks, *[st.integers(1, 9)] * 3),
    ),
    st.floats(0, 30),
)
def test_marks_are_on_the_frames_of_their_stacks_alone(graph, blocks, min_width):
    boxes = lay_out(graph, min_width).boxes
    marks = blocks | {stack: Blocks(1, 2, 2) for stack in list(graph)[:3]}
    found = place_marks(boxes, Marks(marks))
    paths = {path_of(box, boxes): box for box in boxes[1:]}
    assert found == {
        paths[stack]: sentence_of(each) for stack, each in marks.items() if stack in paths
    }
