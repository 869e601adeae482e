"""A written graph in a real browser: what people see when they point, click, search and type."""

from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.flamegraph import Flamegrapher
from tracetools.output.formats.folded import write_folded

from .reading import lay_out

pytestmark = pytest.mark.browser

STACKS = {
    ("all-spans",): 300,
    ("all-spans", "serve (app/server.py:30)"): 100,
    ("all-spans", "serve (app/server.py:30)", "query (app/db.py:8)"): 400,
    ("all-spans", "serve (app/server.py:30)", "query (app/db.py:8)", "parse"): 50,
    ("all-spans", "tick (app/main.py:5)"): 50,
    ("all-spans", "tick (app/main.py:5)", "query (app/db.py:8)"): 100,
}
SERVE = "serve (app/server.py:30)"
TICK = "tick (app/main.py:5)"

NOTHING_BLOCKED = Profile()

IS_SEEN = """(node) => {
    const sheet = document.querySelector(".frames");
    const origin = sheet.getScreenCTM().e;
    const { left, right } = node.querySelector("rect").getBoundingClientRect();
    const middle = (left + right) / 2;
    return origin < middle && middle < origin + sheet.width.baseVal.value;
}"""
"""Whether a frame lies within the sheet and not beside it, in JavaScript."""


class Graph:
    """A graph in a page, spoken of as people do; any error in its script fails the test."""

    def __init__(self, page, path, state=""):
        self.page = page
        self.path = path
        self.errors = []
        page.on("pageerror", self.fail)
        page.goto(path.as_uri() + state)

    def fail(self, error):
        self.errors.append(error)

    def frame(self, name):
        """The first frame to be seen whose title has the name in it."""
        found = self.page.evaluate(
            f"""(name) => [...document.querySelectorAll(".row > g")].findIndex((node) =>
                ({IS_SEEN})(node) && node.querySelector("title").textContent.includes(name))""",
            name,
        )
        return self.page.locator(".row > g").nth(found)

    def text(self, part):
        return self.page.locator(f".{part}").text_content()

    def button(self, part):
        return self.page.locator(f".{part}")

    def search(self, expression):
        self.page.keyboard.press("Control+f")
        self.page.locator(".expression").fill(expression)
        self.page.locator(".expression").press("Enter")

    def expression(self):
        return self.page.locator(".expression").evaluate("node => node.value")

    def said(self):
        return self.page.locator(".said").text_content()

    def state(self):
        return urlsplit(self.page.url).fragment

    def shown(self):
        """Name, left and width (as shares of the graph, as painted) of the frames to be seen."""
        return self.page.evaluate(
            f"""() => {{
                const sheet = document.querySelector(".frames");
                const origin = sheet.getScreenCTM().e;
                const pixels = sheet.width.baseVal.value;
                const seen = [...document.querySelectorAll(".row > g")].filter({IS_SEEN});
                return seen.map((node) => {{
                    const {{ left, width }} = node.querySelector("rect").getBoundingClientRect();
                    const title = node.querySelector("title").textContent;
                    return [
                        title.slice(0, Number(node.dataset.n)),
                        (left - origin) / pixels,
                        width / pixels,
                    ];
                }});
            }}"""
        )

    def labels(self):
        return self.page.locator(".frames text").all_text_contents()

    def label(self, name):
        return self.page.locator(".frames text").filter(has_text=name).first


@pytest.fixture
def open_graph(browser, tmp_path):
    graphs = []

    def open_it(stacks, *, javascript=True, size=(1000, 400), scheme=None, state="", **options):
        marks = options.pop("marks", NOTHING_BLOCKED)
        path = tmp_path / "graph.folded"
        write_folded(path, stacks)
        page = browser.new_page(
            java_script_enabled=javascript,
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
        )
        grapher = Flamegrapher(path, **options).with_marks_of(marks)
        graphs.append(Graph(page, grapher.write_flamegraph(), state))
        return graphs[-1]

    yield open_it
    for graph in graphs:
        graph.page.close()
    assert [error for graph in graphs for error in graph.errors] == []


@pytest.fixture
def graph(open_graph):
    return open_graph(STACKS)


def expected(stacks, zoom=None):
    """What `Graph.shown` should say, from the integers of the layout."""
    boxes = lay_out(stacks, 0).boxes
    whole = next(box for box in boxes if zoom in (None, box.name))
    shown = []
    for box in boxes:
        if box.depth < whole.depth and box.start <= whole.start < box.start + box.width:
            shown.append((box.name or "all", 0, 1))
        elif box.depth >= whole.depth and 0 <= box.start - whole.start < whole.width:
            left, width = (box.start - whole.start) / whole.width, box.width / whole.width
            shown.append((box.name or "all", left, width))
    return shown


