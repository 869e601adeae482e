import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.stacks import Blocks
from tracetools.output.flamegraph import svg
from tracetools.output.flamegraph.flamegrapher import render, render_packed
from tracetools.output.flamegraph.layout import arrange, place
from tracetools.output.flamegraph.marks import NO_MARKS, SYMBOL, Marks
from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.formats.folded import pack

from .reading import SVG, lay_out, parse, read_frames
from .strategies import any_name, any_text, relaxed, stacks

GOLDEN = Path(__file__).with_name("golden")
ASSETS = Path(svg.__file__).with_name("assets")
EXAMPLE = {
    ("all-spans",): 1200,
    ("all-spans", "serve (app/server.py:30)"): 300,
    ("all-spans", "serve (app/server.py:30)", "query <users> & 'more' (app/db.py:8)"): 12_345,
    ("all-spans", "serve (app/server.py:30)", "é\u4e2d\u6587\U0001f600 (app/db.py:9)"): 4_000,
    ("all-spans", "tick (app/main.py:5)", "vfs_read_[k]"): 900,
    ("all-spans", "tick (app/main.py:5)", "too narrow"): 1,
}


def draw(stacks, before=None, marks=NO_MARKS, **options):
    if before is None:
        return render(stacks, GraphOptions(**options), marks)
    packed = {pack(stack): count for stack, count in before.items()}
    columns = arrange(((pack(stack), count) for stack, count in stacks.items()), packed)
    return svg.draw(place(columns, 0), GraphOptions(**options))


MARKS = Marks(
    {
        ("all-spans", "serve (app/server.py:30)", "query <users> & 'more' (app/db.py:8)"): (
            Blocks(3, 612_000_000, 206_000_000)
        ),
        ("all-spans", "tick (app/main.py:5)", "too narrow"): Blocks(1, 203_000_000, 203_000_000),
    },
    100_000_000,
)


def frame_of(text, name):
    return next(frame for frame in read_frames(text) if frame.title.startswith(f"{name} ("))


# -- the whole document ------------------------------------------------------------------------


BEFORE = {
    ("all-spans",): 1200,
    ("all-spans", "serve (app/server.py:30)"): 1300,
    ("all-spans", "tick (app/main.py:5)", "vfs_read_[k]"): 100,
    ("all-spans", "tick (app/main.py:5)", "gone"): 70,
}


@pytest.mark.parametrize(
    ("name", "before", "options"),
    [
        ("plain", None, {}),
        ("headed", None, {"title": "One", "subtitle": "of each <kind>", "notes": "-- & ]]>"}),
        ("icicle", None, {"direction": "inverted", "colors": "blue", "bgcolors": "grey"}),
        ("reversed", None, {"reverse_stack_order": True, "text_truncate_direction": "left"}),
        ("chart", None, {"flame_chart": True, "count_name": "ns", "bgcolors": "#102030"}),
        ("narrowed", None, {"min_width": 5, "image_width": 400, "factor": 0.5, "font_size": 9}),
        ("searched", None, {"search": "q<&", "nonce": "abc=", "embedded": True}),
        ("picture", None, {"no_javascript": True, "frame_height": 30, "font_type": "Inter, x"}),
        ("difference", BEFORE, {}),
        ("negated", BEFORE, {"negate_differentials": True}),
    ],
)
def test_document_is_the_golden_one(name, before, options):
    is_golden(draw(EXAMPLE, before, **options), name)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("marked", {}),
        ("marked_picture", {"no_javascript": True, "subtitle": "of <all>", "min_width": 1}),
    ],
)
def test_document_with_marks_is_the_golden_one(name, options):
    is_golden(draw(EXAMPLE, marks=MARKS, **options), name)


def is_golden(text, name):
    text = re.sub(r"<!\[CDATA\[.*?\]\]>", "(asset)", text, flags=re.DOTALL)
    golden = GOLDEN / f"{name}.svg"
    if os.environ.get("TRACETOOLS_BLESS") == "1":
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert text == golden.read_bytes().decode(), (
        f"the graph differs from {golden.name}; if that is meant, look at it in a browser, then "
        "run this test once with TRACETOOLS_BLESS=1"
    )


