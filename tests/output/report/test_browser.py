"""A report in a real browser: what people see when they point, type and come back."""

import contextlib
from dataclasses import replace

import pytest

from tracetools.output.flamegraph.options import GraphOptions
from tracetools.output.report import csp_sources
from tracetools.output.report.of_profile import report_of_profile

pytestmark = pytest.mark.browser

SERVE = "serve (app/server.py:30)"
QUERY = "query (app/db.py:8)"


@pytest.fixture
def open_page(browser, tmp_path):
    """Open texts as pages; any error in a script fails the test."""
    errors = []
    with contextlib.ExitStack() as stack:

        def open_page(text, hash_="", **context):
            path = tmp_path / "report.html"
            path.write_text(text, encoding="utf-8")
            page = stack.enter_context(
                contextlib.closing(browser.new_context(**context))
            ).new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else 0)
            page.goto(path.as_uri() + hash_)
            return page

        yield open_page
    assert errors == []


@pytest.fixture
def text(profile):
    return report_of_profile(profile, GraphOptions())


def shown(page):
    return page.evaluate(
        "Array.from(document.querySelectorAll('.lens'))"
        ".filter((lens) => lens.checkVisibility()).map((lens) => lens.dataset.lens)"
    )


def names(page):
    return page.locator("tbody tr:visible th").evaluate_all("all => all.map(n => n.dataset.frame)")


def tab(page, name):
    return page.get_by_role("tab", name=name)


def test_the_page_opens_with_busy_time(open_page, text):
    page = open_page(text)
    assert shown(page) == ["busy"]
    assert tab(page, "Busy").get_attribute("aria-selected") == "true"


def test_a_tab_shows_its_lens_alone(open_page, text):
    page = open_page(text)
    tab(page, "Idle").click()
    assert shown(page) == ["idle"]
    assert page.get_by_role("tabpanel", name="Idle").is_visible()


def test_arrows_go_round_the_tabs(open_page, text):
    page = open_page(text)
    tab(page, "Busy").focus()
    seen = []
    for key in ("ArrowRight", "ArrowLeft", "ArrowLeft", "Home", "End"):
        page.keyboard.press(key)
        seen += shown(page)
    assert seen == ["idle", "busy", "scheduled", "busy", "scheduled"]
    assert page.evaluate("document.activeElement.textContent") == "Scheduled"


def test_only_the_chosen_tab_is_reached_by_the_tab_key(open_page, text):
    page = open_page(text)
    tab(page, "Busy").click()
    assert page.locator("[role=tab][tabindex='0']").all_text_contents() == ["Busy"]


def test_the_address_brings_a_lens_back_and_keeps_other_entries(open_page, text):
    page = open_page(text, "#other=1%202&lens=task")
    tab(page, "Idle").click()
    entries = page.evaluate("location.hash").removeprefix("#").split("&")
    assert {"lens=idle", "other=1%202"} <= set(entries)
    page.reload()
    assert shown(page) == ["idle"]


def test_a_changed_address_changes_the_lens(open_page, text):
    page = open_page(text)
    page.evaluate("location.hash = '#lens=idle'")
    page.wait_for_function("!document.querySelector('.lens[data-lens=idle]').hidden")
    assert shown(page) == ["idle"]


@pytest.mark.parametrize("stale", ["#lens=gone", "#lens=", "#lens", "#%", "#lens=%E0%A4&&="])
def test_an_address_that_means_nothing_shows_the_first_lens(open_page, text, stale):
    assert shown(open_page(text, stale)) == ["busy"]


def test_without_scripts_everything_is_there(open_page, text):
    page = open_page(text, java_script_enabled=False)
    assert page.locator(".lens > h2:visible").all_text_contents() == [
        "Busy",
        "Idle",
        "Task",
        "Scheduled",
    ]
    assert page.locator(".graph > svg:visible, .graph > noscript > svg:visible").count() == 4
    assert page.locator("tbody tr:visible").count() == 2
    assert page.get_by_role("button").count() == page.get_by_role("tab").count() == 0


