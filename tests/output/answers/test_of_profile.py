"""All four answers of a profile."""

import pytest
from hypothesis import given

from tests.output.answers.profiles import PLAIN, SERVER
from tests.strategies import PROFILES
from tracetools.core.profile import Profile
from tracetools.core.stacks import Times, is_of_loop
from tracetools.output.answers import gathering
from tracetools.output.answers.of_profile import answers_of


def heads(group):
    return [
        (answer.kind, answer.location, answer.function, answer.what, answer.for_whom, answer.total)
        for answer in group.answers
    ]


MS = 10**6


def test_a_server():
    found = answers_of(SERVER, lambda _, line: f"text of {line}")
    assert heads(found.blocks) == [
        (
            *("blocking-call", "app.py:22", "read_settings", "text of 22"),
            *(("GET /settings",), 470 * MS),
        )
    ]
    assert heads(found.waits) == [
        ("sleep", "app.py:32", "row", "sleep", ("GET /row/{n}",), 5000 * MS),
        ("limited", "app.py:31", "row", "Semaphore", ("GET /row/{n}",), 4000 * MS),
        ("thread", "app.py:35", "GET /static", "to_thread (static)", (), 1000 * MS),
    ]
    assert heads(found.computes) == [
        (
            *("function", "app.py:11", "digest", ""),
            *(("GET /report/{year}", "GET /settings"), 720 * MS),
        ),
        ("function", "app.py:17", "report", "in json", ("GET /report/{year}",), 80 * MS),
        ("function", "app.py:20", "read_settings", "", ("GET /settings",), 40 * MS),
    ]
    assert heads(found.late) == [
        ("task", "", "tasks of uvicorn", "outside of own code", (), 300 * MS),
        ("span", "app.py:29", "GET /row/{n}", "", (), 120 * MS),
        ("span", "app.py:17", "GET /report/{year}", "", (), 60 * MS),
    ]


def test_quiet_entries_of_a_server():
    found = answers_of(SERVER)
    assert [[(each.kind, each.total) for each in group.quiet] for group in found] == [
        [("imports", 50 * MS)],
        [("servers", 2300 * MS)],
        [("imports", 50 * MS), ("libraries", 40 * MS)],
        [("servers", 1 * MS)],
    ]


def test_a_plain_program_without_functions():
    found = answers_of(PLAIN)
    assert [heads(group) for group in found] == [
        [],
        [("limited", "plain.py:8", "fetch", "CapacityLimiter", ("handle",), 3000 * MS)],
        [
            ("stack", "plain.py:11", "handle", "", (), 95 * MS),
            ("stack", "plain.py:19", "main", "", (), 5 * MS),
        ],
        [],
    ]


def test_an_empty_profile_has_no_answers():
    assert [[*group.answers, *group.quiet] for group in answers_of(Profile())] == [[]] * 4


@given(PROFILES)
def test_answers_of_any_profile(profile):
    found = answers_of(profile)
    for group in found:
        for answer in (*group.answers, *group.quiet):
            assert 0 <= answer.share <= 1
            assert answer.total > 0
            assert answer.paths
            assert answer.sentence.endswith(".")
    known = {*profile.stacks}
    for group in (found.waits, found.computes, found.late):
        assert {path for answer in group.answers for path in answer.paths} <= known


@given(PROFILES)
def test_each_nanosecond_is_in_one_entry_at_most(profile):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "MOST_PATHS", len(profile.stacks))
        found = answers_of(profile)
    for group, lens in ((found.computes, "busy"), (found.waits, "idle"), (found.late, "scheduled")):
        entries = (*group.answers, *group.quiet)
        paths = [path for answer in entries for path in answer.paths]
        assert len(paths) == len(set(paths))
        for answer in entries:
            times = [getattr(profile.stacks[path], lens) for path in answer.paths]
            assert answer.total <= sum(times)
    busy = sum(t.busy for path, t in profile.stacks.items() if not is_of_loop(path))
    assert sum(answer.total for answer in (*found.computes.answers, *found.computes.quiet)) <= busy


def test_a_stack_without_frames_is_nobodys():
    found = answers_of(Profile({(): Times(busy=1, idle=1, entries=1)}, duration=1))
    assert [group.answers for group in found] == [()] * 4
