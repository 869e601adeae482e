"""The program's own line in a stack."""

import itertools
from dataclasses import replace

import pytest

from tests.output.answers.profiles import (
    CYCLE,
    DIGEST,
    FETCH,
    GET_REPORT,
    GET_ROW,
    GROUP,
    HANDLE,
    IN_THREAD,
    LIMITER,
    LOAD,
    MAIN,
    ORIGINS,
    PLAIN,
    REPORT,
    REQUEST,
    ROUTER,
    ROW,
    SERVE,
    SERVER,
    SLEEP,
    THREAD,
)
from tracetools.core.profile import Profile
from tracetools.core.stacks import IMPORTING, ROOT, Frame, Times
from tracetools.output.answers import places as places_module
from tracetools.output.answers.places import NOWHERE, Place, Places, in_import
from tracetools.output.frame_kinds import kind_of_frame

SERVERS = Places(SERVER)


def own(*path, places=SERVERS):
    found = places.own(path)
    return found and found.function


def test_the_innermost_function_of_the_program_is_the_place():
    path = (*REQUEST, GET_REPORT, ROUTER, REPORT, DIGEST)
    assert SERVERS.own((*path, ROUTER)) == Place("app.py", 11, "digest", len(path))


def test_a_span_is_a_place_where_no_function_is():
    assert own(*REQUEST, GET_ROW, ROUTER, IN_THREAD) == "GET /row/{n}"


def test_a_span_without_a_file_is_passed_over():
    assert own(*REQUEST, GET_REPORT, REPORT, Frame("query")) == "report"


@pytest.mark.parametrize("path", [(ROOT,), (ROOT, SERVE), REQUEST, (*REQUEST, ROUTER)])
def test_what_libraries_do_for_themselves_has_no_place(path):
    assert own(*path) is None


GET = Frame("AsyncClient.get", "httpx/_client.py", 1751)
CONNECT = Frame("connect", "anyio/_core/_sockets.py", 9)
TASKS = Profile(
    stacks={
        (ROOT, MAIN): Times(entries=1),
        (ROOT, MAIN, GET): Times(entries=1),
        (ROOT, MAIN, GET, CONNECT): Times(entries=1),
        (ROOT, MAIN, CYCLE): Times(entries=1),
    },
    origins={**ORIGINS, GET.file: "library", CONNECT.file: "library"},
)


def test_a_task_of_a_library_is_the_programs_if_the_program_started_it():
    places = Places(TASKS)
    assert own(ROOT, MAIN, GET, ROUTER, places=places) == "main"
    assert own(ROOT, MAIN, GET, CONNECT, places=places) is None
    assert own(ROOT, MAIN, CYCLE, places=places) is None


def test_the_line_of_an_await_is_its_own():
    places = Places(PLAIN)
    path = (ROOT, MAIN, HANDLE, FETCH, LIMITER)
    assert places.line(path) == Place("plain.py", 8, "fetch", 5)
    assert places.line((ROOT, MAIN, GROUP)) == Place("plain.py", 24, "main", 3)


def test_an_await_in_a_library_has_the_line_of_the_function_around_it():
    path = (*REQUEST, GET_ROW, ROUTER, ROW, IN_THREAD, THREAD)
    assert SERVERS.line(path) == Place("app.py", 29, "row", 6)
    assert SERVERS.line((ROOT, SERVE, THREAD)) is None


def test_a_line_without_a_function_is_named_by_what_is_above():
    other = Frame("await sleep", "other.py", 3)
    assert SERVERS.line((*REQUEST, GET_ROW, other)) == Place("other.py", 3, "GET /row/{n}", 5)
    assert SERVERS.line((ROOT, SLEEP)) == Place("app.py", 32, "await sleep", 2)


