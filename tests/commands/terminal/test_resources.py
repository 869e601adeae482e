"""What tasks waited for of locks and queues, letter by letter."""

from hypothesis import given

from tests.output.test_resource_findings import HELD, LOCK, MAIN, QUEUE, S
from tests.strategies import PROFILES
from tracetools.commands.terminal.resources import resources_in_lines
from tracetools.commands.terminal.screen import Screen
from tracetools.commands.terminal.summary import summary
from tracetools.core.profile import Profile
from tracetools.core.resources import Resource
from tracetools.output.answers.of_profile import answers_of

PROFILE = Profile(resources={LOCK: HELD, Resource("Queue", MAIN): QUEUE}, duration=S)

TEXT = """\
Locks and queues (tasks waited 1.47 s for them in all)
     1.45 s  Lock (app.py:17): waited for 5 times, 290 ms at
             most, up to 5 at once, 1 gave up; held 6 times,
             300 ms at most, most by hold (app.py:6), over await
             sleep (app.py:7); taken for 100 % of the time
      20 ms  Queue (app.py:1): waited for 3 times, 9 ms at most;
             full for 50 % of the time; 5 items put, 5 taken;
             1.5 in it on average, 2 at most"""


def test_each_has_an_entry():
    assert "\n".join(resources_in_lines(PROFILE, Screen(64), 5)) == TEXT


def test_some_are_left_out():
    lines = resources_in_lines(PROFILE, Screen(64), 1)
    assert lines[1:5] == TEXT.splitlines()[1:5]
    assert lines[5:] == ["  ... and 1 more"]


def test_nothing_is_said_of_nothing():
    assert resources_in_lines(Profile(), Screen(64), 5) == []


def test_the_summary_has_them_before_what_else_stands_out():
    text = summary(PROFILE, answers_of(PROFILE), Screen(64))
    assert TEXT in text
    assert text.index("Locks and queues") < text.index("What else stands out")


@given(PROFILES)
def test_any_profile_can_be_shown(profile):
    assert all(line.isascii() for line in resources_in_lines(profile, Screen(40), 3))
