import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.flamegraph import svg
from tracetools.flamegraph.flamegrapher import render
from tracetools.flamegraph.layout import lay_out
from tracetools.flamegraph.options import Options

from .reading import SVG, parse, read_frames
from .strategies import any_name, any_text, relaxed, stacks

GOLDEN = Path(__file__).with_name("golden.svg")
ASSETS = Path(svg.__file__).with_name("assets")
EXAMPLE = {
    ("all-spans",): 1200,
    ("all-spans", "serve (app/server.py:30)"): 300,
    ("all-spans", "serve (app/server.py:30)", "query <users> & 'more' (app/db.py:8)"): 12_345,
    ("all-spans", "serve (app/server.py:30)", "é\u4e2d\u6587\U0001f600 (app/db.py:9)"): 4_000,
    ("all-spans", "tick (app/main.py:5)", "vfs_read_[k]"): 900,
    ("all-spans", "tick (app/main.py:5)", "too narrow"): 1,
}


def draw(stacks, **options):
    return render(stacks, Options(**options))


def frame_of(text, name):
    return next(frame for frame in read_frames(text) if frame.title.startswith(f"{name} ("))


# -- the whole document ------------------------------------------------------------------------


def test_document_is_the_golden_one():
    text = draw(EXAMPLE, title="Example", subtitle="one of each", count_name="µs")
    text = re.sub(r"<!\[CDATA\[.*?\]\]>", "(asset)", text, flags=re.DOTALL)
    if os.environ.get("TRACETOOLS_BLESS") == "1":
        GOLDEN.write_text(text, encoding="utf-8", newline="\n")
    assert text == GOLDEN.read_bytes().decode(), (
        "the graph differs from tests/flamegraph/golden.svg; if that is meant, look at it in a "
        "browser, then run this test once with TRACETOOLS_BLESS=1"
    )


def test_same_stacks_in_any_order_give_the_same_text():
    assert draw(dict(reversed(EXAMPLE.items()))) == draw(EXAMPLE)


def test_assets_stand_in_the_document_as_they_are():
    root = parse(draw(EXAMPLE))
    assert root.find(f"{SVG}script").text.strip() == read_asset("flamegraph.js").strip()
    assert root.find(f"{SVG}style").text.strip() == read_asset("flamegraph.css").strip()


@pytest.mark.parametrize("name", ["flamegraph.js", "flamegraph.css"])
def test_assets_end_neither_their_section_nor_their_element(name):
    asset = read_asset(name)
    assert "]]>" not in asset
    assert "</s" not in asset.lower()
    assert "http" not in asset.replace("http://www.w3.org/", "")


def test_styles_reach_nothing_outside_the_graph():
    css = re.sub(r"/\*.*?\*/", "", read_asset("flamegraph.css"), flags=re.DOTALL)
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", css)
    assert selectors
    assert all(
        part.strip().startswith(".tracetools") for each in selectors for part in each.split(",")
    )


def read_asset(name):
    return (ASSETS / name).read_text(encoding="utf-8")


# -- frames ------------------------------------------------------------------------------------


def test_titles_have_count_unit_and_share():
    titles = [frame.title for frame in read_frames(draw({("a",): 12_345_678, ("b", "c"): 87_154}))]
    assert titles == [
        "all (12,432,832 samples, 100%)",
        "a (12,345,678 samples, 99.30%)",
        "b (87,154 samples, 0.70%)",
        "c (87,154 samples, 0.70%)",
    ]


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 800, "0.12"),
        (3, 800, "0.38"),
        (10**40, 10**40, "100.00"),
    ],
)
def test_shares_are_rounded_half_to_even(part, whole, share):
    stacks = {("part",): part} | ({("rest",): whole - part} if whole > part else {})
    assert f", {share}%)" in frame_of(draw(stacks), "part").title


def test_annotation_is_not_shown_but_tells_frames_apart():
    frames = read_frames(
        draw({("read_[k]",): 1, ("read",): 2, ("read_[x]",): 1, ("b_[w]_[i]",): 1})
    )
    assert [frame.title for frame in frames[1:]] == [
        "b_[w] (1 samples, 20.00%)",
        "read (2 samples, 40.00%)",
        "read (1 samples, 20.00%)",
        "read_[x] (1 samples, 20.00%)",
    ]
    assert [frame.label for frame in frames[1:]] == ["b_[w]", "read", "read", "read_[x]"]


def test_rows_grow_upwards_from_the_root():
    root = parse(draw({("a", "b"): 1}, frame_height=20, font_size=10))
    tops = [row.get("transform") for row in root.iter(f"{SVG}g") if row.get("class") == "row"]
    assert tops == ["translate(0,71)", "translate(0,51)", "translate(0,31)"]
    assert root.get("height") == "120"


