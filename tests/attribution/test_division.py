"""Dividing time by samples: nothing is lost, nothing is invented."""

from hypothesis import given
from hypothesis import strategies as st

from tracetools.attribution.division import WeightedSamples, divide
from tracetools.core.stacks import Frame, Stack, StackTree

ROOT = StackTree().root
A, B, C = (StackTree().child(ROOT, Frame(name)) for name in "abc")


def test_samples_are_weighed_and_not_counted():
    assert divide(1000, {A: 30, B: 10}) == {A: 60, B: 20}  # twice their weight
    assert divide(40, {A: 30, B: 10}) == {A: 30, B: 10}
    assert divide(20, {A: 30, B: 10}) == {A: 15, B: 5}


def test_time_without_samples_goes_nowhere():
    assert divide(1000, {}) == {}
    assert divide(1000, {A: 0}) == {}
    assert divide(0, {A: 5}) == {A: 0}
    assert divide(-5, {A: 5}) == {A: 0}


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), max_size=3))
def test_no_more_is_given_than_there_is(total, weights):
    parts = divide(total, dict(zip((A, B, C), weights, strict=False)))
    assert sum(parts.values()) <= min(total, 2 * sum(weights))
    assert all(part >= 0 for part in parts.values())
    assert sum(parts.values()) > min(total, 2 * sum(weights)) - 3  # but for rounding


def test_a_sample_of_the_stack_itself_leaves_its_part_there():
    samples = samples_of_stacks()
    samples.add(A, ("a",), A, 10)
    samples.add(A, ("a", "b"), B, 30)
    samples.add(C, ("c", "b"), B, 5)
    assert samples.count == 3
    assert sorted(map(str, samples.divided({A: 80}))) == [str((A, B, 60))]
    assert list(samples.divided({})) == []


def samples_of_stacks() -> "WeightedSamples[Stack]":
    return WeightedSamples(lambda sample: sample)


def test_the_stack_of_a_sample_is_made_once_and_only_when_it_is_needed():
    asked = []

    def stack_of(sample: str) -> Stack:
        asked.append(sample)
        return B

    samples = WeightedSamples(stack_of)
    for _ in range(3):
        samples.add(A, ("key",), "sample", 10)
    assert asked == []
    assert list(samples.divided({A: 80})) == [(A, B, 60)]
    samples.add(A, ("key",), "sample", 10)
    samples.find_stacks()
    assert list(samples.divided({A: 80})) == [(A, B, 80)]
    assert asked == ["sample"]
    samples.forget()
    assert list(samples.divided({A: 80})) == []
    assert samples.count == 4


def test_samples_are_kept_up_to_a_total_size(monkeypatch):
    monkeypatch.setattr("tracetools.attribution.division._MAX_KEPT", 10)
    asked = []
    samples = WeightedSamples(lambda sample: asked.append(sample) or B)
    samples.add(A, tuple("abcdef"), 1, 1)
    samples.add(A, tuple("ghij"), 2, 1)
    assert asked == []
    samples.add(A, tuple("klmno"), 3, 1)
    assert asked == [1]
    samples.add(A, tuple("a much longer one"), 4, 1)
    assert asked == [1, 2, 3]
    assert list(samples.divided({A: 4})) == [(A, B, 4)]


def test_any_number_of_different_samples_takes_bounded_room(monkeypatch):
    monkeypatch.setattr("tracetools.attribution.division._MAX_KEPT", 10)
    asked = []
    samples = WeightedSamples(lambda sample: asked.append(sample) or (B, C)[sample % 2])
    for number in range(35):
        samples.add(A, (number,), number, 1)
    assert asked == list(range(25))
    assert sorted(map(str, samples.divided({A: 35}))) == [str((A, B, 18)), str((A, C, 17))]
