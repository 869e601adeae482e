"""Packed stacks of labels fold as paths of frames do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.output.formats.folded import pack, unpack
from tracetools.output.frame_kinds import frame_of_label, kinds_by_guess
from tracetools.output.report.packed_folding import PackedFolding
from tracetools.output.report.transforms import all_frames, own_first

LABELS = [
    "all-spans",
    "serve (app.py:1)",
    "GET /",
    "Router.app (starlette/routing.py:3)",
    "run (uvicorn/server.py:5)",
    "dumps (json/__init__.py:5)",
    "_find_and_load (<frozen importlib._bootstrap>:6)",
    "await Event.wait (app.py:7)",
    "(importing)",
    "(json)",
    "[idle]",
]
stacks = st.lists(st.sampled_from(LABELS), min_size=1, max_size=8).map(tuple)


def as_labels(path):
    return tuple(frame.label for frame in path)


@given(stacks)
def test_a_packed_stack_folds_as_its_frames_do(stack):
    path = tuple(map(frame_of_label, stack))
    folding = PackedFolding()
    assert unpack(folding.own_first(pack(stack))) == as_labels(own_first(path, kinds_by_guess()))
    assert unpack(folding.all_frames(pack(stack))) == as_labels(all_frames(path))


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("serve (app.py:1)", "own"),
        ("(start-up)", "state"),
        ("dumps (json/__init__.py:5)", "runtime"),
    ],
)
def test_a_label_has_the_kind_of_its_frame(label, kind):
    assert PackedFolding().kind_of(label) == kind
