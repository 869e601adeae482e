"""What the time of spans was adds up."""

import copy
import pickle

import pytest

from tracetools.core.breakdown import Breakdown


def test_many_add_up():
    one = Breakdown(1, 2, {"a": 3, "b": 4}, 5, 6, 7, 8, 21, 1)
    other = Breakdown(10, 0, {"b": 1}, 0, 0, 0, 0, 11, 2)
    assert Breakdown.merged([one, other]) == Breakdown(11, 2, {"a": 3, "b": 5}, 5, 6, 7, 8, 32, 3)
    assert Breakdown.merged([]) == Breakdown()


def test_it_cannot_be_changed_and_a_copy_is_equal():
    one = Breakdown(waits={"a": 3})
    with pytest.raises(TypeError):
        one.waits["b"] = 1
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one