def assert_shown(graph, stacks, zoom=None):
    shown, wanted = graph.shown(), expected(stacks, zoom)
    assert [name for name, _, _ in shown] == [name for name, _, _ in wanted]
    for (_, left, width), (_, wanted_left, wanted_width) in zip(shown, wanted, strict=True):
        assert left == pytest.approx(wanted_left, abs=1e-4)
        assert width == pytest.approx(wanted_width, abs=1e-4)


# -- as it opens -------------------------------------------------------------------------------


def test_frames_stand_where_the_layout_has_them(graph):
    assert_shown(graph, STACKS)
    assert graph.button("search").is_visible()
    assert not graph.button("reset").is_visible()


def test_graph_can_be_read_with_scripts_off(open_graph):
    graph = open_graph(STACKS, javascript=False, size=(1200, 400))
    assert graph.text("heading") == "Flame Graph"
    assert SERVE in graph.labels()
    assert not graph.button("search").is_visible()


def test_script_leaves_no_global_name(graph, tmp_path):
    names = "() => Object.getOwnPropertyNames(window).sort()"
    with_script = graph.page.evaluate(names)
    (tmp_path / "blank.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    graph.page.goto((tmp_path / "blank.svg").as_uri())
    assert with_script == graph.page.evaluate(names)


def test_graph_and_labels_follow_the_window(graph):
    wide = graph.labels()
    graph.page.set_viewport_size({"width": 300, "height": 400})
    graph.page.wait_for_function("document.querySelector('.frames').width.baseVal.value === 280")
    assert_shown(graph, STACKS)
    narrow = graph.labels()
    assert SERVE in wide
    assert SERVE not in narrow
    assert narrow
    assert all(any(full.startswith(cut.removesuffix("..")) for full in wide) for cut in narrow)


def test_labels_stay_within_their_frames(open_graph):
    stacks = {("i" * 90,): 30, ("W" * 90,): 30, ("\u4e2d" * 90,): 30, ("\U0001f600" * 90,): 10}
    for font in ("monospace", "sans-serif"):
        graph = open_graph(stacks, font_type=font)
        places = """(nodes) => nodes.map((node) => node.getBoundingClientRect())
            .map(({ left, right }) => [left, right])"""
        rects = graph.page.locator(".row:nth-of-type(3) > g > rect").evaluate_all(places)
        texts = graph.page.locator(".labels:nth-of-type(4) > text").evaluate_all(places)
        assert len(texts) == len(rects) == len(stacks)
        for (left, right), (text_left, text_right) in zip(rects, texts, strict=True):
            assert left < text_left < text_right < right
        assert min(len(label) for label in graph.labels()[1:]) > 3


def test_fixed_width_stays(open_graph):
    graph = open_graph(STACKS, image_width=700)
    assert graph.page.evaluate("document.querySelector('.frames').width.baseVal.value") == 680
    assert_shown(graph, STACKS)


# -- details and zoom --------------------------------------------------------------------------


def test_details_show_the_frame_under_the_pointer(graph):
    graph.frame(TICK).hover()
    assert graph.text("details") == f"{TICK} (150 µs, 15.00%)"
    graph.button("search").hover()
    assert graph.text("details") == ""


def test_click_zooms_and_the_button_resets(graph):
    graph.frame(SERVE).click()
    assert_shown(graph, STACKS, zoom=SERVE)
    assert graph.page.locator(".row > .dimmed").count() == 2
    assert graph.page.locator(".labels > .dimmed").all_text_contents() == ["all", "all-spans"]
    graph.button("reset").click()
    assert_shown(graph, STACKS)
    assert not graph.button("reset").is_visible()


def test_click_on_an_ancestor_zooms_out_to_it_and_on_the_root_wholly(graph):
    graph.frame("parse").click()
    assert_shown(graph, STACKS, zoom="parse")
    graph.frame(SERVE).click()
    assert_shown(graph, STACKS, zoom=SERVE)
    graph.page.locator(".row > g").first.click()
    assert_shown(graph, STACKS)
    assert not graph.button("reset").is_visible()


def test_zoom_is_exact_beyond_the_integers_of_scripts(open_graph):
    stacks = {("a", "left"): 1, ("a", "right"): 1, ("b",): 10**18 + 1, ("c", "x"): 1, ("d",): 1}
    graph = open_graph(stacks, min_width=0)
    graph.page.locator(".row > g", has_text="c (1 ").first.dispatch_event("click")
    assert_shown(graph, stacks, zoom="c")


def test_deep_zooms_are_exact_and_leave_nothing_behind(open_graph):
    stacks = {("a", f"b{n}", f"c{n}"): 1 + n % 5 for n in range(400)} | {("z",): 10**6}
    graph = open_graph(stacks, size=(1200, 400), min_width=0)
    for name in ("c7", "a", "b399", "c399", "b0", "b200"):
        graph.page.locator(".row > g").filter(has_text=f"{name} (").first.dispatch_event("click")
        assert_shown(graph, stacks, zoom=name)
    graph.button("reset").click()
    assert_shown(graph, stacks)


def test_zooming_from_anywhere_shows_what_zooming_from_the_whole_shows(open_graph):
    stacks = {
        (f"a{n % 3}", f"b{n % 4}", f"c{n % 5}", f"d{n}")[: 1 + n % 4]: 1 + n % 7 for n in range(120)
    }
    graph = open_graph(stacks, size=(1400, 400))
    for name in ("b1", "d11", "a2", "c3", "b3"):
        graph.page.locator(".row > g").filter(has_text=f"{name} (").first.dispatch_event("click")
        zoomed = graph.page.evaluate(
            "() => location.hash.slice('#zoom='.length).split(',').map(Number)"
        )
        assert_shown_box(graph, stacks, zoomed)
    graph.button("reset").click()
    assert_shown(graph, stacks)


def assert_shown_box(graph, stacks, zoomed):
    depth, start, width = zoomed
    boxes = lay_out(stacks, 0).boxes
    wanted = [
        (box.name or "all", 0, 1)
        if box.depth < depth
        else (box.name, (box.start - start) / width, box.width / width)
        for box in boxes
        if (box.depth < depth and box.start <= start < box.start + box.width)
        or (box.depth >= depth and start <= box.start < start + width)
    ]
    shown = graph.shown()
    assert [name for name, _, _ in shown] == [name for name, _, _ in wanted]
    for found, right in zip(shown, wanted, strict=True):
        assert found[1:] == pytest.approx(right[1:], abs=1e-4)


def test_details_have_the_share_of_the_zoomed_frame_too(graph):
    graph.frame(TICK).click()
    graph.frame("query").hover()
    assert graph.text("details") == (
        "query (app/db.py:8) (100 µs, 10.00%; 66.67% of the zoomed frame)"
    )
    graph.frame("all-spans").hover()
    assert graph.text("details") == "all-spans (1 ms, 100.00%)"


def test_details_stay_in_sight_while_a_tall_graph_is_scrolled(open_graph):
    graph = open_graph({tuple(f"f{depth}" for depth in range(100)): 1})
    bottom = "() => document.querySelector('.backing').getBoundingClientRect().bottom"
    for place in (0, 700, 10_000):
        graph.page.evaluate(f"scrollTo(0, {place})")
        graph.page.wait_for_function(f"(({bottom})() <= 401) && (({bottom})() > 390)")


def test_details_are_of_the_zoom_that_is_shown(graph):
    graph.frame(TICK).click()
    graph.page.keyboard.press("ArrowUp")
    assert graph.text("details").endswith("; 66.67% of the zoomed frame)")
    graph.page.keyboard.press("Enter")
    assert graph.text("details").endswith("; 100.00% of the zoomed frame)")
    graph.page.keyboard.press("Escape")
    assert graph.text("details") == "query (app/db.py:8) (100 µs, 10.00%)"


def test_numbers_stay_where_the_name_is_cut(open_graph):
    graph = open_graph({("n" * 200, "child"): 3, ("n" * 200,): 1}, size=(400, 300))
    graph.frame("nnn").hover()
    assert graph.text("details").endswith("n.. (4 samples, 100.00%)")
    assert 20 < len(graph.text("details")) < 60


def test_paper_has_the_whole_width(graph):
    root = graph.page.locator("svg.tracetools")
    assert root.get_attribute("viewBox").split(" ")[2] == "1000"
    graph.page.set_viewport_size({"width": 600, "height": 400})
    graph.page.wait_for_function("document.querySelector('.frames').width.baseVal.value === 580")
    assert root.get_attribute("viewBox").split(" ")[2] == "600"


def test_paper_has_no_floating_bar(open_graph):
    graph = open_graph({tuple(f"f{depth}" for depth in range(100)): 1})
    graph.page.evaluate("scrollTo(0, 0)")
    graph.page.wait_for_selector(".floating")
    graph.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert graph.page.locator(".floating").count() == 0
    graph.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert graph.page.locator(".floating").count() == 1


# -- search ------------------------------------------------------------------------------------


def test_search_shows_the_share_of_matches_each_moment_once(graph):
    graph.search("query|parse")
    assert graph.text("matched") == "Matched: 55.0%"
    assert graph.page.locator(".row > .match").count() == 3
    graph.page.keyboard.press("Escape")
    assert graph.text("matched") == ""
    assert graph.page.locator(".row > .match").count() == 0
    assert not graph.page.locator(".expression").is_visible()


def test_search_sees_only_names(graph):
    graph.search(r"µs|%|\d+\.\d|100")
    assert graph.text("matched") == "Matched: 0.0%"
    graph.search(r"^query \(app/db\.py:8\)$")
    assert graph.text("matched") == "Matched: 55.0%"


@pytest.mark.parametrize("keys", ["Control+f", "Meta+f", "F3"])
def test_keys_ask_for_what_to_search(graph, keys):
    graph.page.keyboard.press(keys)
    graph.page.keyboard.type("^tick")
    graph.page.keyboard.press("Enter")
    assert graph.text("matched") == "Matched: 15.0%"


def test_search_begins_without_a_key_that_ends_it(graph):
    graph.button("search").click()
    graph.page.keyboard.type("^tick")
    graph.page.wait_for_function("document.querySelector('.matched').textContent")
    assert graph.text("matched") == "Matched: 15.0%"


def test_case_may_be_ignored(graph):
    graph.search("TICK")
    assert graph.said() == "0 matches"
    graph.page.locator(".any-case").check()
    assert graph.said() == "1 match"
    assert graph.state() == "search=TICK&case=ignore"


def test_after_the_last_match_comes_the_first(graph):
    graph.search("query|parse")
    seen = []
    for keys in ("Enter", "Enter", "Enter", "Shift+Enter", "F3"):
        seen.append((graph.said(), graph.text("details").split(" ")[0]))
        graph.page.keyboard.press(keys)
    assert seen == [
        ("1 of 3 matches", "query"),
        ("2 of 3 matches", "parse"),
        ("3 of 3 matches", "query"),
        ("1 of 3 matches", "query"),
        ("3 of 3 matches", "query"),
    ]
    graph.page.get_by_label("Next match").click()
    assert graph.page.locator(".row > .current").count() == 1


def test_a_match_is_never_under_the_bar(open_graph):
    graph = open_graph({tuple(f"f{depth}" for depth in range(100)): 1})
    graph.search("^f.?[05]$")
    for _ in range(20):
        graph.page.keyboard.press("Enter")
        graph.page.wait_for_function(
            """() => document.querySelector(".row > .current").getBoundingClientRect().bottom <=
                document.querySelector(".backing").getBoundingClientRect().top + 1"""
        )
    graph.page.evaluate("scrollTo(0, 700)")
    graph.page.keyboard.press("Control+f")
    assert graph.page.evaluate("scrollY") == 700
    assert graph.page.locator(".expression").bounding_box()["y"] >= 0


def test_focus_on_a_match_can_be_seen(graph):
    graph.search("serve|tick")
    width = "node => getComputedStyle(node).strokeWidth"
    assert graph.frame(SERVE).locator("rect").evaluate(width) == "2px"
    assert graph.frame(TICK).locator("rect").evaluate(width) == "1px"
    graph.page.locator(".row > [tabindex]").focus()
    graph.page.keyboard.press("ArrowRight")
    assert graph.frame(TICK).locator("rect").evaluate(width) == "4px"


def test_matches_outside_the_zoomed_frame_are_counted(graph):
    graph.search("query")
    graph.frame(TICK).click()
    assert graph.said() == "1 match, 1 outside the zoomed frame"


def test_a_search_from_outside_zooms_out_to_its_matches(graph):
    graph.frame(TICK).click()
    graph.page.evaluate(
        """() => document.documentElement.dispatchEvent(new CustomEvent(
            "tracetools:search", { detail: { expression: "parse", ignoreCase: false } }))"""
    )
    assert graph.said() == "1 of 1 match"
    assert_shown(graph, STACKS)


def test_a_search_from_outside_says_how_many_frames_it_found(graph):
    found = graph.page.evaluate(
        """() => ["parse", "nothing"].map((expression) => {
            const detail = { expression, ignoreCase: false };
            const event = new CustomEvent("tracetools:search", { detail });
            document.documentElement.dispatchEvent(event);
            return detail.found;
        })"""
    )
    assert found == [1, 0]


def test_a_search_from_outside_zooms_to_a_frame_without_room_for_its_label(open_graph):
    graph = open_graph({("wide",): 1000, ("narrow",): 5})
    graph.page.evaluate(
        """() => document.documentElement.dispatchEvent(new CustomEvent(
            "tracetools:search", { detail: { expression: "narrow", ignoreCase: false } }))"""
    )
    assert "narrow" in graph.labels()


# -- help --------------------------------------------------------------------------------------


def test_the_question_mark_lists_the_keys_and_closes_the_list(graph):
    keys = graph.page.get_by_role("dialog", name="Keys")
    graph.button("help").click()
    assert "zoom to the frame" in keys.text_content()
    assert "Ctrl+F" in keys.text_content()
    graph.page.keyboard.press("Escape")
    assert keys.count() == 0
    graph.page.keyboard.press("?")
    assert keys.count() == 1
    graph.page.keyboard.press("?")
    assert keys.count() == 0


def test_the_root_is_in_sight_when_a_tall_graph_opens(open_graph):
    graph = open_graph({tuple(f"f{depth}" for depth in range(100)): 1})
    assert graph.page.evaluate(
        """() => {
            const { top, bottom } = document.querySelector(".row > g").getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight;
        }"""
    )


# -- search, continued -------------------------------------------------------------------------


def test_an_invalid_expression_is_explained_beside_the_field(graph):
    graph.search("(")
    assert "Invalid regular expression" in graph.said()
    assert graph.text("matched") == ""
    graph.search("(tick)")
    assert graph.said() == "1 of 1 match"


def test_matched_share_is_that_of_what_is_shown(graph):
    graph.search("query")
    graph.frame(TICK).click()
    assert graph.text("matched") == "Matched: 66.7%"
    graph.button("reset").click()
    assert graph.text("matched") == "Matched: 55.0%"


def test_graph_may_begin_with_a_search(open_graph):
    graph = open_graph(STACKS, search="^tick")
    assert graph.text("matched") == "Matched: 15.0%"
    assert graph.expression() == "^tick"


def test_a_search_to_begin_with_stays_until_it_is_cleared(open_graph):
    graph = open_graph(STACKS, search="^tick")
    graph.frame(TICK).click()
    graph.page.go_back()
    assert graph.text("matched") == "Matched: 15.0%"
    graph.page.keyboard.press("F3")
    graph.page.locator(".expression").press("Escape")
    assert graph.state() == "search="
    graph.page.reload()
    assert graph.text("matched") == ""


def test_a_page_asks_for_a_search_by_an_event(graph):
    graph.page.evaluate(
        """() => document.documentElement.dispatchEvent(new CustomEvent(
            "tracetools:search", { detail: { expression: "TICK", ignoreCase: true } }))"""
    )
    assert graph.text("matched") == "Matched: 15.0%"


@pytest.mark.parametrize("colors", ["hot", "purple", "lens"])
def test_matches_stand_out_in_every_palette(open_graph, colors):
    graph = open_graph(STACKS, colors=colors)
    graph.search("tick|serve")
    fill = "node => getComputedStyle(node).fill"
    assert graph.frame(SERVE).locator("rect").evaluate(fill) == "rgb(138, 75, 22)"
    assert graph.frame(TICK).locator("rect").evaluate(fill) == "rgb(27, 23, 20)"
    assert graph.label("tick").evaluate(fill) == "rgb(255, 255, 255)"


@pytest.mark.parametrize("typed", ["\ud800", "(a|b)\udfff"])
def test_half_a_character_is_searched_as_well(graph, typed):
    graph.page.keyboard.press("F3")
    graph.page.evaluate(
        """(typed) => {
            const field = document.querySelector(".expression");
            field.value = typed;
            field.dispatchEvent(new Event("input"));
        }""",
        typed,
    )
    graph.page.locator(".expression").press("Enter")
    assert graph.said() == "0 matches"


# -- the address -------------------------------------------------------------------------------


def test_address_holds_zoom_and_search_and_brings_them_back(open_graph):
    graph = open_graph(STACKS)
    graph.frame(TICK).click()
    graph.search("quer[y] &%")
    assert graph.state() == "zoom=2,850,150&search=quer%5By%5D%20%26%25"
    graph.page.reload()
    assert_shown(graph, STACKS, zoom=TICK)
    assert graph.expression() == "quer[y] &%"


def test_back_and_forward_go_through_the_zooms(graph):
    graph.frame(TICK).click()
    graph.frame("all-spans").click()
    graph.page.go_back()
    assert_shown(graph, STACKS, zoom=TICK)
    graph.page.go_back()
    assert_shown(graph, STACKS)
    graph.page.go_forward()
    assert_shown(graph, STACKS, zoom=TICK)


@pytest.mark.parametrize(
    "stale", ["#zoom=9,9,9", "#zoom=2,850,151", "#zoom=a&search=%", "#x=1&y=2", "#search=(", "#%%"]
)
def test_stale_address_is_harmless(open_graph, stale):
    assert_shown(open_graph(STACKS, state=stale), STACKS)


def test_entries_of_others_in_the_address_stay(open_graph):
    graph = open_graph(STACKS, state="#mine=1")
    graph.frame(TICK).click()
    assert graph.state() == "mine=1&zoom=2,850,150"
    graph.button("reset").click()
    assert graph.state() == "mine=1"


# -- copying -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "copied", "said"),
    [
        ("c", "parse", "copied the name"),
        ("s", f"all-spans;{SERVE};query (app/db.py:8);parse", "copied the stack"),
    ],
)
def test_name_and_stack_of_the_pointed_frame_can_be_copied(graph, key, copied, said):
    graph.page.evaluate(
        """() => Object.defineProperty(navigator, "clipboard", {
            value: { writeText: async (text) => { window.copied = text; } } })"""
    )
    graph.frame(TICK).click()
    graph.page.keyboard.press("Escape")
    graph.frame("parse").hover()
    graph.page.keyboard.press(key)
    graph.page.wait_for_function("window.copied !== undefined")
    assert graph.page.evaluate("window.copied") == copied
    graph.page.wait_for_function(f"document.querySelector('.details').textContent === '{said}'")


