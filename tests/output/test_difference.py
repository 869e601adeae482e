"""What changed from one file to another."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import relaxed
from tracetools.core.stacks import ALL_WAITING, ROOT
from tracetools.output.difference import Change, Difference, growth, summed, without_waiting
from tracetools.output.formats.folded import pack

STACKS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple).map(pack)
COUNTS = st.dictionaries(STACKS, st.integers(1, 1000), min_size=1, max_size=6)

BEFORE = {b"m\0a": 60, b"m\0b": 30, b"m": 10}
AFTER = {b"m\0a": 60, b"m\0c": 50, b"m": 10}


def changes(found):
    return {change.name: change[1:] for change in found}


def test_frames_have_totals_and_self_times():
    difference = Difference(BEFORE, AFTER)
    assert difference.total == Change(b"", 100, 120, 100, 120)
    assert changes(difference.frames) == {
        b"a": (60, 60, 60, 60),
        b"b": (30, 0, 30, 0),
        b"c": (0, 50, 0, 50),
        b"m": (100, 120, 10, 10),
    }
    assert [change.status for change in difference.frames] == ["same", "vanished", "new", "grew"]
    assert [change.status for change in difference.stacks] == ["same", "same", "vanished", "new"]


def test_a_frame_that_calls_itself_counts_once():
    difference = Difference({b"a\0b\0a": 5}, {b"a\0b\0a": 4})
    assert changes(difference.frames) == {b"a": (5, 4, 5, 4), b"b": (5, 4, 0, 0)}
    assert difference.frames[0].status == "shrank"


@relaxed
@given(COUNTS, COUNTS)
def test_self_times_of_frames_make_up_the_total(before, after):
    difference = Difference(before, after)
    for index, counts in ((3, before), (4, after)):
        assert sum(change[index] for change in difference.frames) == sum(counts.values())


@relaxed
@given(COUNTS, st.integers(1, 9))
def test_scaled_files_are_equal_if_their_shares_are(counts, factor):
    more = {stack: factor * count for stack, count in counts.items()}
    difference = Difference(counts, more, normalise=True)
    assert all(change.status == "same" for change in difference.stacks)
    assert difference.failures(Fraction(0), Fraction(0)) == []


def test_growth_above_the_limit_fails():
    fails = [change.name for change in Difference(BEFORE, AFTER).failures(Fraction(1, 10), FIFTH)]
    assert fails == [b"", b"c", b"m"]


FIFTH = Fraction(1, 5)


def test_exactly_the_limit_passes():
    difference = Difference({b"a": 100}, {b"a": 110})
    assert difference.failures(Fraction(1, 10), FIFTH) == []
    assert (
        difference.failures(Fraction(99, 1000), FIFTH)
        == [*difference.frames, difference.total][::-1]
    )


def test_a_frame_below_the_least_share_is_not_looked_at():
    difference = Difference({b"a": 99, b"b": 1}, {b"a": 91, b"b": 9})
    assert difference.failures(Fraction(1, 10), Fraction(1, 10)) == []
    [failed] = difference.failures(Fraction(1, 10), Fraction(9, 100))
    assert failed.name == b"b"


def test_growth_is_a_part_of_what_was_there():
    assert growth(4, 5) == Fraction(1, 4)
    assert growth(0, 5) is None


def test_the_waiting_of_loops_is_no_work():
    waiting = {pack((ROOT.name, frame.name)): 5 for frame in ALL_WAITING}
    assert without_waiting({**waiting, b"all-spans": 1}) == {b"all-spans": 1}


def test_equal_stacks_add_up():
    assert summed([(b"a", 1), (b"b", 2), (b"a", 3)]) == {b"a": 4, b"b": 2}
