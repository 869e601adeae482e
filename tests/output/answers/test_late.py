"""What came late."""

from dataclasses import replace

from tests.output.answers.profiles import MS, PLAIN, REQUEST, SERVER
from tracetools.core.buckets import bucket_of
from tracetools.core.histogram import Histogram
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.answers.computes import computes_of
from tracetools.output.answers.late import late_of
from tracetools.output.answers.places import Places


def late(profile):
    places = Places(profile)
    return late_of(profile, places, computes_of(profile, places))


def test_sentences():
    group = late(SERVER)
    assert group.whole == 480 * MS
    assert [answer.sentence for answer in group.answers] == [
        (
            "tasks of uvicorn, outside of own code, were ready and had to wait 300 ms in all,"
            " 3 ms before each of 100 steps."
        ),
        (
            "GET /row/{n} (app.py:29) was ready and had to wait 120 ms in all,"
            " 1 ms before each of 120 steps."
        ),
        (
            "GET /report/{year} (app.py:17) was ready and had to wait 60 ms in all,"
            " 1.5 ms before each of 40 steps."
        ),
    ]
    assert [answer.is_own for answer in group.answers] == [False, True, True]
    assert group.answers[0].paths == (REQUEST,)
    assert [answer.sentence for answer in group.quiet] == [
        "Tasks of the runtime were late by 1 ms."
    ]


def test_a_span_of_no_library_and_no_file_is_late_by_its_name():
    times = Times(scheduled=3 * MS, steps=1, entries=1)
    group = late(replace(PLAIN, stacks={(ROOT, Frame("query")): times}, scheduled_measured=True))
    assert [answer.sentence for answer in group.answers] == [
        "query, outside of own code, was ready and had to wait 3 ms in all, 3 ms before 1 step."
    ]


def test_what_the_loop_did_meanwhile():
    assert (
        late(SERVER).note == "Meanwhile the loop ran digest (app.py:11) for 52 % of its busy time."
    )
    assert late(replace(SERVER, runs=2)).note == ""


def test_how_long_steps_were_delayed():
    delays = Histogram(200 * 800 * MS, 800 * MS, {bucket_of(800 * MS): 200})
    note = late(replace(SERVER, runs=2, scheduling_delay=delays)).note
    assert note == "Of 200 steps, one in a hundred waited 797 ms or more, at most 800 ms."


def test_what_was_not_measured_is_said():
    group = late(PLAIN)
    assert (group.answers, group.quiet) == ((), ())
    assert group.note.startswith("Not measured")
