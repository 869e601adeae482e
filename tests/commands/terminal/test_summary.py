"""The answers on a terminal, letter by letter."""

from dataclasses import replace

import pytest
from hypothesis import given

from tests.output.answers.profiles import MAIN, MS, PLAIN, SERVER
from tests.strategies import PROFILES
from tracetools.commands.terminal.screen import Screen, Style
from tracetools.commands.terminal.summary import (
    answers_in_lines,
    at_end,
    summary,
    what_else_stands_out,
)
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Times
from tracetools.output.answers.of_profile import answers_of

ANSWERS = answers_of(SERVER, lambda _, line: "time.sleep(0.15)" if line == 22 else "")

NARROW = """\
What blocks the loop (parts of 1.5 s that loops ran; steps
  of more than 100 ms)
     470 ms   31 %  read_settings (app.py:22):
                    time.sleep(0.15), 3 times, 160 ms at
                    most, for GET /settings

What is waited for (parts of 10 s that the program's own
  code waited)
        5 s   50 %  row (app.py:32): sleep, for GET /row/{n}
        4 s   40 %  row (app.py:31): Semaphore, for
                    GET /row/{n}
        1 s   10 %  GET /static (app.py:35): to_thread
                    (static)

What computes (parts of 1.5 s that loops ran)
     720 ms   48 %  digest (app.py:11), for
                    GET /report/{year}, GET /settings
      80 ms  5.3 %  report (app.py:17): in json, for
                    GET /report/{year}
      40 ms  2.7 %  read_settings (app.py:20), for
                    GET /settings

What came late (parts of 480 ms that ready tasks waited)
     300 ms   62 %  tasks of uvicorn: outside of own code,
                    3 ms before each of 100 steps
     120 ms   25 %  GET /row/{n} (app.py:29): 1 ms before
                    each of 120 steps
      60 ms   12 %  GET /report/{year} (app.py:17): 1.5 ms
                    before each of 40 steps
  Meanwhile the loop ran digest (app.py:11) for 52 % of its
  busy time."""

USUAL = """\
What blocks the loop (parts of 1.5 s that loops ran; steps of more than 100 ms)
     470 ms   31 %  read_settings (app.py:22): time.sleep(0.15), 3 times, 160 ms
                    at most, for GET /settings

What is waited for (parts of 10 s that the program's own code waited)
        5 s   50 %  row (app.py:32): sleep, for GET /row/{n}
        4 s   40 %  row (app.py:31): Semaphore, for GET /row/{n}
        1 s   10 %  GET /static (app.py:35): to_thread (static)

What computes (parts of 1.5 s that loops ran)
     720 ms   48 %  digest (app.py:11), for GET /report/{year}, GET /settings
      80 ms  5.3 %  report (app.py:17): in json, for GET /report/{year}
      40 ms  2.7 %  read_settings (app.py:20), for GET /settings

What came late (parts of 480 ms that ready tasks waited)
     300 ms   62 %  tasks of uvicorn: outside of own code, 3 ms before each of
                    100 steps
     120 ms   25 %  GET /row/{n} (app.py:29): 1 ms before each of 120 steps
      60 ms   12 %  GET /report/{year} (app.py:17): 1.5 ms before each of 40
                    steps
  Meanwhile the loop ran digest (app.py:11) for 52 % of its busy time."""

WIDE = """\
What blocks the loop (parts of 1.5 s that loops ran; steps of more than 100 ms)
     470 ms   31 %  read_settings (app.py:22): time.sleep(0.15), 3 times, 160 ms at most, for GET /settings

What is waited for (parts of 10 s that the program's own code waited)
        5 s   50 %  row (app.py:32): sleep, for GET /row/{n}
        4 s   40 %  row (app.py:31): Semaphore, for GET /row/{n}
        1 s   10 %  GET /static (app.py:35): to_thread (static)

What computes (parts of 1.5 s that loops ran)
     720 ms   48 %  digest (app.py:11), for GET /report/{year}, GET /settings
      80 ms  5.3 %  report (app.py:17): in json, for GET /report/{year}
      40 ms  2.7 %  read_settings (app.py:20), for GET /settings

What came late (parts of 480 ms that ready tasks waited)
     300 ms   62 %  tasks of uvicorn: outside of own code, 3 ms before each of 100 steps
     120 ms   25 %  GET /row/{n} (app.py:29): 1 ms before each of 120 steps
      60 ms   12 %  GET /report/{year} (app.py:17): 1.5 ms before each of 40 steps
  Meanwhile the loop ran digest (app.py:11) for 52 % of its busy time."""  # noqa: E501


