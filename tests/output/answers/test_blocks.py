"""What blocks the loop."""

from dataclasses import replace

import pytest

from tests.output.answers.profiles import (
    HANDLE,
    MAIN,
    MS,
    REQUEST,
    ROUTER,
    SERVER,
    line,
)
from tracetools.core.profile import Profile
from tracetools.core.stacks import KINDS, ROOT, Blocks, Frame
from tracetools.output.answers.blocks import blocks_of
from tracetools.output.answers.data import MOST_PATHS
from tracetools.output.answers.places import Places


def blocks(profile, text_of_line=lambda *_: ""):
    return blocks_of(profile, Places(profile), text_of_line)


def of(path, numbers, **more):
    options = {"duration": 1000 * MS, "blocking_threshold": 100 * MS, **more}
    return blocks(Profile(blocking={path: numbers}, **options))


def test_a_blocking_call():
    group = blocks(SERVER, lambda file, number: "time.sleep(0.15)" if number == 22 else "?")
    (answer,) = group.answers
    assert answer.sentence == (
        "read_settings (app.py:22) blocked the loop 3 times, for 470 ms in all and 160 ms at most,"
        " for GET /settings: a blocking call, time.sleep(0.15)."
    )
    assert (answer.count, answer.max, answer.is_own) == (3, 160 * MS, True)
    assert answer.share == 470 / 1500
    assert answer.paths == tuple(path for path in SERVER.blocking if path[-1].line == 22)
    assert group.note == "Steps of more than 100 ms each."


def test_imports_are_start_up():
    assert [answer.sentence for answer in blocks(SERVER).quiet] == [
        "Imports blocked the loop once, for 50 ms: start-up."
    ]


GET = Frame("get", "requests/api.py", 62)
READ = line("urllib3/connection.py", 99)


def test_a_line_in_a_library_is_told_by_what_the_program_called():
    path = (ROOT, MAIN, HANDLE, GET, READ)
    origins = {"requests/api.py": "library", "urllib3/connection.py": "library"}
    group = of(path, Blocks(1, 300 * MS, 300 * MS, calling=290 * MS), origins=origins)
    assert [answer.sentence for answer in group.answers] == [
        "handle (plain.py:11) blocked the loop once, for 300 ms: a blocking call, get of requests."
    ]


def test_a_library_that_blocks_on_its_own_is_told_as_such():
    path = (*REQUEST, ROUTER, line("starlette/routing.py", 70))
    group = of(path, Blocks(1, 300 * MS, 300 * MS, computing=300 * MS), origins=SERVER.origins)
    (answer,) = group.answers
    assert (answer.location, answer.is_own) == ("starlette/routing.py:70", False)
    assert answer.sentence == (
        "Router.app (starlette/routing.py:70) blocked the loop once, for 300 ms: computing."
    )


def test_what_is_not_known_is_not_said():
    (answer,) = of((ROOT, MAIN), Blocks(2, 300 * MS, 200 * MS)).answers
    assert answer.kind == "unclear"
    assert answer.sentence == (
        "main (plain.py:19) blocked the loop 2 times, for 300 ms in all and 200 ms at most."
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("stopped", "stopped"), ("collecting", "garbage-collection")]
)
def test_what_is_no_lines_doing(name, kind):
    numbers = Blocks(1, 300 * MS, 300 * MS, **{name: 290 * MS})
    (answer,) = of((ROOT, MAIN, line("plain.py", 20)), numbers).answers
    assert (answer.kind, answer.location, answer.is_own) == (kind, "", False)
    assert answer.sentence == (f"No line of the loop is to blame: {KINDS[name]} once, for 290 ms.")


def test_short_times_without_a_processor_are_usual():
    numbers = Blocks(1, 300 * MS, 300 * MS, starved=290 * MS)
    assert of((ROOT, MAIN), numbers, duration=10**10).answers == ()


def test_a_thread_that_holds_the_gil_is_named():
    path = (
        Frame(KINDS["gil"], ""),
        Frame("thread", ""),
        Frame("crunch", "w.py", 3),
        Frame("holds the GIL", "w.py", 5),
    )
    stalls = {path: Blocks(2, 500 * MS, 300 * MS, gil=500 * MS)}
    (answer,) = blocks(Profile(duration=10**9, stalls=stalls, blocking_threshold=MS)).answers
    assert (answer.kind, answer.location, answer.function) == ("gil-held", "w.py:5", "crunch")
    assert answer.sentence == (
        "No line of the loop is to blame: another thread held the GIL 2 times, for 500 ms in all"
        " and 300 ms at most: crunch (w.py:5)."
    )


def test_many_stalls_have_their_heaviest_stacks():
    paths = [(Frame(KINDS["gil"], ""), Frame(f"thread {n}", "")) for n in range(9)]
    stalls = {path: Blocks(1, n * MS, n * MS, gil=n * MS) for n, path in enumerate(paths, 1)}
    (answer,) = blocks(Profile(duration=10**9, stalls=stalls, blocking_threshold=MS)).answers
    assert answer.paths == tuple(reversed(paths[-MOST_PATHS:]))


def test_without_a_threshold_blocking_steps_were_not_counted():
    assert blocks(replace(SERVER, blocking_threshold=None)).note.startswith("Blocking steps were")


def test_that_nothing_blocked_is_said():
    group = blocks(Profile(blocking_threshold=100 * MS))
    assert (group.answers, group.note) == ((), "No step took more than 100 ms.")