def test_percentages_are_of_the_frames_place():
    _, *rects = parse(draw({("a",): 1, ("b",): 2})).iter(f"{SVG}rect")
    assert [(rect.get("x"), rect.get("width")) for rect in rects] == [
        ("0.0000%", "100.0000%"),
        ("0.0000%", "33.3333%"),
        ("33.3333%", "66.6667%"),
    ]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a" * 12, "a" * 12),
        ("a" * 13, "a" * 10 + ".."),
        ("\u4e2d" * 6, "\u4e2d" * 6),
        ("\u4e2d" * 7, "\u4e2d" * 5 + ".."),
        ("e\u0301" * 12, "e\u0301" * 12),
        ("<" * 13, "<" * 10 + ".."),
    ],
)
def test_labels_are_cut_to_their_frame(name, label):
    # A tenth of 1000 pixels, 6 of them spared, holds 12 letters of 7.32 pixels.
    text = draw({(name,): 1, ("zz",): 9}, image_width=1020)
    assert frame_of(text, name).label == label


def test_frame_too_narrow_for_three_letters_has_no_label():
    assert frame_of(draw({("abc",): 1, ("zz",): 99}), "abc").label == ""


# -- options -----------------------------------------------------------------------------------


def test_headings_stand_above_the_frames():
    root = parse(draw({("a",): 1}, title="One", subtitle="Two"))
    texts = {node.get("class"): (node.text, node.get("y")) for node in root.findall(f"{SVG}text")}
    assert root.find(f"{SVG}title").text == "One"
    assert texts["heading"] == ("One", "24")
    assert texts["subtitle"] == ("Two", "48")
    assert int(root.get("height")) == int(parse(draw({("a",): 1})).get("height")) + 24


def test_graph_fills_the_window_unless_it_has_a_width():
    assert parse(draw({("a",): 1})).get("class") == "tracetools fluid"
    root = parse(draw({("a",): 1}, image_width=700))
    assert (root.get("class"), root.get("width")) == ("tracetools", "700")
    assert root.find(f"{SVG}svg").get("width") == "680"


def test_font_and_unit():
    text = draw({("a",): 1}, font_size=20, font_type="Verdana, serif", count_name="ms")
    assert parse(text).get("font-size") == "20"
    assert parse(text).get("font-family") == "Verdana, serif"
    assert frame_of(text, "a").title == "a (1 ms, 100.00%)"


# -- any text at all ---------------------------------------------------------------------------

HOSTILE = [
    "<script>alert(1)</script>",
    "]]></script><script>alert(1)//",
    '"\' onload="alert(1)" x=\'',
    "&nbsp;&#0;&",
    "-->",
    "\x00\x01\x1b[31m\ud800\ufffe\uffff\U0010ffff",
    "\n\t\r",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text):
    root = parse(
        draw(
            {(text, "a"): 1},
            title=text,
            subtitle=text,
            count_name=text,
            font_type=text,
        )
    )
    plain = parse(draw({("a", "a"): 1}, subtitle="x"))
    assert [node.tag for node in root.iter()] == [node.tag for node in plain.iter()]
    assert [sorted(node.keys()) for node in root.iter()] == [
        sorted(node.keys()) for node in plain.iter()
    ]


@relaxed
@given(
    stacks(any_text),
    st.fixed_dictionaries(
        {},
        optional={
            "title": any_text,
            "subtitle": any_text,
            "count_name": any_text,
            "font_type": any_text,
            "font_size": st.integers(1, 100),
            "frame_height": st.integers(1, 100),
            "image_width": st.integers(1, 3000),
            "min_width": st.floats(0, 100),
        },
    ),
)
def test_any_names_and_options_make_a_document_that_says_what_the_layout_says(stacks, options):
    text = draw(stacks, **options)
    boxes = lay_out(stacks, Options(**options).min_width).boxes
    assert [frame[:3] for frame in read_frames(text)] == [box[:3] for box in boxes]


@relaxed
@given(st.lists(any_name, min_size=1, max_size=5))
def test_length_of_the_name_is_told_in_utf16_units(names):
    root = parse(draw({tuple(names): 1}, count_name="samples"))
    rows = [node for node in root.iter(f"{SVG}g") if node.get("data-n")]
    for name, node in zip(["all", *names], rows, strict=True):
        units = node.find(f"{SVG}title").text.encode("utf-16-le")
        shown = units[: 2 * int(node.get("data-n"))].decode("utf-16-le")
        assert units.decode("utf-16-le")[len(shown) :].startswith(" (1 samples, ")
        assert len(shown) == len(re.sub(r"_\[[kwij]\]\Z", "", name))