# -- the look ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "options", "page", "ink"),
    [
        ("light", {}, "rgb(255, 255, 255)", "rgb(38, 33, 28)"),
        ("dark", {}, "rgb(29, 27, 25)", "rgb(243, 239, 233)"),
        ("dark", {"bgcolors": "grey"}, "rgb(240, 240, 240)", "rgb(38, 33, 28)"),
        ("light", {"bgcolors": "#102030"}, "rgb(16, 32, 48)", "rgb(243, 239, 233)"),
    ],
)
def test_graph_follows_the_readers_colour_scheme_unless_a_background_is_given(
    open_graph, scheme, options, page, ink
):
    graph = open_graph(STACKS, scheme=scheme, **options)
    fill = "node => getComputedStyle(node).fill"
    assert graph.page.locator(".background").evaluate(fill) == page
    assert graph.page.locator(".heading").evaluate(fill) == ink
    assert graph.label("tick").evaluate(fill) == "rgb(38, 33, 28)"


def test_print_has_no_buttons(graph):
    graph.page.emulate_media(media="print")
    assert not graph.button("search").is_visible()
    assert graph.frame(TICK).is_visible()


@pytest.mark.parametrize("width", [400, 1200, 2500])
def test_nothing_above_the_frames_overlaps(open_graph, width):
    title = "A heading that has about fifty letters in it"
    graph = open_graph(STACKS, size=(width, 400), title=title)
    graph.frame(TICK).click()
    for _ in range(2):
        boxes = [
            graph.page.locator(f".{part}").bounding_box()
            for part in ("reset", "heading", "search", "field")
            if graph.page.locator(f".{part}").is_visible()
        ]
        boxes = [box for box in boxes if box["width"]]
        for one, other in pairwise(boxes):
            assert one["x"] + one["width"] <= other["x"] + 1
        graph.page.keyboard.press("F3")