def test_a_difference_explains_its_colours_and_other_graphs_have_none_to_explain():
    legend = 'class="legend"'
    text = draw(EXAMPLE, BEFORE)
    assert legend in text
    for words in ("self time grew", "self time shrank"):
        assert words in text
    assert legend not in draw(EXAMPLE)


def test_the_legend_of_a_difference_stands_apart_from_subtitle_and_frames():
    for options, top in (({}, 48), ({"subtitle": "s"}, 72)):
        root = parse(draw(EXAMPLE, BEFORE, **options))
        [legend] = root.findall(f"{SVG}text[@class='legend']")
        highest = min(
            int(row.get("transform").partition(",")[2].rstrip(")"))
            for row in root.iter(f"{SVG}g")
            if row.get("class") == "row"
        )
        assert int(legend.get("y")) == top < highest


def test_same_stacks_in_any_order_give_the_same_text():
    assert draw(dict(reversed(EXAMPLE.items()))) == draw(EXAMPLE)


def test_assets_stand_in_the_document_as_they_are():
    root = parse(draw(EXAMPLE))
    assert root.find(f"{SVG}style").text == svg.style_text()
    assert root.find(f"{SVG}script").text == svg.script_text()
    assert read_asset("flamegraph.css") in svg.style_text()
    assert read_asset("model.js") in svg.script_text()
    assert read_asset("flamegraph.js") in svg.script_text()


@pytest.mark.parametrize("name", ["model.js", "flamegraph.js", "flamegraph.css"])
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


def test_positions_are_percentages_of_all_time():
    frames = parse(draw({("a",): 1, ("b",): 2})).find(f"{SVG}svg")
    rects = frames.iter(f"{SVG}rect")
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


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a" * 12 + "b", ".." + "a" * 9 + "b"),
        ("a\u4e2d\u4e2d" + "b" * 8, "..\u4e2d" + "b" * 8),
        ("\u4e2d" * 6 + "b" * 9, "..b" + "b" * 8),
    ],
)
def test_labels_may_be_cut_on_the_left(name, label):
    text = draw({(name,): 1, ("zz",): 9}, image_width=1020, text_truncate_direction="left")
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
    assert parse(draw({("a",): 1})).get("class") == "tracetools fluid auto"
    root = parse(draw({("a",): 1}, image_width=700))
    assert (root.get("class"), root.get("width")) == ("tracetools auto", "700")
    assert root.find(f"{SVG}svg").get("width") == "680"


def test_font_and_unit_can_be_chosen():
    text = draw({("a",): 1}, font_size=20, font_type="Verdana, serif", count_name="ms")
    assert parse(text).get("font-size") == "20"
    assert parse(text).get("font-family") == "Verdana, serif"
    assert frame_of(text, "a").title == "a (1 ms, 100.00%)"


def test_rows_of_an_icicle_hang_from_the_root():
    root = parse(draw({("a", "b"): 1}, direction="inverted", frame_height=20, font_size=10))
    tops = [row.get("transform") for row in root.iter(f"{SVG}g") if row.get("class") == "row"]
    assert tops == ["translate(0,31)", "translate(0,51)", "translate(0,71)"]
    assert root.get("height") == "120"
    assert root.find(f"{SVG}title").text == "Icicle Graph"


def test_times_are_shown_in_the_unit_that_fits():
    titles = [frame.title for frame in read_frames(draw({("a",): 1_500_000}, count_name="us"))]
    assert titles == ["all (1.5 s, 100%)", "a (1.5 s, 100.00%)"]


def test_factor_changes_amounts_and_no_share():
    text = draw({("a",): 1000, ("b",): 3000}, factor=2.5)
    assert frame_of(text, "a").title == "a (2,500 samples, 25.00%)"


