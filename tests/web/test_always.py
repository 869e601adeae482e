"""What is recorded all the time: begun when it is wanted, once, and ended with the application."""

from __future__ import annotations

import os

import pytest

from tracetools.recording import forks
from tracetools.recording.current import recorders
from tracetools.session.recording import Recording
from tracetools.web import always as module
from tracetools.web.always import Always


@pytest.fixture
def always():
    made = Always(None, None, is_wanted=True)
    yield made
    made.close()
    assert made not in forks._followers


def test_it_begins_when_a_profile_is_asked_for_and_once(always):
    assert not always.is_on
    assert [always.profile()[0] for _ in range(3)] == [1, 1, 1]
    assert always.is_on


def test_it_begins_again_after_its_end(always):
    always.begin()
    always.close()
    always.close()
    assert not always.is_on
    assert always.profile()[0] == 2


def test_one_that_was_stopped_by_an_error_is_replaced_after_a_while(always, monkeypatch):
    always.begin()
    always._late.recording.recorder.stopped = True
    assert always.profile()[0] == 1
    monkeypatch.setattr(module, "_APART", -1.0)
    assert always.profile()[0] == 2


def test_nothing_begins_that_is_not_wanted():
    always = Always(None, None, is_wanted=False)
    number, profile = always.profile()
    assert (number, profile.runs, always.is_on) == (0, 0, False)


def test_that_of_the_program_is_read_and_never_ended():
    class Own:
        profile = "profile"
        kept_folder = None

    own = Always(Own(), None, is_wanted=True)
    assert own.profile() == (0, "profile")
    own.close()
    assert own.is_on
    assert not own.keeps
    assert own.pages is None


def test_it_is_bounded_and_logs_nothing(always):
    always.begin()
    recording = always._late.recording
    assert isinstance(recording, Recording)
    assert not recording.is_to_be_shown
    assert always._options.max_stacks == 5_000
    assert always._options.scheduled


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_forked_child_has_none_and_begins_its_own(always):
    always.begin()
    child = os.fork()
    if not child:
        fine = not always.is_on and not recorders and always.profile()[0] == 2
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert always.is_on