# -- keys --------------------------------------------------------------------------------------


def test_frames_can_be_reached_by_keys(graph):
    def press(*keys):
        for key in keys:
            graph.page.keyboard.press(key)
        return graph.text("details").split(" ")[0]

    graph.page.locator(".row > g").first.focus()
    assert press("ArrowUp") == "all-spans"
    assert press("ArrowUp") == "serve"
    assert press("ArrowRight") == "tick"
    assert press("ArrowRight") == "tick"
    assert press("ArrowUp", "ArrowDown") == "tick"
    press("Enter")
    assert_shown(graph, STACKS, zoom=TICK)
    press("Escape")
    assert_shown(graph, STACKS)
    assert press("ArrowLeft") == "serve"


def test_buttons_can_be_pressed_by_keys(graph):
    graph.button("search").focus()
    graph.page.keyboard.press("Enter")
    graph.page.keyboard.type("tick")
    graph.page.keyboard.press("Enter")
    assert graph.text("matched") == "Matched: 15.0%"


def test_what_can_be_reached_by_tab_is_shown(graph):
    graph.frame("parse").click()
    graph.button("reset").click()
    graph.frame(TICK).click()
    graph.page.go_back()
    graph.frame("parse").click()
    assert graph.page.locator(".row > g[tabindex='0'] > title").text_content().startswith("parse")