def test_growth_is_shown_with_its_sign_and_the_root_has_none():
    text = draw({("a",): 60, ("b",): 40, ("c",): 0}, {("a",): 50, ("b",): 70, ("c",): 1})
    assert [frame.title for frame in read_frames(text)] == [
        "all (100 samples, 100%)",
        "a (60 samples, 60.00%; +10.00%)",
        "b (40 samples, 40.00%; -30.00%)",
        "(vanished) (1 samples, 1.00%; vanished)",
        "c (1 samples, 1.00%; vanished)",
    ]


def test_growth_that_is_negated_changes_sign_and_colour():
    more, less = {("a",): 60, ("b",): 50}, {("a",): 50, ("b",): 50}
    negated = draw(more, less, negate_differentials=True)
    assert frame_of(negated, "a").title == "a (60 samples, 54.55%; -9.09%)"
    assert frame_of(negated, "b").title == "b (50 samples, 45.45%; 0.00%)"
    assert colours(negated)[1:] == ["#5c98ec", "#fafafa"]
    assert colours(draw(more, less))[1:] == ["#f06c40", "#fafafa"]


def colours(text):
    return [rect.get("fill") for rect in parse(text).find(f"{SVG}svg").iter(f"{SVG}rect")]


@pytest.mark.parametrize(
    ("frames", "said"),
    [(1, ""), (2, "1 more frame is not drawn"), (1300, "1,299 more frames are not drawn")],
)
def test_frames_left_out_are_counted(frames, said):
    stacks = {(f"{n:04}",): 1 if n else 2 for n in range(frames)}
    root = parse(draw(stacks, max_frames=2))
    (details,) = [node for node in root.iter(f"{SVG}text") if node.get("class") == "details"]
    assert (details.text or "") == said


@pytest.mark.parametrize(
    ("bgcolors", "classes", "fill"),
    [
        (None, "tracetools fluid auto", "#ffffff"),
        ("grey", "tracetools fluid", "#f0f0f0"),
        ("#ABCDEF", "tracetools fluid", "#abcdef"),
        ("#102030", "tracetools fluid dark", "#102030"),
    ],
)
def test_the_background_can_be_chosen(bgcolors, classes, fill):
    root = parse(draw({("a",): 1}, bgcolors=bgcolors))
    assert (root.get("class"), root.find(f"{SVG}rect").get("fill")) == (classes, fill)


def test_notes_are_kept_and_not_shown():
    root = parse(draw({("a",): 1}, notes="of <today>"))
    assert root.find(f"{SVG}metadata").text == "of <today>"


def test_settings_of_the_script_are_attributes_of_the_root():
    root = parse(draw({("a",): 1}, search='"x"', embedded=True, text_truncate_direction="left"))
    settings = {name: value for name, value in root.items() if name.startswith("data-")}
    assert settings == {"data-cut": "left", "data-search": '"x"', "data-embedded": "true"}


def test_graph_without_a_script_has_none():
    assert parse(draw({("a",): 1}, no_javascript=True)).find(f"{SVG}script") is None


def test_nothing_in_a_document_has_an_id_or_a_handler_or_a_style():
    for node in parse(draw(EXAMPLE)).iter():
        assert not [name for name, _ in node.items() if name in ("id", "style") or name[:2] == "on"]


# -- marks -------------------------------------------------------------------------------------

ONCE = Blocks(1, 203_000_000, 203_000_000)


def marked(text):
    """The names of the frames that scripts and styles see as marked."""
    nodes = [node for node in parse(text).iter(f"{SVG}g") if node.get("data-m")]
    assert {node.get("data-m") for node in nodes} <= {SYMBOL}
    return [node.find(f"{SVG}title").text.partition(" (")[0] for node in nodes]


def subtitle(text):
    found = [node.text for node in parse(text).iter() if node.get("class") == "subtitle"]
    return found[0] if found else None


