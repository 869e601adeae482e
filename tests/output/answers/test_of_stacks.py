"""What folded stacks say."""

from tests.output.answers.profiles import DIGEST, GET_ROW, MAIN, MS, POOL, REPORT, ROUTER, ROW
from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.core.stacks import DEEPER, ROOT, WAITING, Frame, Times
from tracetools.output.answers.of_stacks import answers_of_stacks, profile_of_stacks

STACKS = {
    (ROOT,): 5 * MS,
    (ROOT, WAITING): 5 * MS,
    (ROOT, ROUTER, REPORT, DIGEST): 80 * MS,
    (ROOT, ROUTER, REPORT, DIGEST, SCHEDULED): 3 * MS,
    (ROOT, ROUTER, REPORT, DIGEST, ROUTER): 10 * MS,
    (ROOT, GET_ROW, ROW, POOL, IDLE): 40 * MS,
    (ROOT, GET_ROW, ROW, POOL): 2 * MS,
}


def test_states_are_taken_from_leaves():
    profile = profile_of_stacks(STACKS)
    assert profile.stacks[ROOT, ROUTER, REPORT, DIGEST] == Times(busy=80 * MS, scheduled=3 * MS)
    assert profile.stacks[ROOT, GET_ROW, ROW, POOL] == Times(idle=42 * MS)
    assert profile.origins == {"starlette/routing.py": "library"}
    profile.check()


def test_answers():
    found = answers_of_stacks(profile_of_stacks(STACKS))
    assert [(each.function, each.total) for each in found.computes.answers] == [("digest", 90 * MS)]
    assert [(each.location, each.what) for each in found.waits.answers] == [
        ("app.py:31", "Semaphore")
    ]
    assert [each.function for each in found.late.answers] == ["digest"]
    assert found.blocks.note == "Folded stacks do not say: give a profile."


def test_what_stacks_do_not_say():
    found = answers_of_stacks(profile_of_stacks({(ROOT, MAIN): 5}))
    notes = {group.note for group in (found.blocks, found.waits, found.late)}
    assert notes == {"Folded stacks do not say: give a profile."}


def test_no_stacks():
    assert profile_of_stacks({}).duration == 0
    assert profile_of_stacks({(): 5}).duration == 5


def test_what_is_too_deep_is_one_frame():
    frames = [Frame(f"f{number}") for number in range(60_000)]
    profile = profile_of_stacks({(ROOT, *frames): 5, (ROOT, *frames[:3_000], IDLE): 2, (ROOT,): 1})
    [path] = [path for path in profile.stacks if len(path) > 1]
    assert (len(path), path[-1], profile.stacks[path]) == (2_001, DEEPER, Times(busy=5, idle=2))
    assert profile.truncated
    assert answers_of_stacks(profile).computes.whole == 6
    profile.check()
