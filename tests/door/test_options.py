"""Options of a recording that come through the door."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.door.test_protocol import VALUES
from tracetools.door.options import OPTIONS, options_of
from tracetools.door.protocol import RefusedError
from tracetools.session.options import Options


def test_plain_values_are_taken():
    assert options_of({}) == Options(flush_interval=None)
    given = {"functions": True, "lens": "idle", "blocking": None, "max_stacks": 5, "keep": 0.5}
    assert options_of(given) == Options(**given, flush_interval=None)
    assert options_of({"clock": "cpu"}).clock is time.thread_time_ns


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "the options are no object"),
        ({"file": "/etc/passwd"}, "no option 'file'"),
        ({"flush_interval": 1}, "no option 'flush_interval'"),
        ({"clock": "sundial"}, "clock is one of wall, cpu"),
        ({"lens": ["busy"]}, "lens is one of busy"),
        ({"labels": 1}, "labels is one of name"),
        ({"max_depth": 0}, "max_depth is a whole number"),
        ({"max_stacks": True}, "max_stacks is a whole number"),
        ({"functions": 1}, "functions is True or False"),
        ({"blocking": "soon"}, "blocking is a number of seconds"),
        ({"keep": 1e300}, "keep is a number of seconds"),
    ],
)
def test_others_are_refused(given, says):
    with pytest.raises(RefusedError, match=says) as caught:
        options_of(given)
    assert caught.value.kind == "options"


@given(st.dictionaries(st.sampled_from([*OPTIONS, "other"]), VALUES, max_size=4) | VALUES)
def test_any_values_are_taken_or_refused(values):
    with contextlib.suppress(RefusedError):
        assert isinstance(options_of(values), Options)