def test_only_the_buttons_and_one_frame_are_stops_of_tab(graph):
    graph.page.keyboard.press("Tab")
    assert graph.page.evaluate("document.activeElement.matches('.search')")
    graph.page.keyboard.press("Tab")
    assert graph.page.evaluate("document.activeElement.matches('.help')")
    graph.page.keyboard.press("Tab")
    assert graph.page.evaluate("document.activeElement.matches('.row > g')")
    graph.frame(TICK).click()
    graph.button("reset").focus()
    graph.page.keyboard.press("Enter")
    assert graph.page.evaluate("document.activeElement.closest('.row') !== null")


def test_frames_are_a_tree_with_names_for_screen_readers(graph):
    assert graph.page.get_by_role("tree", name="Flame Graph").count() == 1
    assert graph.page.get_by_role("treeitem").count() == 7
    assert graph.page.get_by_role("treeitem", name="parse").count() == 1
    levels = "nodes => nodes.map((node) => node.ariaLevel)"
    assert graph.page.get_by_role("treeitem").evaluate_all(levels) == [*"1233445"]
    graph.frame(TICK).click()
    assert graph.page.get_by_role("treeitem", name="; 100.00% of the zoomed frame").count() == 1


def test_arrows_follow_the_picture_of_an_icicle(open_graph):
    graph = open_graph(STACKS, direction="inverted")
    graph.page.locator(".row > g").first.focus()
    graph.page.keyboard.press("ArrowDown")
    assert graph.text("details").startswith("all-spans")
    graph.page.keyboard.press("ArrowUp")
    assert graph.text("details").startswith("all ")


