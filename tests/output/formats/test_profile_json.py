"""The file of a profile: nothing is lost, and nothing hostile gets through."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import RESOURCES, histograms
from tracetools import StackFileError
from tracetools.core.breakdown import Breakdown
from tracetools.core.buckets import bucket_of
from tracetools.core.critical_times import CriticalTimes
from tracetools.core.edges import WAKERS, Edge, Waited
from tracetools.core.histogram import Histogram
from tracetools.core.origins import ORIGINS
from tracetools.core.profile import Profile
from tracetools.core.resources import Holds, Resource, ResourceUse, Waits
from tracetools.core.slow_spans import SlowSpans, TraceOfSpan
from tracetools.core.stacks import ROOT, Blocks, Frame, Times, Tokens
from tracetools.output.formats import profile_json
from tracetools.output.formats.profile_json import (
    format_profile,
    is_profile,
    parse_profile,
    read_profile,
    write_profile,
)

TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
COUNTS = st.integers(0) | st.integers(0, 10**400)
FRAMES = st.builds(Frame, TEXTS, st.none() | TEXTS, COUNTS)
PATHS = st.lists(st.sampled_from([ROOT]) | FRAMES, min_size=1, max_size=5).map(tuple)
TIMES = st.builds(Times, *[COUNTS] * 8)
BLOCKS = st.builds(Blocks, *[COUNTS] * 9)
TOKENS = st.builds(Tokens, COUNTS, COUNTS)
TRACE_IDS = st.text("0123456789abcdef", min_size=32, max_size=32)
SLOW = st.builds(
    SlowSpans,
    st.builds(
        Breakdown,
        COUNTS,
        COUNTS,
        st.dictionaries(TEXTS, COUNTS, max_size=3),
        *[COUNTS] * 6,
    ),
    st.builds(
        CriticalTimes,
        COUNTS,
        COUNTS,
        st.dictionaries(PATHS, COUNTS, max_size=3),
        st.dictionaries(FRAMES, COUNTS, max_size=3),
    ),
    st.lists(st.builds(TraceOfSpan, COUNTS, TRACE_IDS), max_size=3).map(tuple),
)
EDGE = st.builds(
    Edge, PATHS, st.sampled_from([None, *WAKERS]), st.just(()) | PATHS, st.none() | FRAMES
)
PROFILES = st.builds(
    Profile,
    stacks=st.dictionaries(PATHS, TIMES, max_size=6),
    duration=COUNTS,
    task_time=COUNTS,
    start=st.integers(),
    programs=st.lists(TEXTS, max_size=3).map(tuple),
    pythons=st.lists(TEXTS, max_size=3).map(tuple),
    origins=st.dictionaries(TEXTS, st.sampled_from(ORIGINS), max_size=3),
    backends=st.lists(TEXTS, max_size=3).map(tuple),
    runs=COUNTS,
    merged=COUNTS,
    scheduled_measured=st.booleans(),
    truncated=st.booleans(),
    blocking_threshold=st.none() | COUNTS,
    blocking=st.dictionaries(PATHS, BLOCKS, max_size=6),
    scheduling_delay=histograms(COUNTS),
    queue=histograms(COUNTS),
    queue_trend=st.lists(COUNTS, max_size=3).map(tuple),
    samples=COUNTS,
    samples_by_thread=COUNTS,
    untracked=COUNTS,
    forks=COUNTS,
    not_kept=COUNTS,
    limiters=st.dictionaries(PATHS, TOKENS, max_size=6),
    latencies=st.dictionaries(PATHS, histograms(COUNTS), max_size=3),
    slow=st.dictionaries(PATHS, SLOW, max_size=2),
    resources=RESOURCES,
    edges=st.dictionaries(EDGE, st.builds(Waited, COUNTS, COUNTS, COUNTS), max_size=3),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)

A = Frame("a", "a.py", 1)
LINE = Frame("blocks the loop", "a.py", 3)
GOOD = Profile(
    stacks={(ROOT,): Times(busy=1), (ROOT, A): Times(1, 2, 3, 4, 5, 6, 7, 8)},
    duration=2,
    task_time=6,
    start=7,
    programs=("p",),
    pythons=("3.13.5",),
    backends=("trio",),
    runs=1,
    origins={"b.py": "library"},
    blocking_threshold=100,
    blocking={(ROOT, A, LINE): Blocks(2, 350, 200, computing=300, starved=50)},
    scheduling_delay=Histogram(1007, 1000, {bucket_of(1000): 1, 7: 1}),
    queue=Histogram(2, 1, {1: 2}),
    queue_trend=(0, 1500),
    samples=9,
    samples_by_thread=2,
    untracked=8,
    forks=3,
    not_kept=4,
    limiters={(ROOT, A): Tokens(2, 6)},
    stalls={(A, LINE): Blocks(1, 300, 300)},
    latencies={(ROOT, A): Histogram(1007, 1000, {bucket_of(1000): 1, 7: 1})},
    slow={
        (ROOT, A): SlowSpans(
            Breakdown(1, 2, {"await x": 3}, 4, 5, 6, 7, 15, 1),
            CriticalTimes(1, 15, {(ROOT, A): 10, (ROOT, A, LINE): 5}, {A: 15}),
            (TraceOfSpan(15, "4bf92f3577b34da6a3ce929d0e0e4736"),),
        )
    },
    resources={
        Resource("Lock", A): ResourceUse(
            count=1,
            size=1,
            lived=20,
            saturated=9,
            most_waiting=1,
            holds={(ROOT, A): Holds(1, 9, 9, 4)},
            waits={(ROOT, A): Waits(1, 5, 5, 1)},
            blockers={(A, LINE): Waits(1, 5, 5, 1)},
        )
    },
    edges={
        Edge((ROOT, A), "task", (ROOT, A), LINE): Waited(2, 2, 1),
        Edge((ROOT, A), None): Waited(0, 1, 0),
    },
)
TEXT = """\
{"tracetools-profile":1,
"start":7,
"duration":2,
"task_time":6,
"runs":1,
"merged":1,
"samples":9,
"samples_by_thread":2,
"untracked":8,
"forks":3,
"not_kept":4,
"programs":["p"],
"pythons":["3.13.5"],
"backends":["trio"],
"scheduled_measured":false,
"truncated":false,
"blocking_threshold":100,
"queue_trend":[0,1500],
"scheduling_delay":[1007,1000,[[7,1],[190,1]]],
"queue":[2,1,[[1,2]]],
"origins":[
["b.py","library"]
],
"frames":[
["a","a.py",1],
["all-spans","",0],
["blocks the loop","a.py",3]
],
"stacks":[
[-1,1,1,0,0,0,0,0,0,0],
[0,0,1,2,3,4,5,6,7,8]
],
"blocking":[
[[1,0,2],2,350,200,300,0,0,0,0,50]
],
"limiters":[
[[1,0],2,6]
],
"stalls":[
[[0,2],1,300,300,0,0,0,0,0,0]
],
"latencies":[
[[1,0],1007,1000,[[7,1],[190,1]]]
],
"slow":[
[[1,0],[1,2,4,5,6,7,15,1],[["await x",3]],1,15,[[[1,0],10],[[1,0,2],5]],[[0,15]],\
[[15,"4bf92f3577b34da6a3ce929d0e0e4736"]]]
],
"resources":[
{"kind":"Lock","place":0,"is_made":true,"size":1,"count":1,"lived":20,"saturated":9,\
"most_waiting":1,"length_time":0,"items":0,"taken":0,"lengths":[0,0,[]],\
"holds":[[[1,0],1,9,9,4]],"waits":[[[1,0],1,5,5,1]],"blockers":[[[0,2],1,5,5,1]],"getters":[]}
],
"edges":[
[[1,0],null,[],null,0,1,0],
[[1,0],"task",[1,0],2,2,2,1]
]}
"""
FIRST_TEXT = """\
{"tracetools-profile":1,
"start":7,
"duration":2,
"task_time":6,
"runs":1,
"merged":1,
"programs":["p"],
"backends":["trio"],
"scheduled_measured":false,
"truncated":false,
"frames":[
["a","a.py",1],
["all-spans","",0]
],
"stacks":[
[-1,1,1,0,0,0,0,0],
[0,0,1,2,3,4,5,6]
]}
"""
"""As it was written before anything of `blocking` and after was known."""


def changed(**changes):
    return json.dumps(json.loads(TEXT) | changes)


# --------------------------------------------------------------------------------------- writing


def test_the_text_of_a_profile():
    assert format_profile(GOOD) == TEXT


@given(PROFILES)
def test_a_written_profile_is_read_back(profile):
    assert parse_profile(format_profile(profile)) == profile
    assert parse_profile(format_profile(profile).encode("ascii")) == profile


@given(PROFILES)
def test_equal_profiles_are_equal_bytes(profile):
    turned = {
        name: dict(reversed(getattr(profile, name).items()))
        for name in ("stacks", "blocking", "limiters", "latencies", "slow", "resources", "edges")
    }
    for name in ("scheduling_delay", "queue"):
        histogram = getattr(profile, name)
        buckets = dict(reversed(histogram.buckets.items()))
        turned[name] = Histogram(histogram.total, histogram.max, buckets)
    assert format_profile(replace(profile, **turned)) == format_profile(profile)


def test_a_stack_without_numbers_above_others_is_none_afterwards():
    profile = Profile(stacks={(ROOT, A): Times(busy=1)})
    assert parse_profile(format_profile(profile)) == profile


@pytest.mark.parametrize(
    "given",
    [{"stacks": {(): Times()}}, {"blocking": {(): Blocks()}}, {"limiters": {(): Tokens(1, 2)}}],
)
def test_a_stack_without_frames_is_refused(given):
    with pytest.raises(ValueError, match="no frames"):
        format_profile(Profile(**given))


def test_a_file_is_written_and_read(tmp_path):
    write_profile(tmp_path / "a.profile.json", GOOD)
    assert read_profile(tmp_path / "a.profile.json") == GOOD
    assert list(tmp_path.iterdir()) == [tmp_path / "a.profile.json"]


def test_a_file_that_cannot_be_written_is_named_with_a_remedy(tmp_path):
    with pytest.raises(StackFileError, match=r"cannot write profile .*gone.*its folder must exist"):
        write_profile(tmp_path / "gone" / "a.profile.json", GOOD)


# --------------------------------------------------------------------------------------- reading


def test_a_profile_is_told_from_folded_text_by_its_first_bytes():
    assert is_profile(TEXT.encode()[:64])
    assert is_profile(b'\xef\xbb\xbf { "tracetools-profile" : 1')
    assert not is_profile(b"all-spans 1\n")
    assert not is_profile(b'{"a":1,"tracetools-profile":1')
    assert not is_profile(b"")


def test_a_file_that_is_not_there_is_named_with_a_remedy(tmp_path):
    with pytest.raises(StackFileError, match=r"cannot read profile .*gone.*check the path"):
        read_profile(tmp_path / "gone.profile.json")


def test_a_path_that_no_system_takes_is_a_stack_file_error(tmp_path):
    with pytest.raises(StackFileError, match="cannot read profile"):
        read_profile(tmp_path / "a\0b")


def test_a_malformed_file_is_named_with_a_remedy(tmp_path):
    path = tmp_path / "bad.profile.json"
    path.write_text("{}")
    with pytest.raises(StackFileError, match=r"bad\.profile\.json: not a profile: .*; record it"):
        read_profile(path)


def test_unknown_keys_are_ignored():
    assert parse_profile(changed(later=[1])) == GOOD


def test_optional_keys_may_be_missing():
    assert parse_profile(FIRST_TEXT) == Profile(
        stacks={(ROOT,): Times(busy=1), (ROOT, A): Times(1, 2, 3, 4, 5, 6)},
        duration=2,
        task_time=6,
        start=7,
        programs=("p",),
        backends=("trio",),
        runs=1,
    )


def test_an_unknown_threshold_is_null():
    assert parse_profile(changed(blocking_threshold=None)).blocking_threshold is None


def test_a_byte_order_mark_is_left_alone():
    assert parse_profile(b"\xef\xbb\xbf" + TEXT.encode()) == GOOD


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (TEXT[:-20], "no JSON"),
        ("1" * 5000, "no JSON"),
        ("[" * 200_000, "nested too deeply"),
        ("[]", 'has no "tracetools-profile"'),
        (changed(**{"tracetools-profile": 2}), "upgrade"),
        (changed(**{"tracetools-profile": True}), "no version"),
        (changed(**{"tracetools-profile": 0}), "no version"),
        (changed(duration=-1), '"duration"'),
        (changed(duration=1.0), '"duration"'),
        (changed(duration=float("nan")), '"duration"'),
        (changed(start=True), '"start"'),
        (changed(programs="p"), '"programs"'),
        (changed(truncated=1), '"truncated"'),
        (changed(frames={}), '"frames"'),
        (changed(frames=[["a", 1, 1]]), "frame 0"),
        (changed(frames=[["a", None, True]]), "frame 0"),
        (changed(frames=[["a", None, 1]] * 2), "a frame is there twice"),
        (changed(stacks=[[-1, 3, 0, 0, 0, 0, 0, 0]]), "stack 0 refers"),
        (changed(stacks=[[0, 1, 0, 0, 0, 0, 0, 0]]), "stack 0 refers"),
        (changed(stacks=[[-2, 1, 0, 0, 0, 0, 0, 0]]), "stack 0 refers"),
        (changed(stacks=[[-1, 1, 0, 0, 0, 0, 0]]), "stack 0 is not"),
        (changed(stacks=[[-1, 1, 0, 0, 0, 0, 0, 0, 0]]), "stack 0 is not"),
        (changed(stacks=[[-1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]), "stack 0 is not"),
        (changed(stacks=[[-1, 1, 0, 0, 0, 0, 0, -1]]), "stack 0 is not"),
        (changed(stacks=[[-1, 1, 0, 0, 0, 0, 0, 1e3]]), "stack 0 is not"),
        (changed(stacks=[[-1, True]]), "stack 0 is not"),
        (changed(stacks=[[-1, 1], [-1, 1]]), "stack 1 is there twice"),
        (changed(samples=-1), '"samples"'),
        (changed(untracked=None), '"untracked"'),
        (changed(forks=-1), '"forks"'),
        (changed(blocking_threshold=-1), '"blocking_threshold"'),
        (changed(blocking_threshold=True), '"blocking_threshold"'),
        (changed(queue_trend=[1, -1]), '"queue_trend"'),
        (changed(queue_trend=None), '"queue_trend"'),
        (changed(scheduling_delay=None), '"scheduling_delay" is not'),
        (changed(scheduling_delay=[1, 1]), '"scheduling_delay" is not'),
        (changed(scheduling_delay=[1, 1, [], 1]), '"scheduling_delay" is not'),
        (changed(scheduling_delay=[-1, 1, []]), '"scheduling_delay" is not'),
        (changed(scheduling_delay=[1, True, []]), '"scheduling_delay" is not'),
        (changed(queue=[1, 1, [[1]]]), '"queue" is not'),
        (changed(queue=[1, 1, [[1, 0]]]), '"queue" is not'),
        (changed(queue=[1, 1, [[-1, 1]]]), '"queue" is not'),
        (changed(queue=[1, 1, [[1, 1.0]]]), '"queue" is not'),
        (changed(queue=[1, 1, [[1 << 40, 1]]]), '"queue" is not'),
        (changed(queue=[1, 1, [[1, 1], [1, 2]]]), '"queue" has a bucket twice'),
        (changed(origins={}), '"origins"'),
        (changed(origins=[["b.py", "mine"]]), "origin 0 is not"),
        (changed(origins=[["b.py", "library"]] * 2), "an origin is there twice"),
        (changed(blocking={}), '"blocking"'),
        (changed(blocking=[[[], 1, 1, 1]]), "block 0 has no list"),
        (changed(blocking=[[1, 1, 1, 1]]), "block 0 has no list"),
        (changed(blocking=[[[1], 1, 1]]), "block 0 is not"),
        (changed(blocking=[[[1], 1, 1, 1, 1]]), "block 0 is not"),
        (changed(blocking=[[[1], 1, 1, -1]]), "block 0 is not"),
        (changed(blocking=[[[True], 1, 1, 1]]), "block 0 has no list"),
        (changed(blocking=[[[-1], 1, 1, 1]]), "block 0 has no list"),
        (changed(limiters=[[[1], 1]]), r"limiter 0 is not \[\[frame, ...\], tokens, wanted\]"),
        (changed(limiters=[[[3], 1, 1]]), "limiter 0 refers"),
        (changed(limiters=[[[], 1, 1]]), "limiter 0 has no list of frames"),
        (changed(latencies=[[[1], 1, 1]]), r"latency 0 is not \[total, max, \[\["),
        (changed(latencies=[[[1], 1, 1, [[1, 0]]]]), "latency 0 is not"),
        (changed(latencies=[[[1], 1, 1, [[1, 1], [1, 2]]]]), "latency 0 has a bucket twice"),
        (changed(latencies=[[[3], 1, 1, []]]), "latency 0 refers"),
        (changed(edges=[[[1], "task", [], None, 1, 1]]), r"edge 0 is not \[\[frame, ...\], by"),
        (changed(edges=[[[1], "me", [], None, 1, 1, 1]]), "edge 0 is not"),
        (changed(edges=[[[1], ["task"], [], None, 1, 1, 1]]), "edge 0 is not"),
        (changed(edges=[[[], "task", [], None, 1, 1, 1]]), "edge 0 is not"),
        (changed(edges=[[[1], "task", [True], None, 1, 1, 1]]), "edge 0 is not"),
        (changed(edges=[[[1], "task", [], -1, 1, 1, 1]]), "edge 0 is not"),
        (changed(edges=[[[1], "task", [], None, 1, 1.5, 1]]), "edge 0 is not"),
        (changed(edges=[[[3], "task", [], None, 1, 1, 1]]), "edge 0 refers"),
        (changed(edges=[[[1], "task", [3], None, 1, 1, 1]]), "edge 0 refers"),
        (changed(edges=[[[1], "task", [], 3, 1, 1, 1]]), "edge 0 refers"),
        (changed(edges=[[[1], None, [], None, 1, 1, 1]] * 2), "edge 1 is there twice"),
        (changed(slow=[[[1], 1]]), r"slow span 0 is not \[breakdown, waits"),
        (changed(slow=[[[1], [0] * 7, [], 0, 0, [], []]]), "slow span 0 is not"),
        (changed(slow=[[[1], [0] * 8, [["x", -1]], 0, 0, [], []]]), "slow span 0 is not"),
        (changed(slow=[[[1], [0] * 8, [], 0, 0, [], [[3, 1]]]]), "slow span 0 is not"),
        (changed(slow=[[[1], [0] * 8, [], 0, 0, [[[1], 1, 1]], []]]), "slow span 0, share 0 is"),
        (
            changed(slow=[[[1], [0] * 8, [], 0, 0, [[[3], 1]], []]]),
            "slow span 0, share 0 refers",
        ),
        (
            changed(slow=[[[1], [0] * 8, [["x", 1], ["x", 2]], 0, 0, [], []]]),
            "slow span 0 has a wait twice",
        ),
        (
            changed(slow=[[[1], [0] * 8, [[["x", "y"], 1], ["xy", 2]], 0, 0, [], []]]),
            "slow span 0 has a wait twice",
        ),
        (
            changed(slow=[[[1], [0] * 8, [], 0, 0, [], [[1, 1], [1, 2]]]]),
            "slow span 0 has a saving twice",
        ),
        (changed(slow=[[[1], [0] * 8, [], 0, 0, [], [], [[1, "x"]]]]), "slow span 0 is not"),
        (changed(slow=[[[1], [0] * 8, [], 0, 0, [], [], [], []]]), "slow span 0 is not"),
        (changed(slow=[[[1], [0] * 8, [], 0, 0, [], [], 5]]), "slow span 0 is not"),
        (changed(blocking=[[[3], 1, 1, 1]]), "block 0 refers"),
        (changed(blocking=[[[1, 2], 1, 1, 1], [[1, 2], 0, 0, 0]]), "block 1 is there twice"),
    ],
)
def test_the_error_names_what_is_wrong(text, complaint):
    with pytest.raises(StackFileError, match=complaint):
        parse_profile(text, "x")


def test_a_small_file_cannot_ask_for_all_memory(monkeypatch):
    monkeypatch.setattr(profile_json, "MAX_FRAMES", 54)
    chain = [[index - 1, 0] for index in range(10)]
    with pytest.raises(StackFileError, match="more than 54 frames"):
        parse_profile(changed(stacks=chain))
    monkeypatch.setattr(profile_json, "MAX_FRAMES", 55)
    assert parse_profile(changed(stacks=chain)).stacks == {}


def test_blocks_are_bounded_like_stacks(monkeypatch):
    monkeypatch.setattr(profile_json, "MAX_FRAMES", 3)
    two = [[[1, 0], 1, 1, 1], [[1], 1, 1, 1]]
    assert len(parse_profile(changed(stacks=[], blocking=two, slow=[], edges=[])).blocking) == 2
    with pytest.raises(StackFileError, match="blocks have more than 3 frames"):
        parse_profile(changed(stacks=[], blocking=[*two, [[0], 1, 1, 1]]))


def test_edges_are_bounded_like_stacks(monkeypatch):
    monkeypatch.setattr(profile_json, "MAX_FRAMES", 3)
    others = {name: [] for name in ("stacks", "blocking", "slow", "limiters", "latencies")}
    two = [[[1], "task", [1], None, 1, 1, 1], [[1], None, [], None, 1, 1, 1]]
    assert len(parse_profile(changed(**others, edges=two)).edges) == 2
    with pytest.raises(StackFileError, match="edges have more than 3 frames"):
        parse_profile(changed(**others, edges=[*two, [[0], None, [], None, 1, 1, 1]]))


def fails_only_as_it_should(text):
    try:
        parse_profile(text)
    except StackFileError:
        return


@given(st.binary())
def test_any_bytes_are_a_profile_or_an_error_of_ours(data):
    fails_only_as_it_should(data)


@given(JSON)
def test_any_json_is_a_profile_or_an_error_of_ours(value):
    fails_only_as_it_should(json.dumps(value))


@given(st.data())
def test_any_value_in_place_of_a_right_one_is_a_profile_or_an_error_of_ours(data):
    value = json.loads(TEXT)
    where = value
    key = data.draw(st.sampled_from(sorted(value)))
    while isinstance(where[key], list) and where[key] and data.draw(st.booleans()):
        where = where[key]
        key = data.draw(st.integers(0, len(where) - 1))
    where[key] = data.draw(JSON)
    fails_only_as_it_should(json.dumps(value))


@given(st.integers(0, len(TEXT) - 1), st.binary(max_size=3))
def test_any_bytes_in_place_of_right_ones_are_a_profile_or_an_error_of_ours(place, data):
    raw = TEXT.encode()
    fails_only_as_it_should(raw[:place] + data + raw[place + len(data) :])


# ------------------------------------------------------------------------------------ surrogates

HIGH, LOW = "\ud83d", "\ude00"
PAIRED = st.text(st.sampled_from([HIGH, LOW, "\U0001f600", "a"]), max_size=6)


@given(st.lists(PAIRED, min_size=3, max_size=3))
def test_surrogates_are_read_as_they_were_lone_or_paired(texts):
    name, file, program = texts
    frames = (ROOT, Frame(name, file, 1), Frame(name + LOW, None))
    profile = Profile(
        stacks={frames[:length]: Times() for length in (1, 2, 3)},
        blocking={frames: Blocks(1, 2, 2)},
        programs=(program, program + LOW),
        backends=(HIGH + LOW,),
    )
    text = format_profile(profile)
    assert text.isascii()
    assert parse_profile(text) == profile


def test_two_surrogates_and_their_character_are_two_names():
    one, two = (ROOT, Frame(HIGH + LOW)), (ROOT, Frame("\U0001f600"))
    profile = Profile(stacks={one: Times(busy=1), two: Times(busy=2)})
    assert parse_profile(format_profile(profile)).stacks == profile.stacks


@pytest.mark.parametrize("name", ["[1]", "[null]", '{"a":1}', "1"])
def test_a_name_of_parts_that_are_no_texts_is_refused(name):
    with pytest.raises(StackFileError, match=r"frame 0 is not \[name, file or null, line\]"):
        parse_profile(TEXT.replace('["a","a.py",1]', f'[{name},"a.py",1]'))