@pytest.mark.parametrize(("width", "text"), [(60, NARROW), (80, USUAL), (160, WIDE)])
def test_answers_are_as_wide_as_the_terminal(width, text):
    assert summary(SERVER, ANSWERS, Screen(width)) == text
    assert max(map(len, text.splitlines())) <= width


def test_what_was_not_recorded_is_said():
    assert (
        summary(PLAIN, answers_of(PLAIN), Screen(80))
        == """\
What blocks the loop: blocking steps were not counted: record with --blocking.

What is waited for (parts of 3 s that the program's own code waited)
        3 s  100 %  fetch (plain.py:8): CapacityLimiter, wanted by 60 tasks at
                    one time, for handle

What computes (parts of 200 ms that loops ran)
      95 ms   48 %  handle (plain.py:11)
       5 ms  2.5 %  main (plain.py:19)
  Functions were not recorded, so this is by tasks and spans: record with
  --functions.

What came late: not measured, so it is part of what is waited for: record with
  --scheduled."""
    )


def test_an_empty_profile():
    profile = Profile(blocking_threshold=100 * MS, scheduled_measured=True, samples=1)
    assert (
        summary(profile, answers_of(profile), Screen(80))
        == """\
What blocks the loop: no step took more than 100 ms.

What is waited for: nothing of the program's own.

What computes: nothing of the program's own.

What came late: no task."""
    )


def test_a_low_screen_gets_fewer_entries():
    lines = answers_in_lines(ANSWERS, Screen(80, lines=17))
    assert len(lines) <= 17
    assert [line for line in lines if " 12 %" in line] == []
    assert [line for line in lines if line.startswith("  ... and")] == []


def test_lines_that_block_and_have_no_room_are_counted():
    blocking = replace(ANSWERS.blocks, answers=ANSWERS.blocks.answers[:1] * 5)
    lines = answers_in_lines(ANSWERS._replace(blocks=blocking), Screen(80))
    assert "  ... and 2 more" in lines


def test_rows_of_nothing_are_left_out():
    small = replace(SERVER, duration=10**12)
    text = summary(small, answers_of(small), Screen(80))
    assert "What computes: nothing of the program's own." in text
    assert "read_settings (app.py:22)" in text  # it blocked all the same


def test_colours_are_around_whole_lines():
    lines = answers_in_lines(ANSWERS, Screen(80, Style(has_colour=True)))
    plain = answers_in_lines(ANSWERS, Screen(80))
    assert len(lines) == len(plain)
    assert lines[0].startswith("\x1b[1mWhat blocks the loop\x1b[0m\x1b[2m (parts of")
    assert lines[1].startswith("\x1b[31m     470 ms   31 %  \x1b[0mread_settings")


def test_quiet_entries_are_shown_if_asked_for():
    lines = answers_in_lines(ANSWERS, Screen(200), has_quiet=True)
    assert "  Imports blocked the loop once, for 50 ms: start-up." in lines
    assert "  Servers waited 2.3 s in all for requests, timeouts and their end." in lines


def test_other_lints_are_told_below():
    stacks = {(ROOT, MAIN): Times(busy=2 * 10**9, steps=1, entries=1, left_open=1)}
    profile = Profile(stacks=stacks, untracked=3)
    assert what_else_stands_out(profile, 80, 2) == [
        "What else stands out",
        "  never-yielded: ran for 2 s, with at most one pause: ... > main (plain.py:19)",
        "  left-open: 1 span was open when the task had finished: ... > main (plain.py:19)",
        "  ... and 1 more: see the report",
    ]


def test_at_the_end_there_is_a_screen_of_it():
    text = at_end(SERVER)
    assert text.isascii()
    assert 10 < len(text.splitlines()) <= 26


@given(PROFILES)
def test_any_profile_can_be_shown(profile):
    for width in (20, 80):
        assert summary(profile, answers_of(profile), Screen(width, lines=24)).isascii()