# -- hostile text, and company -----------------------------------------------------------------


def test_hostile_text_runs_nothing(open_graph):
    hostile = [
        "<script>window.hit=1</script>",
        "]]></script><script>window.hit=1//",
        '"\' onload="window.hit=1" x=\'',
        "<image href=x onerror=window.hit=1>",
        "javascript:window.hit=1",
        "&lt;b&gt; &nbsp; \ufffe \x1b \ud800",
    ]
    for text in hostile:
        graph = open_graph(
            {(text, text): 5},
            title=text,
            subtitle=text,
            count_name=text,
            font_type=text,
            notes=text,
        )
        graph.search(".")
        graph.frame("5").first.click()
        assert graph.text("matched") == "Matched: 100.0%"
        assert graph.page.evaluate("window.hit") is None
        assert graph.page.locator("script").count() == 1
        assert graph.page.locator("parsererror").count() == 0


def test_two_graphs_in_one_page_do_not_meet(open_graph, browser, tmp_path):
    open_graph(STACKS)
    text = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    text = text.partition("?>\n")[2]
    page_file = tmp_path / "page.html"
    page_file.write_text(
        f"<!DOCTYPE html><meta charset=utf-8><div style='width:600px'>{text}</div>{text}",
        encoding="utf-8",
    )
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(page_file.as_uri())
    first, second = page.locator("svg.tracetools").all()
    first.locator(".row > g").filter(has_text=TICK).first.click()
    assert first.locator(".reset").is_visible()
    assert first.locator(".row > .dimmed").count() == 2
    assert second.locator(".row > .dimmed").count() == 0
    assert first.locator(".frames").evaluate("node => node.width.baseVal.value") == 580
    assert errors == []
    page.close()


