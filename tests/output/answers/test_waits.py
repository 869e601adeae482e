"""What is waited for."""

from dataclasses import replace

from tests.output.answers.profiles import (
    FETCH,
    GROUP,
    HANDLE,
    MAIN,
    MS,
    PLAIN,
    SERVER,
)
from tracetools.core.profile import Profile
from tracetools.core.stacks import OTHER, ROOT, Frame, Times
from tracetools.output.answers.places import Places
from tracetools.output.answers.waits import waits_of

SLOW = Frame("await sleep", "plain.py", 9)


def waits(stacks, **more):
    stacks = {(ROOT, MAIN): Times(entries=1), (ROOT, MAIN, HANDLE): Times(entries=1), **stacks}
    profile = Profile(stacks=stacks, **more)
    return waits_of(profile, Places(profile))


def test_a_limiter_says_how_many_wanted_it():
    (answer,) = waits_of(PLAIN, Places(PLAIN)).answers
    assert answer.kind == "limited"
    assert answer.count == 60
    assert answer.sentence == (
        "fetch (plain.py:8) waited 3 s in all for CapacityLimiter, for handle,"
        " of which 60 tasks wanted 2 at one time."
    )


def test_the_heaviest_waits_come_first_whatever_they_are():
    group = waits_of(SERVER, Places(SERVER))
    assert [answer.kind for answer in group.answers] == ["sleep", "limited", "thread"]
    assert group.whole == 10_000 * MS
    assert [answer.share for answer in group.answers] == [0.5, 0.4, 0.1]


def test_the_wait_for_a_task_of_the_program_is_no_answer():
    assert waits({(ROOT, MAIN, GROUP): Times(idle=100)}).answers == ()


def test_the_wait_for_a_task_of_a_library_is_one():
    get = Frame("AsyncClient.get", "httpx/_client.py", 3)
    group = Frame("await TaskGroup", "anyio/_core/_sockets.py", 9)
    found = waits(
        {(ROOT, MAIN, HANDLE, FETCH, get, group): Times(idle=5)},
        origins={get.file: "library", group.file: "library"},
    )
    (answer,) = found.answers
    assert (answer.location, answer.what) == ("plain.py:7", "AsyncClient.get of httpx: TaskGroup")


def test_an_unknown_await_is_one_too():
    (answer,) = waits(
        {(ROOT, MAIN, HANDLE, Frame("await ?", "plain.py", 9)): Times(idle=5)}
    ).answers
    assert answer.sentence == ("handle (plain.py:9) waited 0 ms in all for something unknown.")


def test_without_awaits_waits_are_by_task():
    group = waits({(ROOT, MAIN, HANDLE): Times(entries=1, idle=500 * MS)})
    assert group.note == "Awaits were not recorded, so this is by tasks and spans."
    assert [answer.sentence for answer in group.answers] == [
        "handle (plain.py:11) waited 500 ms in all."
    ]
    assert waits({(ROOT, MAIN, HANDLE): Times(entries=1, idle=5 * MS)}).note == ""


def test_what_is_in_no_stack_of_its_own_is_no_answer():
    group = waits({(ROOT, MAIN, HANDLE, OTHER): Times(idle=5)})
    assert group.answers == ()
    assert [answer.kind for answer in group.quiet] == ["libraries"]


def test_a_server_that_the_program_runs_waits_for_requests():
    poll = Frame("await sleep", "uvicorn/server.py", 248)
    found = waits(
        {(ROOT, MAIN, poll): Times(idle=5 * MS)}, origins={"uvicorn/server.py": "library"}
    )
    assert found.answers == ()
    assert [answer.sentence for answer in found.quiet] == [
        "Servers waited 5 ms in all for requests, timeouts and their end."
    ]


def test_an_empty_profile_waits_for_nothing():
    group = waits_of(Profile(), Places(Profile()))
    assert (group.answers, group.quiet, group.note) == ((), (), "")
    assert replace(group, whole=0) == group
