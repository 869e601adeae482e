"""A page of a timeline in a real browser, in which no script runs."""

import contextlib
from dataclasses import replace

import pytest

from tests.output.timeline.examples import NOTES, SPAN, TIMELINE
from tracetools.core.stacks import Frame
from tracetools.output.timeline import write_timeline

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser, tmp_path):
    with contextlib.ExitStack() as stack:

        def open_page(width=1200, timeline=TIMELINE, **context):
            write_timeline(tmp_path / "slow.html", timeline, NOTES)
            made = browser.new_context(viewport={"width": width, "height": 900}, **context)
            page = stack.enter_context(contextlib.closing(made)).new_page()
            page.goto((tmp_path / "slow.html").as_uri())
            return page

        yield open_page


def box(page, selector):
    found = page.locator(selector).first.bounding_box()
    return found["x"], found["width"]


@pytest.mark.parametrize("width", [1200, 400])
def test_the_picture_fits_any_width(open_page, width):
    page = open_page(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    left, whole = box(page, "svg.timeline rect.subject")
    assert whole > 0.9 * width
    x, part = box(page, "svg.timeline rect.span")
    assert (x - left) / whole == pytest.approx(0.30, abs=0.001)
    assert part / whole == pytest.approx(0.41, abs=0.001)


def test_long_names_make_no_page_wider(open_page):
    path = (Frame("a_long_name_" * 20, "some/folder/" * 9, 3),)
    lives = {number: life._replace(path=path) for number, life in TIMELINE.lives.items()}
    subject = SPAN._replace(path=path)
    timeline = replace(TIMELINE, lives=lives, spans=(subject,), subject=subject)
    page = open_page(400, timeline)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_labels_are_cut_where_they_do_not_fit_and_left_out_of_narrow_boxes(open_page):
    wide, narrow = open_page(1200), open_page(400)
    cut = "all => all.map(each => each.scrollWidth > each.clientWidth)"
    label = narrow.locator(".label span", has_text="await Lock")
    assert label.evaluate_all(cut) == [True]
    short = "busy 5 ms"
    assert wide.locator(".label span", has_text=short).first.is_visible()
    assert not narrow.locator(".label span", has_text=short).first.is_visible()


def test_a_click_on_an_interval_leads_to_its_row(open_page):
    page = open_page(1200, java_script_enabled=False)
    page.locator("svg.timeline a").nth(1).click()
    assert page.url.endswith("#interval-1")
    row = page.locator("tr:target")
    assert "await Lock" in row.inner_text()
    assert row.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"


def colours(page, *selectors):
    ask = "each => getComputedStyle(each).fill"
    return [page.locator(selector).first.evaluate(ask) for selector in selectors]


def test_states_have_colours_of_their_own_in_both_schemes(open_page):
    kinds = [
        f"svg.timeline .{kind}" for kind in ("busy", "scheduled", "waiting", "critical", "name")
    ]
    light = colours(open_page(color_scheme="light"), *kinds)
    dark = colours(open_page(color_scheme="dark"), *kinds)
    assert len({*light}) == len({*dark}) == len(kinds)
    assert light[:3] == dark[:3]
    assert light[3:] != dark[3:]
