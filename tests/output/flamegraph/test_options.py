"""Options: their defaults, and what is said of values that make no sense."""

import math
from typing import get_type_hints

import pytest

from tracetools.output.flamegraph.options import GraphKeywords, GraphOptions, make_options


def test_options_are_those_given_and_the_defaults():
    options = make_options({"title": "T", "min_width": 1})
    assert options == GraphOptions(title="T", min_width=1)
    assert (options.frame_height, options.font_size, options.max_frames) == (16, 12, 20_000)


def test_type_checkers_know_every_option():
    assert get_type_hints(GraphKeywords) == get_type_hints(GraphOptions)


def test_an_unknown_option_is_refused_with_a_list_of_the_known_ones():
    with pytest.raises(TypeError, match=r"no option titel; there are title, subtitle, image_width"):
        make_options({"titel": "x"})


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ({"min_width": -1}, r"min_width=-1: give a percentage from 0 to 100"),
        ({"min_width": 100.1}, "give a percentage"),
        ({"min_width": math.nan}, "min_width=nan: give a percentage"),
        ({"min_width": "1"}, "min_width='1': give a percentage"),
        ({"min_width": True}, "give a percentage"),
        ({"image_width": 0}, "image_width=0: give a whole number of pixels from 1 to 100,000, or"),
        ({"image_width": 12.5}, "give a whole number of pixels"),
        ({"font_size": 0}, "font_size=0: give a whole number of pixels"),
        ({"frame_height": -16}, "frame_height=-16: give a whole number of pixels"),
        ({"frame_height": True}, "frame_height=True: give a whole number of pixels"),
        ({"frame_height": 10**6}, "from 1 to 100,000"),
        ({"colors": "plaid"}, "colors='plaid': choose one of aqua"),
        ({"colors": ["hot"]}, "choose one of aqua"),
        ({"title": 5}, "title=5: give a text"),
        ({"subtitle": 5}, "subtitle=5: give a text, or None"),
        ({"count_name": b"x"}, "give a text"),
        ({"font_type": None}, "give a text"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_a_remedy(option, remedy):
    with pytest.raises(ValueError, match=remedy):
        make_options(option)


def test_a_number_of_too_many_digits_is_not_shown():
    with pytest.raises(ValueError, match=r"font_size=\(a number of thousands of digits\): give"):
        make_options({"font_size": 10**5_000})


@pytest.mark.parametrize(
    ("option", "value"),
    [("colors", None), ("bgcolors", "#0aF9b3"), ("bgcolors", "grey"), ("nonce", "aB3+/_-==")],
)
def test_a_value_that_makes_sense_is_taken(option, value):
    assert getattr(make_options({option: value}), option) == value


@pytest.mark.parametrize(
    ("options", "heading"),
    [
        ({}, "Flame Graph"),
        ({"direction": "inverted"}, "Icicle Graph"),
        ({"flame_chart": True, "direction": "inverted"}, "Flame Chart"),
        ({"title": ""}, ""),
        ({"title": "Mine", "flame_chart": True}, "Mine"),
    ],
)
def test_the_heading_is_the_title_or_what_the_graph_is(options, heading):
    assert make_options(options).heading == heading
