"""A batch as rows: bounded texts, frames that come back, numbers that fit."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.fleet.simulated import NOON, Shop
from tracetools.core.profile import Profile
from tracetools.core.slow_spans import SlowSpans
from tracetools.core.stacks import ROOT, Blocks, Frame
from tracetools.fleet import rows
from tracetools.fleet.batch import Batch, Source
from tracetools.fleet.rows import (
    UNKNOWN,
    batch_row,
    blocks_of,
    clean,
    frames_of,
    packed_path,
    paths_of,
    rest_of,
    stack_number,
)
from tracetools.fleet.schema import BATCHES

FRAMES = st.builds(Frame, st.text(), st.none() | st.text(), st.integers(0, 2**31))


def row_of(batch: Batch):
    return batch_row(
        batch, {path: n for n, path in enumerate(sorted(paths_of(batch.profile), key=str))}
    )


@given(st.lists(FRAMES, min_size=1).map(tuple))
def test_frames_come_back_from_their_text(path):
    assert frames_of(packed_path(path)) == path


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_a_text_that_is_none_of_ours_is_an_unknown_stack(text):
    assert frames_of(text) == UNKNOWN or frames_of(packed_path(frames_of(text))) == frames_of(text)


def test_the_number_of_a_stack_is_the_same_everywhere():
    assert stack_number('[["all-spans","",0]]') == 5389554242300964130


@given(st.text())
def test_any_text_becomes_one_that_every_engine_takes(text):
    cleaned = clean(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned


def test_texts_and_attributes_are_bounded():
    source = Source("a" * 32, "s" * 9999, attributes={f"k{n}": "v" * 9999 for n in range(9999)})
    row = row_of(Batch(source, NOON, NOON + 1, Profile()))
    assert len(row["service"]) == 200
    assert len(row["attributes"]) < 32 * 250


def test_a_row_has_all_columns_and_arrays_of_one_length():
    row = row_of(Shop(routes=2, below=2).minute("1", 0, 0))
    assert row.keys() == {column.name for column in BATCHES.columns}
    for letter in "tlmb":
        assert len({len(row[name]) for name in row if name.startswith(f"{letter}_")}) == 1


def test_a_stack_without_any_number_takes_no_place():
    batch = Shop(routes=2, below=2).minute("1", 0, 0)
    assert (ROOT,) in batch.profile.stacks
    assert (ROOT,) not in paths_of(batch.profile)
    assert 0 not in row_of(batch)["t_steps"] or len(row_of(batch)["t_stack"]) < len(
        batch.profile.stacks
    )


def test_blocking_steps_come_back_from_the_order_of_the_columns():
    blocks = Blocks(*range(1, len(Blocks._fields) + 1))
    path = (ROOT, Frame("x"))
    row = row_of(Batch(Source("a" * 32, "s"), NOON, NOON, Profile(blocking={path: blocks})))
    names = [c.name for c in BATCHES.columns if c.name.startswith("b_") and c.name != "b_stack"]
    assert blocks_of(row[name][0] for name in names) == blocks


def test_a_rest_that_is_too_long_goes_without_the_long_parts(monkeypatch):
    path = (ROOT, Frame("x"))
    profile = Profile(slow={path: SlowSpans()}, origins={f"file{n}.py": "own" for n in range(99)})
    monkeypatch.setattr(rows, "_MOST_REST", 1_000)
    rest = rest_of(row_of(Batch(Source("a" * 32, "s"), NOON, NOON, profile))["rest"])
    assert rest is not None
    assert (dict(rest.origins), [*rest.slow]) == ({}, [path])


def test_a_rest_that_makes_no_sense_is_none():
    assert rest_of("{}") is None
    assert rest_of("\0") is None