@pytest.mark.parametrize("allowed", ["hash", "nonce", "nothing"])
def test_graph_works_under_a_policy_that_allows_it(open_graph, browser, allowed):
    graph = open_graph(STACKS, nonce="bm9uY2U=")
    sources = {
        "hash": Flamegrapher.csp_sources(),
        "nonce": dict.fromkeys(["script-src", "style-src"], "'nonce-bm9uY2U='"),
        "nothing": {},
    }[allowed]
    policy = "; ".join(["default-src 'none'", *map(" ".join, sources.items())])
    page = browser.new_page()
    headers = {"Content-Security-Policy": policy, "Content-Type": "image/svg+xml"}
    body = graph.path.read_bytes()
    page.route("**/*", lambda route: route.fulfill(body=body, headers=headers))
    page.goto("http://graph.test/graph.svg")
    lives = "() => document.documentElement.classList.contains('live')"
    assert page.evaluate(lives) == (allowed != "nothing")
    if allowed != "nothing":
        page.keyboard.press("F3")
        page.keyboard.type("^tick")
        page.keyboard.press("Enter")
        assert page.locator(".matched").text_content() == "Matched: 15.0%"
        look = "node => getComputedStyle(node).strokeWidth"
        assert page.locator(".current > rect").evaluate(look) == "2px"
    page.close()