def test_a_header_sorts_by_its_numbers_the_largest_first_and_then_the_other_way(open_page, text):
    page = open_page(text)
    assert names(page) == [SERVE, QUERY]
    header = page.get_by_role("columnheader", name="Idle")
    header.get_by_role("button").click()
    assert names(page) == [QUERY, SERVE]
    assert header.get_attribute("aria-sort") == "descending"
    assert page.locator("[aria-sort]").count() == 1
    header.get_by_role("button").press("Enter")
    assert names(page) == [SERVE, QUERY]
    assert header.get_attribute("aria-sort") == "ascending"


def test_names_sort_from_a_to_z(open_page, text):
    page = open_page(text)
    page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    assert names(page) == [QUERY, SERVE]


def test_the_filter_leaves_the_rows_that_have_the_text(open_page, text):
    page = open_page(text)
    page.get_by_label("Filter by name").fill("SERVER.py")
    assert names(page) == [SERVE]
    assert page.locator("output").text_content() == "1 of 2"


def test_a_row_searches_the_graph_in_view_for_its_frame(open_page, text):
    page = open_page(text)
    tab(page, "Idle").click()
    page.evaluate(
        "window.asked = []; for (const lens of document.querySelectorAll('.lens'))"
        " lens.querySelector('.graph > svg')?.addEventListener('tracetools:search',"
        " (event) => asked.push([lens.dataset.lens, event.detail.expression]))"
    )
    page.locator("tbody").get_by_role("button", name="serve").click()
    expression = r"^serve \(app\/server\.py:30\)$"
    assert page.evaluate("asked") == [["idle", expression]]


def test_a_row_searches_for_its_frame_alone(open_page, text):
    page = open_page(text)
    page.evaluate(
        "document.querySelector('.graph > svg').addEventListener('tracetools:search',"
        " (event) => { window.found = ['serve (app/server.py:30)', 'serve (app/server_py:30)']"
        ".map((name) => new RegExp(event.detail.expression, 'u').test(name)) })"
    )
    page.locator("tbody").get_by_role("button", name="serve").click()
    assert page.evaluate("found") == [True, False]


SEARCHED = (
    "window.asked = []; document.querySelector('.graph > svg')"
    ".addEventListener('tracetools:search', (event) => asked.push(event.detail.expression))"
)


def test_frames_of_findings_and_blocking_steps_search_the_graph(open_page, eventful):
    page = open_page(report_of_profile(eventful, GraphOptions()))
    page.evaluate(SEARCHED)
    page.locator("summary", has_text="Left open").click()
    page.locator("details[open]").get_by_role("button", name="query").click()
    page.locator(".blocking tbody").get_by_role("button", name="query").first.click()
    assert page.evaluate("asked") == [r"^query \(app\/db\.py:8\)$"] * 2


def test_the_table_of_blocking_steps_is_not_filtered(open_page, eventful):
    page = open_page(report_of_profile(eventful, GraphOptions()))
    page.get_by_label("Filter by name").fill("server.py")
    assert page.locator(".figures tbody tr:visible").count() == 1
    assert page.locator(".blocking tbody tr:visible").count() == 2


def test_findings_open_without_scripts(open_page, eventful):
    page = open_page(report_of_profile(eventful, GraphOptions()), java_script_enabled=False)
    remedy = page.get_by_text("Open spans by")
    assert not remedy.is_visible()
    page.locator("summary", has_text="Left open").click()
    assert remedy.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_colour_scheme(open_page, text, scheme):
    page = open_page(text, color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, paper.removeprefix("rgb(").rstrip(")").split(", "))) / (3 * 255)
    assert (brightness > 0.9, brightness < 0.2) == (scheme == "light", scheme == "dark")


@pytest.mark.parametrize("width", [400, 1200, 2500])
def test_the_page_is_never_wider_than_its_window(open_page, eventful, width):
    text = report_of_profile(eventful, GraphOptions())
    page = open_page(text, viewport={"width": width, "height": 900})
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_page_works_under_a_policy_that_asks_for_a_nonce(open_page, profile):
    policy = "default-src 'none'; script-src 'nonce-abc'; style-src 'nonce-abc'"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = report_of_profile(profile, GraphOptions(nonce="abc"))
    page = open_page(text.replace("<head>\n", f"<head>\n{meta}\n", 1))
    tab(page, "Busy").click()
    assert shown(page) == ["busy"]


