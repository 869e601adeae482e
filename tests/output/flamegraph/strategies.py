"""Stacks for property tests of flame graphs."""

from hypothesis import settings
from hypothesis import strategies as st

relaxed = settings(deadline=None)

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Every character that a Python str can hold, lone surrogates among them."""

any_name = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20
)
"""What a frame of a layout can be named."""

identifiers = st.text("abcdeXYZ_", min_size=1, max_size=4)
"""Names all of whose characters sort after `;`: with others the references draw frames twice."""

shared_names = st.sampled_from(["one", "two", "three", "four"])


small_counts = st.integers(1, 100)


def stacks(names, counts=small_counts, max_depth=6, max_size=25):
    """Mappings from stacks of such names to such counts; at least one."""
    stack = st.lists(st.one_of(shared_names, names), min_size=1, max_size=max_depth).map(tuple)
    return st.dictionaries(stack, counts, min_size=1, max_size=max_size)