def test_marked_frames_have_the_symbol_and_say_why():
    text = draw({("a",): 1, ("b",): 1}, marks=Marks({("a",): ONCE}, 50_000_000))
    root, a, b = read_frames(text)
    assert a.title == "a (1 samples, 50.00%; blocked the loop once, for 203 ms)"
    assert (root.label, a.label, b.label) == ("all", f"{SYMBOL} a", "b")
    assert marked(text) == ["a"]
    assert subtitle(text) == f"{SYMBOL} blocked the loop for longer than 50 ms"


def test_the_legend_stands_behind_a_subtitle():
    text = draw({("a",): 1}, marks=Marks({("a",): ONCE}), subtitle="of <today>")
    assert subtitle(text) == f"of <today> \u00b7 {SYMBOL} blocked the loop"


@pytest.mark.parametrize(
    ("width", "side", "label"),
    [
        (15, "right", f"{SYMBOL} " + "a" * 12),
        (14, "right", f"{SYMBOL} " + "a" * 9 + ".."),
        (14, "left", f"{SYMBOL} .." + "a" * 9),
        (6, "right", f"{SYMBOL} a.."),
        (5, "right", SYMBOL),
        (2, "right", SYMBOL),
        (1, "right", ""),
    ],
)
def test_the_symbol_stays_where_the_label_is_cut(width, side, label):
    # A letter has 7.32 pixels, and 6 pixels are spared.
    pixels = 26 + 1 + int(7.32 * width)
    text = draw(
        {("a" * 12,): 1},
        marks=Marks({("a" * 12,): ONCE}),
        image_width=pixels,
        text_truncate_direction=side,
    )
    assert frame_of(text, "a" * 12).label == label


def test_growth_and_mark_stand_side_by_side():
    counts, before = [(b"a", 60), (b"b", 40)], {b"a": 50, b"b": 70}
    text = render_packed(counts, before, GraphOptions(), Marks({("a",): ONCE}))
    assert frame_of(text, "a").title == (
        "a (60 samples, 60.00%; +10.00%; blocked the loop once, for 203 ms)"
    )
    assert marked(text) == ["a"]


@pytest.mark.parametrize("option", ["reverse_stack_order", "flame_chart"])
def test_graphs_whose_frames_are_no_stacks_have_no_marks(option):
    marks = Marks({("a",): ONCE, ("b", "a"): ONCE}, 1)
    stacks = {("a",): 1, ("b", "a"): 1}
    assert draw(stacks, marks=marks, **{option: True}) == draw(stacks, **{option: True})


@pytest.mark.parametrize("option", [{"direction": "inverted"}, {"negate_differentials": True}])
def test_other_options_keep_marks(option):
    assert marked(draw({("a",): 1}, marks=Marks({("a",): ONCE}), **option)) == ["a"]


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
            notes=text,
            search=text,
        )
    )
    plain = parse(draw({("a", "a"): 1}, subtitle="x", notes="x", search="x"))
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
            "notes": any_text,
            "search": any_text,
            "direction": st.sampled_from(["straight", "inverted"]),
            "text_truncate_direction": st.sampled_from(["left", "right"]),
            "font_width": st.floats(0.01, 10),
        },
    ),
)
def test_any_names_and_options_make_a_document_that_says_what_the_layout_says(stacks, options):
    text = draw(stacks, **options)
    boxes = lay_out(stacks, GraphOptions(**options).min_width).boxes
    assert [frame[:3] for frame in read_frames(text)] == [box[:3] for box in boxes]


@relaxed
@given(st.lists(any_name, min_size=1, max_size=5))
def test_the_length_of_a_name_is_given_in_utf16_units(names):
    root = parse(draw({tuple(names): 1}, count_name="samples"))
    rows = [node for node in root.iter(f"{SVG}g") if node.get("data-n")]
    for name, node in zip(["all", *names], rows, strict=True):
        units = node.find(f"{SVG}title").text.encode("utf-16-le")
        shown = units[: 2 * int(node.get("data-n"))].decode("utf-16-le")
        assert units.decode("utf-16-le")[len(shown) :].startswith(" (1 samples, ")
        assert len(shown) == len(re.sub(r"_\[[kwij]\]\Z", "", name))
