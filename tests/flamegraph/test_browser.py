"""A written graph in a real browser: what people see when they point, click, search and type."""

import pytest

from tracetools.flamegraph import Flamegrapher
from tracetools.flamegraph.layout import lay_out
from tracetools.formats.folded import write_folded

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


class Graph:
    """A graph in a page, spoken of as people do; any error in its script fails the test."""

    def __init__(self, page, path):
        self.page = page
        self.errors = []
        self.prompts = []
        self.answer = None
        page.on("pageerror", self.fail)
        page.on("dialog", self.reply)
        page.goto(path.as_uri())

    def fail(self, error):
        self.errors.append(error)

    def reply(self, dialog):
        self.prompts.append(dialog.message)
        if self.answer is None:
            dialog.dismiss()
        else:
            dialog.accept(self.answer)

    def frame(self, name, nth=0):
        return self.page.locator(".row > g:not(.hidden)").filter(has_text=name).nth(nth)

    def text(self, part):
        return self.page.locator(f".{part}").text_content()

    def button(self, part):
        return self.page.locator(f".{part}")

    def search(self, expression):
        self.answer = expression
        self.page.keyboard.press("F3")

    def shown(self):
        """Name, left and width (as shares of the graph, as painted) of the frames to be seen."""
        return self.page.evaluate(
            """() => {
                const sheet = document.querySelector(".frames");
                const origin = sheet.getScreenCTM().e;
                const pixels = sheet.width.baseVal.value;
                return [...document.querySelectorAll(".row > g:not(.hidden)")].map((node) => {
                    const { left, width } = node.querySelector("rect").getBoundingClientRect();
                    const title = node.querySelector("title").textContent;
                    return [
                        title.slice(0, Number(node.dataset.n)),
                        (left - origin) / pixels,
                        width / pixels,
                    ];
                });
            }"""
        )

    def labels(self):
        return self.page.locator(".row > g:not(.hidden) > text").all_text_contents()


@pytest.fixture
def open_graph(browser, tmp_path):
    graphs = []

    def open_it(stacks, *, javascript=True, size=(1000, 400), **options):
        path = tmp_path / "graph.folded"
        write_folded(path, stacks)
        page = browser.new_page(
            java_script_enabled=javascript, viewport={"width": size[0], "height": size[1]}
        )
        graphs.append(Graph(page, Flamegrapher(path, **options).write_flamegraph()))
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
    assert all(
        cut == "" or full.startswith(cut[:-2]) for full, cut in zip(wide, narrow, strict=True)
    )


def test_labels_stay_within_their_frames(open_graph):
    stacks = {("i" * 90,): 30, ("W" * 90,): 30, ("\u4e2d" * 90,): 30, ("\U0001f600" * 90,): 10}
    for font in ("monospace", "sans-serif"):
        graph = open_graph(stacks, font_type=font)
        overflow = graph.page.evaluate(
            """() => [...document.querySelectorAll(".row > g")].map((node) =>
                node.querySelector("text").getComputedTextLength() -
                node.querySelector("rect").getBoundingClientRect().width)"""
        )
        assert max(overflow) <= 0
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
    dimmed = graph.page.locator(".dimmed > title").all_text_contents()
    assert [title.split(" ")[0] for title in dimmed] == ["all", "all-spans"]
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


# -- search ------------------------------------------------------------------------------------


def test_search_tells_the_share_of_what_matches_counted_once(graph):
    graph.search("query|parse")
    assert graph.text("matched") == "Matched: 55.0%"
    assert graph.page.locator(".match").count() == 3
    graph.button("search").click()
    assert graph.text("matched") == ""
    assert graph.page.locator(".match").count() == 0


def test_search_sees_only_names(graph):
    graph.search(r"µs|%|\d+\.\d|100")
    assert graph.text("matched") == "Matched: 0.0%"
    graph.search(r"^query \(app/db\.py:8\)$")
    assert graph.text("matched") == "Matched: 55.0%"


@pytest.mark.parametrize("keys", ["Control+f", "Meta+f", "F3"])
def test_keys_ask_for_what_to_search(graph, keys):
    graph.answer = "^tick"
    graph.page.keyboard.press(keys)
    assert graph.prompts == ["Search names for a regular expression (empty: clear)"]
    assert graph.text("matched") == "Matched: 15.0%"


def test_button_asks_for_what_to_search(graph):
    graph.answer = "^tick"
    graph.button("search").click()
    assert graph.text("matched") == "Matched: 15.0%"


def test_dismissed_prompt_changes_nothing(graph):
    graph.search("tick")
    graph.search(None)
    assert graph.text("matched") == "Matched: 15.0%"
    graph.search("")
    assert graph.text("matched") == ""


def test_invalid_expression_is_said(graph):
    graph.search("tick")
    graph.search("(")
    assert "Invalid regular expression" in graph.text("matched")
    assert graph.page.locator(".match").count() == 1


def test_matched_share_is_that_of_what_is_shown(graph):
    graph.search("query")
    graph.frame(TICK).click()
    assert graph.text("matched") == "Matched: 66.7%"
    graph.button("reset").click()
    assert graph.text("matched") == "Matched: 55.0%"


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
    graph.answer = "tick"
    graph.button("search").focus()
    graph.page.keyboard.press("Enter")
    assert graph.text("matched") == "Matched: 15.0%"


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
    page.on("pageerror", lambda error: errors.append(error))  # noqa: PLW0108  # playwright marks it
    page.goto(page_file.as_uri())
    first, second = page.locator("svg.tracetools").all()
    first.locator(".row > g").filter(has_text=TICK).first.click()
    assert first.locator(".reset").is_visible()
    assert first.locator(".hidden").count() == 3
    assert second.locator(".hidden").count() == 0
    assert first.locator(".frames").evaluate("node => node.width.baseVal.value") == 580
    assert errors == []
    page.close()