def test_two_profiles_in_one_notebook_do_not_meet(open_page, profile):
    page = open_page(f"<!DOCTYPE html><body>{profile._repr_html_() * 2}</body>")
    first, second = page.frames[1:]
    first.get_by_role("tab", name="Idle").click()
    assert shown(first) == ["idle"]
    assert shown(second) == ["busy"]


# -- graphs ------------------------------------------------------------------------------------


@pytest.fixture
def mixed(profile):
    return replace(profile, origins={"app/db.py": "library"})


def labels(page):
    return page.locator(".lens:not([hidden]) .labels text").all_text_contents()


def test_frames_of_libraries_are_folded_until_they_are_asked_for(open_page, mixed):
    page = open_page(report_of_profile(mixed, GraphOptions()))
    tab(page, "Idle").click()
    assert "(app)" in labels(page)
    page.get_by_label("Show library frames").check()
    assert "(app)" not in labels(page)
    assert QUERY in labels(page)
    page.get_by_label("Show library frames").uncheck()
    assert "(app)" in labels(page)


def test_without_frames_of_libraries_there_is_no_switch(open_page, text):
    assert open_page(text).get_by_label("Show library frames").count() == 0


def test_a_frame_that_is_folded_is_found_among_all_frames(open_page, profile):
    libraries = dict.fromkeys(("app/db.py", "app/server.py"), "library")
    page = open_page(report_of_profile(replace(profile, origins=libraries), GraphOptions()))
    page.locator(".figures tbody").get_by_role("button", name="query").click()
    assert page.get_by_label("Show library frames").is_checked()
    assert page.locator(".lens:not([hidden]) .match").count() > 0


def test_graphs_that_are_not_shown_are_made_when_they_are(open_page, text):
    page = open_page(text)
    assert page.locator(".lens[data-lens=task] svg.tracetools").count() == 0
    tab(page, "Task").click()
    assert page.locator(".lens[data-lens=task] svg.tracetools.live").count() == 1


def test_in_a_wide_window_busy_and_idle_are_side_by_side(open_page, text):
    page = open_page(text, viewport={"width": 2500, "height": 900})
    assert shown(page) == ["busy", "idle"]
    lefts = [page.locator(f".lens[data-lens={key}]").bounding_box()["x"] for key in shown(page)]
    assert lefts[0] + 1000 < lefts[1]
    page.set_viewport_size({"width": 1000, "height": 900})
    page.wait_for_function("document.querySelector('.lens[data-lens=idle]').hidden")
    assert shown(page) == ["busy"]


def test_an_answer_shows_its_frame_in_the_graph_of_its_lens(open_page, profile):
    page = open_page(report_of_profile(profile, GraphOptions()))
    waits = page.locator(".answers > [data-graph=idle]")
    waits.get_by_role("button").first.click()
    assert shown(page) == ["idle"]
    assert page.locator(".lens:not([hidden]) .match").count() > 0


def test_the_title_follows_the_lens(open_page, text):
    page = open_page(text)
    assert page.title().startswith("app, busy, 537 ns recorded")
    tab(page, "Idle").click()
    assert page.title().startswith("app, idle, 537 ns recorded")


def test_answers_and_the_root_of_the_graph_are_on_the_first_screen(open_page, eventful):
    text = report_of_profile(eventful, GraphOptions())
    page = open_page(text, viewport={"width": 1200, "height": 800})
    root = page.locator(".graph .row > g").first.bounding_box()
    assert page.locator(".answers").bounding_box()["y"] < root["y"] < 780


def test_the_page_works_under_a_policy_of_hashes(open_page, profile):
    sources = csp_sources()
    policy = "default-src 'none'; " + "; ".join(f"{key} {sources[key]}" for key in sources)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = report_of_profile(profile, GraphOptions())
    page = open_page(text.replace("<head>\n", f"<head>\n{meta}\n", 1))
    tab(page, "Task").click()
    assert shown(page) == ["task"]
    assert page.locator(".lens[data-lens=task] svg.live").count() == 1