def test_work_is_done_for_the_route_that_it_is_part_of():
    path = (*REQUEST, GET_ROW, ROUTER, ROW)
    assert SERVERS.for_whom(path, len(path)) == "GET /row/{n}"
    assert SERVERS.for_whom(path, 4) == ""  # itself
    assert SERVERS.for_whom((*REQUEST, ROUTER), 4) == ""


def test_without_a_route_work_is_done_for_a_task_below_the_first_one():
    path = (ROOT, MAIN, HANDLE, FETCH)
    assert Places(PLAIN).for_whom(path, 4) == "handle"


def test_the_only_task_that_nobody_started_says_nothing():
    path = (ROOT, MAIN, FETCH)
    assert Places(PLAIN).for_whom(path, 3) == ""
    two = replace(PLAIN, stacks={**PLAIN.stacks, (ROOT, HANDLE): Times(entries=1)})
    assert Places(two).for_whom(path, 3) == "main"


def test_entered_stacks():
    place = Place("uvicorn/protocols/h11_impl.py", 409, CYCLE.name, 3, is_own=False)
    number = SERVERS.number((*REQUEST, ROUTER, ROUTER))
    assert SERVERS.place(SERVERS.entered[number]) == place
    assert SERVERS.entered[SERVERS.number((ROOT, ROUTER))] == NOWHERE


def test_packages_below_a_place():
    assert SERVERS.packages_below((ROOT, SERVE, ROUTER, REPORT, ROUTER), 1) == [
        "uvicorn",
        "starlette",
    ]


def test_an_installed_program_is_taken_for_the_programs_own():
    shop = Frame("Shop.sell", "shop/app.py", 3)
    stacks = {(ROOT, SERVE): Times(entries=1), (ROOT, SERVE, shop): Times(busy=1)}
    profile = Profile(stacks=stacks, origins={**ORIGINS, "shop/app.py": "library"})
    places = Places(profile)
    assert places.is_guessed
    assert own(ROOT, SERVE, shop, places=places) == "Shop.sell"
    assert own(ROOT, SERVE, ROUTER, places=places) is None
    assert not SERVERS.is_guessed


def test_code_that_python_makes_is_no_program():
    made = Frame("__create_fn__.<locals>.__init__", "<string>", 2)
    stacks = {(ROOT, SERVE): Times(entries=1), (ROOT, SERVE, made): Times(busy=1)}
    assert Places(Profile(stacks=stacks, origins=ORIGINS)).is_guessed
    task = Frame("main", "<string>", 2)
    assert not Places(Profile(stacks={(ROOT, task): Times(entries=1)})).is_guessed


def test_imports():
    assert in_import((ROOT, SERVE, LOAD, REPORT))
    assert in_import((ROOT, SERVE, IMPORTING, REPORT))
    assert not in_import((ROOT, SERVE, REPORT))


def test_frames_are_looked_at_once_however_many_stacks_there_are(monkeypatch):
    asked = []

    def kinds_of(origins):
        def kind_of(frame):
            asked.append(frame)
            return kind_of_frame(frame, origins)

        return kind_of

    monkeypatch.setattr(places_module, "kinds_of", kinds_of)
    frames = [Frame(f"f{number}", "app.py", number) for number in range(3)]
    stacks = {(ROOT, *path): Times(busy=1) for path in itertools.product(frames, repeat=6)}
    Places(Profile(stacks=stacks))
    assert 0 < len(asked) <= 2 * len([ROOT, *frames])


def test_the_order_of_stacks_makes_no_difference_where_parents_are_missing():
    task, between, other = (Frame(name, "app.py", 1) for name in ("task", "between", "other"))
    path = (ROOT, task, between, other)
    stacks = {
        path: Times(busy=1),
        (ROOT, task): Times(entries=1),
        (ROOT, other): Times(entries=1),
    }
    assert Places(Profile(stacks=stacks)).for_whom(path, len(path)) == "task"
    stacks = dict(reversed(stacks.items()))
    assert Places(Profile(stacks=stacks)).for_whom(path, len(path)) == "task"
