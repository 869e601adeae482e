"""Frames of libraries become one, and no time is lost."""

from hypothesis import given

from tests.strategies import PROFILES
from tracetools.core.profile import IDLE
from tracetools.core.stacks import IMPORTING, ROOT, RUNTIME, Frame
from tracetools.output.folding import fold_labels, fold_libraries, fold_times
from tracetools.output.frame_kinds import kinds_of

SERVE = Frame("Server.serve", "uvicorn/server.py", 88)
ROUTER = Frame("Router.app", "starlette/routing.py", 3)
ROUTE = Frame("Route.handle", "starlette/routing.py", 280)
APP = Frame("app", "fastapi/routing.py", 151)
GET = Frame("GET /report/{year}", "app.py", 16)
REPORT = Frame("report", "app.py", 17)
DIGEST = Frame("digest", "app.py", 11)
DUMPS = Frame("dumps", "json/__init__.py", 1)
ENCODE = Frame("encode", "json/encoder.py", 2)
SLEEP = Frame("await sleep", "starlette/routing.py", 4)
LOAD = Frame("_load", "<frozen importlib._bootstrap>", 5)

ORIGINS = {
    **dict.fromkeys(["uvicorn/server.py", "starlette/routing.py", "fastapi/routing.py"], "library"),
    **dict.fromkeys(["json/__init__.py", "json/encoder.py", LOAD.file], "runtime"),
}
KIND_OF = kinds_of(ORIGINS)


def folded(*path):
    return fold_libraries((ROOT, *path), KIND_OF)[1:]


def one(names):
    return Frame(names, "")


def test_the_programs_own_code_is_in_sight():
    path = (SERVE, ROUTER, ROUTE, GET, APP, REPORT, DIGEST)
    assert folded(*path) == (one("(uvicorn, starlette)"), GET, one("(fastapi)"), REPORT, DIGEST)


def test_a_run_is_named_by_its_packages_in_their_order():
    assert folded(APP, ROUTER, APP, DUMPS, REPORT)[0] == one("(fastapi, starlette, json)")


def test_many_packages_are_cut_after_four():
    files = [Frame("f", f"{name}/a.py", 1) for name in "abcde"]
    kind_of = kinds_of({frame.file: "library" for frame in files})
    assert fold_libraries((ROOT, *files), kind_of)[1:] == (one("(a, b, c, d, ...)"),)


def test_what_the_program_called_keeps_its_name_if_it_is_one_function():
    assert folded(REPORT, DUMPS) == (REPORT, DUMPS)
    assert folded(REPORT, DUMPS, ENCODE) == (REPORT, one("(json)"))
    assert folded(REPORT, DUMPS, IDLE) == (REPORT, one("(json)"), IDLE)
    assert folded(RUNTIME, SERVE) == (RUNTIME, one("(uvicorn)"))
    assert folded(SERVE) == (one("(uvicorn)"),)


def test_awaits_and_states_stay():
    path = (RUNTIME, ROUTER, ROUTE, SLEEP, IDLE)
    assert folded(*path) == (RUNTIME, one("(starlette)"), SLEEP, IDLE)


def test_imports_are_told_apart():
    assert folded(SERVE, LOAD, LOAD, REPORT, LOAD) == (IMPORTING, REPORT, LOAD)
    assert folded(SERVE, LOAD) == (IMPORTING,)


def test_functions_without_a_package_have_a_name_too():
    made = Frame("__create_fn__.<locals>.__init__", "<string>", 2)
    assert folded(made, made, REPORT) == (one("(runtime functions)"), REPORT)


def test_equal_stacks_add_up():
    times = {(ROOT, SERVE): 1, (ROOT, SERVE, SERVE): 2, (ROOT, REPORT): 4}
    assert fold_times(times, KIND_OF) == {(ROOT, one("(uvicorn)")): 3, (ROOT, REPORT): 4}


def test_labels_are_folded_by_guess():
    stacks = {
        tuple(frame.label for frame in (ROOT, SERVE, ROUTER, REPORT, DUMPS)): 5,
        tuple(frame.label for frame in (ROOT, SERVE, REPORT, DUMPS)): 2,
        ("main", "f (a.py:0012)"): 1,
    }
    assert fold_labels(stacks) == {
        ("all-spans", "(uvicorn, starlette)", REPORT.label, DUMPS.label): 5,
        ("all-spans", "(uvicorn)", REPORT.label, DUMPS.label): 2,
        ("main", "f (a.py:0012)"): 1,
    }


@given(PROFILES)
def test_no_time_is_lost_and_folding_twice_changes_nothing(profile):
    kind_of = kinds_of(profile.origins)
    times = {path: each.busy for path, each in profile.stacks.items()}
    once = fold_times(times, kind_of)
    assert sum(once.values()) == sum(times.values())
    assert fold_times(once, kind_of) == once
