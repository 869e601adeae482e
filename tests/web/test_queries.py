"""What queries ask for, and that each that makes no sense is refused by a sentence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.web.messages import RefusedError
from tracetools.web.queries import FORMATS, parameters, wish_of

KNOWN = ("seconds", "lens", "functions", "format")


def wish(query, most=60.0, formats=tuple(FORMATS)):
    return wish_of(parameters(query.encode(), KNOWN), most, formats)


def refused(query, known=KNOWN):
    with pytest.raises(RefusedError) as error:
        wish_of(parameters(query.encode(), known), 60.0, tuple(FORMATS))
    return error.value.response.status, error.value.response.body.decode()


def test_what_is_not_said_is_as_usual():
    assert wish("")._replace(functions=False) == (10.0, "busy", False, "profile")
    assert wish("seconds=&lens=&format=") == wish("")
    assert wish("", most=5.0).seconds == 5.0


def test_all_can_be_said():
    assert wish("seconds=2.5&lens=idle&functions=no&format=pprof") == (2.5, "idle", False, "pprof")
    assert wish("functions=ON").functions is True


@pytest.mark.parametrize(
    "seconds", ["nan", "-1", "0", "1e9", "inf", "-inf", "60.01", "ten", "1,5", "0x10", "1" * 400]
)
def test_seconds_out_of_bounds_are_refused(seconds):
    status, text = refused(f"seconds={seconds}")
    assert status == 400
    assert text.startswith("seconds is a number from 0.05 to 60, not '")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("lens=critical", "lens is one of busy, idle, scheduled, task, chain, not 'critical'"),
        ("format=exe", "format is one of profile, folded, "),
        ("functions=maybe", "functions is yes or no, not 'maybe'"),
        ("depth=3", "there is no parameter 'depth' here; known: seconds, lens"),
        ("seconds=1&seconds=2", "the parameter 'seconds' is given twice"),
        ("&".join(f"a{n}" for n in range(30)), "more than 20 parameters"),
        ("lens=%0d%0aSet-Cookie:x", r"not '\r\nSet-Cookie:x'"),
        ("lens=<script>", "not '<script>'"),
        ("lens=%ff%00", r"not '\ufffd\x00'"),
    ],
)
def test_what_makes_no_sense_is_refused(query, said):
    status, text = refused(query)
    assert status == 400
    assert said in text


def test_a_query_that_is_too_long_is_refused():
    assert refused("lens=" + "x" * 5_000)[0] == 414


def test_tools_may_send_parameters_of_their_own():
    assert parameters(b"seconds=1&debug=0", None) == {"seconds": "1", "debug": "0"}
    assert parameters(b"seconds=1&seconds=2", None) == {"seconds": "1"}


@given(st.binary(max_size=200))
def test_any_query_is_a_wish_or_refused(query):
    try:
        found = wish_of(parameters(query, KNOWN), 60.0, tuple(FORMATS))
    except RefusedError:
        return
    assert math.isfinite(found.seconds)
    assert 0 < found.seconds <= 60
