"""The lines of the protocol: both ways, and what is refused."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.door import protocol
from tracetools.door.protocol import RefusedError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(st.characters(categories=["Ll"]), min_size=1).filter(
    lambda name: name not in {"tracetools", "ask", "bytes", "refused", "text", "what", "count"}
)


@given(st.text(), st.dictionaries(NAMES, VALUES, max_size=3))
def test_a_request_comes_through(ask, values):
    line = protocol.request_line(ask, **values)
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    assert protocol.parse_request(line[:-1]) == (ask, values)


@given(st.integers(0, protocol.MOST_BYTES), st.dictionaries(NAMES, VALUES, max_size=3))
def test_an_answer_comes_through(count, values):
    assert protocol.parse_answer(protocol.answer_line(count, **values)) == (count, values)


@given(st.text(min_size=1), st.text())
def test_a_refusal_comes_through(kind, text):
    line = protocol.refusal_line(RefusedError(kind, text))
    with pytest.raises(RefusedError) as caught:
        protocol.parse_answer(line)
    assert (caught.value.kind, caught.value.text) == (kind, text)


def test_a_long_refusal_is_cut_to_fit_a_line():
    line = protocol.refusal_line(RefusedError("failed", "\U0001f600" * protocol.LONGEST_LINE))
    assert len(line) < protocol.LONGEST_LINE


def parse_both(line):
    """Only our own error may escape."""
    for parse in (protocol.parse_request, protocol.parse_answer):
        with contextlib.suppress(RefusedError):
            parse(line)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(line):
    parse_both(line)


@given(VALUES)
def test_any_json_is_parsed_or_refused(value):
    for outer in (value, {"tracetools": value}, {"tracetools": 1, "ask": value, "bytes": value}):
        line = json.dumps(outer).encode()
        parse_both(line)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "malformed"),
        (b"[" * 60_000, "malformed"),
        (b'{"tracetools": 1}', "malformed"),
        (b'{"tracetools": true, "ask": "hello"}', "malformed"),
        (b'{"tracetools": 1, "ask": "hello", "x": NaN}', "malformed"),
        (b'{"tracetools": 2, "ask": "hello"}', "version"),
        (b'{"tracetools": 1' + b"0" * 5000 + b', "ask": "hello"}', "malformed"),
    ],
)
def test_what_makes_no_sense_is_refused(line, kind):
    with pytest.raises(RefusedError) as caught:
        protocol.parse_request(line)
    assert caught.value.kind == kind


@pytest.mark.parametrize("count", ["-1", "true", "1e3", "null", str(protocol.MOST_BYTES + 1)])
def test_an_answer_says_how_long_it_is(count):
    with pytest.raises(RefusedError, match="how many bytes"):
        protocol.parse_answer(f'{{"tracetools": 1, "bytes": {count}}}'.encode())
