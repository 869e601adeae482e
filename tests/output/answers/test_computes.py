"""What computes."""

from tests.output.answers.profiles import MAIN, MS, PLAIN, READ, REQUEST, SERVE, SERVER
from tracetools.core.profile import Profile
from tracetools.core.stacks import CALLBACKS, ROOT, RUNTIME, Frame, Times
from tracetools.output.answers.computes import computes_of
from tracetools.output.answers.places import Places


def computes(profile):
    return computes_of(profile, Places(profile))


def test_sentences():
    group = computes(SERVER)
    assert [answer.sentence for answer in group.answers] == [
        (
            "digest (app.py:11) was busy for 720 ms, 48 % of the time that loops ran,"
            " for GET /report/{year}, GET /settings."
        ),
        (
            "report (app.py:17) was busy for 80 ms, 5.3 % of the time that loops ran,"
            " for GET /report/{year} (in json)."
        ),
        (
            "read_settings (app.py:20) was busy for 40 ms, 2.7 % of the time that loops ran,"
            " for GET /settings."
        ),
    ]
    assert [answer.sentence for answer in group.quiet] == [
        "Imports took 50 ms: start-up.",
        "Libraries were busy for 40 ms outside of own code (starlette).",
    ]
    assert group.note == ""


def test_the_time_of_blocking_calls_is_not_computing():
    (settings,) = [answer for answer in computes(SERVER).answers if answer.function == READ.name]
    assert sum(SERVER.stacks[path].busy for path in settings.paths) == 500 * MS
    assert settings.total == 40 * MS


def test_without_functions_it_is_by_task_and_says_so():
    group = computes(PLAIN)
    assert [answer.kind for answer in group.answers] == ["stack", "stack"]
    assert group.note.endswith("record with --functions.")


def test_without_functions_the_tasks_of_libraries_are_all_that_is_known():
    stacks = {(ROOT, SERVE): Times(busy=5, entries=1), REQUEST: Times(busy=9, entries=1)}
    (first, second) = computes(Profile(stacks=stacks, origins=SERVER.origins)).answers
    assert (first.function, first.total, first.is_own) == (REQUEST[-1].name, 9, False)
    assert second.function == "Server.serve"


def test_tasks_of_the_backend_are_never_answers():
    init = Frame("Runner.init", "trio/_core/_run.py", 2144)
    stacks = {(ROOT, RUNTIME, init): Times(busy=5, entries=1), (ROOT, MAIN): Times(entries=1)}
    group = computes(Profile(stacks=stacks, origins={"trio/_core/_run.py": "library"}))
    assert group.answers == ()
    assert [answer.kind for answer in group.quiet] == ["libraries"]


def test_callbacks_of_the_program_compute_too():
    call = Frame("call", "app.py", 3)
    stacks = {(ROOT, CALLBACKS, call): Times(busy=5), (ROOT, MAIN): Times(entries=1)}
    (answer,) = computes(Profile(stacks=stacks, samples=1)).answers
    assert answer.location == "app.py:3"
