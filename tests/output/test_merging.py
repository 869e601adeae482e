"""Files that add up."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.output.formats.mutations import PROFILE, read_bytes, relaxed
from tests.strategies import PROFILES
from tracetools import NoStacksError, StackFileError
from tracetools.core.profile import Profile
from tracetools.output.formats.content import Content
from tracetools.output.formats.writing import encode
from tracetools.output.merging import Merger, stacks_of


def merged(*contents, lens="busy"):
    merger = Merger(lens)
    for index, content in enumerate(contents):
        merger.add(content, f"file {index}")
    return merger


def of(profile):
    return Content(profile, "nanoseconds", "a profile")


@relaxed
@given(st.lists(PROFILES, min_size=1, max_size=4))
def test_profiles_make_one_profile(profiles):
    merger = merged(*map(of, profiles))
    expected, *others = profiles
    assert merger.result().content == expected.merge(*others)
    assert merger.notes == []


def test_times_of_all_formats_add_up_in_nanoseconds():
    speedscope = read_bytes(encode("x.speedscope.json", PROFILE), lens="busy")
    folded = read_bytes(encode("x.folded", PROFILE))
    result = merged(of(PROFILE), folded, speedscope, of(PROFILE)).result()
    assert result.unit == "nanoseconds"
    once = dict(stacks_of(of(PROFILE), "busy", "x").packed)
    assert dict(result.content.packed) == {stack: 4 * time for stack, time in once.items()}


def test_profiles_among_stacks_become_stacks_with_a_note():
    folded = read_bytes(encode("x.folded", PROFILE))
    merger = merged(of(PROFILE), of(PROFILE), folded, folded)
    assert len(merger.notes) == 1
    assert "file 2 is no profile, so all become stacks" in merger.notes[0]


def test_another_lens_of_profiles_may_be_taken():
    folded = read_bytes(b"all-spans;x 1\n")
    result = merged(folded, of(PROFILE), lens="idle").result()
    assert (
        dict(result.content.packed)[b"all-spans\0a (a.py:1)"]
        == PROFILE.lens("idle")[[*PROFILE.lens("idle")][-1]]
    )


def test_what_has_no_unit_counts_as_samples():
    spy = read_bytes(b"main (app.py:3) 4\n")
    result = merged(read_bytes(b"main (app.py:3);x 2\n"), spy).result()
    assert result.unit == "samples"
    assert sorted(result.content.packed) == [(b"main (app.py:3)", 4), (b"main (app.py:3)\0x", 2)]


def test_units_that_differ_do_not_add_up():
    with pytest.raises(StackFileError, match="file 1 has samples and file 0 has nanoseconds"):
        merged(of(PROFILE), read_bytes(b"x 2\n"))


def peak_of(files):
    """Return the most memory that it takes to add up as many files, in bytes."""
    text = b"".join(b"all-spans;%d;%d 5\n" % (index, index % 97) for index in range(5000))
    merger = Merger()
    tracemalloc.start()
    for index in range(files):
        merger.add(read_bytes(text), f"file {index}")
    try:
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_files_take_no_more_memory_than_two():
    assert peak_of(12) < 1.2 * peak_of(2)


def test_a_difference_adds_to_nothing():
    with pytest.raises(StackFileError, match="file 0: a difference"):
        merged(read_bytes(b"x 2 3\n"))


def test_a_profile_without_time_in_the_lens_is_refused():
    with pytest.raises(NoStacksError, match="x: there is no idle time in it: choose another"):
        stacks_of(of(Profile()), "idle", "x")
    with pytest.raises(NoStacksError, match="x: no slow spans were kept, which"):
        stacks_of(of(Profile()), "critical", "x")