# -- marks -------------------------------------------------------------------------------------

MARKED = Profile(
    stacks={
        (ROOT, Frame("tick", "app/main.py", 5)): Times(busy=1),
        (ROOT, Frame("serve", "app/server.py", 30), Frame("query", "app/db.py", 8)): Times(busy=1),
    },
    blocking_threshold=100,
    blocking={
        (ROOT, Frame("tick", "app/main.py", 5)): Blocks(1, 203, 203),
        (ROOT, Frame("serve", "app/server.py", 30), Frame("query", "app/db.py", 8)): (
            Blocks(2, 500, 300)
        ),
    },
)
OUTLINE = """(node) => {
    const style = getComputedStyle(node.querySelector("rect"));
    return style.stroke === "none" ? null : [style.stroke, style.strokeWidth];
}"""
RED = ["rgb(211, 47, 47)", "2px"]


@pytest.fixture
def marked_graph(open_graph):
    return open_graph(STACKS, marks=MARKED, size=(1400, 400))


def test_marks_are_visible_and_explained(marked_graph):
    assert marked_graph.text("subtitle") == "\u26a0 blocked the loop for longer than 100 ns"
    assert f"\u26a0 {TICK}" in marked_graph.labels()
    assert SERVE in marked_graph.labels()
    marked_graph.frame(TICK).click()
    said = " (150 \u00b5s, 15.00%; blocked the loop once, for 203 ns"
    zoomed = f"{TICK}{said}; 100.00% of the zoomed frame)"
    assert marked_graph.text("details") == zoomed
    assert marked_graph.frame(TICK).get_attribute("aria-label") == zoomed


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_have_an_outline_in_every_scheme(open_graph, scheme):
    graph = open_graph(STACKS, marks=MARKED, scheme=scheme)
    assert graph.frame(TICK).evaluate(OUTLINE) == RED
    assert graph.frame(SERVE).evaluate(OUTLINE) is None


def test_marks_stay_through_zooms_and_none_shines_in_from_beside(marked_graph):
    marked_graph.frame("query").click()
    assert_shown(marked_graph, STACKS, zoom="query (app/db.py:8)")
    assert marked_graph.labels()[-1] == "parse"
    assert "\u26a0 query (app/db.py:8)" in marked_graph.labels()
    marked_graph.button("search").hover()
    assert marked_graph.frame("query").evaluate(OUTLINE) == RED
    tick = marked_graph.page.locator(".row > g", has_text="tick (")
    assert tick.evaluate(OUTLINE) is None
    marked_graph.button("reset").click()
    assert tick.evaluate(OUTLINE) == RED
    assert f"\u26a0 {TICK}" in marked_graph.labels()


def test_the_symbol_alone_stands_on_a_narrow_frame(open_graph):
    narrow = {("all-spans", "tick (app/main.py:5)"): 24, ("all-spans", "z"): 976}
    graph = open_graph(narrow, marks=MARKED)
    assert graph.labels()[-2:] == ["\u26a0", "z"]


def test_marked_frames_are_found_by_their_symbol_and_named_without_it(marked_graph):
    marked_graph.search("\u26a0")
    assert marked_graph.said().endswith("2 matches")
    marked_graph.search("^tick")
    assert marked_graph.said().endswith("1 match")
    assert marked_graph.frame(TICK).evaluate(OUTLINE)[0] == RED[0]


def test_marks_can_be_read_with_scripts_off(open_graph):
    graph = open_graph(STACKS, marks=MARKED, javascript=False, size=(1200, 400))
    assert f"\u26a0 {TICK}" in graph.labels()
    assert graph.frame(TICK).evaluate(OUTLINE) == RED
