"""Valid files that were tampered with: what readers must survive."""

from __future__ import annotations

import io
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.output.formats.test_profile_json import GOOD
from tracetools.core.errors import TracetoolsError
from tracetools.core.stacks import Times
from tracetools.output.formats.content import Content
from tracetools.output.formats.reading import load_content

relaxed = settings(
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""For tests whose values take long to draw."""

PROFILE = replace(
    GOOD,
    stacks={path: Times(*(10**6 * each for each in GOOD.stacks[path])) for path in GOOD.stacks},
)
"""One with milliseconds, which folded text can show."""


def read_bytes(data: bytes, **options) -> Content:
    """Return what a file with these bytes holds."""
    return load_content(io.BytesIO(data), "a file", **options)


def read_or_refuse(data: bytes) -> str | None:
    """Return the message of our own error, or None; any other error escapes."""
    try:
        assert read_bytes(data).description
    except TracetoolsError as error:
        said = str(error)
    else:
        return None
    assert said.startswith("a file: ")
    return said


@st.composite
def mutated(draw, data: bytes) -> bytes:
    """Return some bytes with a few changes: cut, doubled, replaced, inserted."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(changed) - 1)))
        kind = draw(st.sampled_from(["cut", "delete", "double", "replace", "insert"]))
        if kind == "cut":
            del changed[at:]
        elif kind == "delete":
            del changed[at : at + draw(st.integers(1, 9))]
        elif kind == "double":
            changed[at:at] = changed[at : at + draw(st.integers(1, 40))]
        elif kind == "replace" and changed:
            changed[at] = draw(st.integers(0, 255))
        else:
            changed[at:at] = draw(st.sampled_from(SPLINTERS) | st.binary(max_size=9))
    return bytes(changed)


SPLINTERS = [
    b"null",
    b"-1",
    b"1e400",
    b"NaN",
    b"[[[[[[",
    b'{"a":',
    b"1" * 5000,
    b"\xff" * 10,
    b"\x80" * 9 + b"\x01",
    b"\0",
    b"\n",
    b";",
]
