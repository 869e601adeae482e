"""The pages in a real browser: light and dark, wide and narrow, under their policies."""

from __future__ import annotations

import contextlib

import pytest

from tests.web.asking import TOKEN
from tests.web.test_servers import served

pytestmark = pytest.mark.browser

SIZES = [(scheme, width) for scheme in ("light", "dark") for width in (1200, 400)]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with served(tmp_path_factory.mktemp("app"), "uvicorn on asyncio") as here:
        yield here


@pytest.fixture
def open_page(browser, here):
    """Open a page; anything that its policy forbids, and any error of a script, fails the test."""
    errors = []
    with contextlib.ExitStack() as stack:

        def open_page(path, scheme="light", width=1200):
            context = browser.new_context(
                color_scheme=scheme,
                viewport={"width": width, "height": 800},
                http_credentials={"username": "me", "password": TOKEN},
            )
            page = stack.enter_context(contextlib.closing(context)).new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else 0)
            assert page.goto(f"http://127.0.0.1:{here.port}/tracetools{path}").ok
            return page

        yield open_page
    assert [error for error in errors if "favicon" not in error and "404" not in error] == []


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_pages_fit_and_follow_the_colours_of_the_reader(open_page, scheme, width):
    paper = {"light": "rgb(255, 255, 255)", "dark": "rgb(27, 25, 23)"}[scheme]
    for path in ("/", "/tasks", "/debug/pprof/"):
        page = open_page(path, scheme, width)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("button", "graphs"), [("Flame graph", 1), ("Report", 2)])
def test_the_form_leads_to_what_is_recorded(open_page, button, graphs):
    page = open_page("/")
    page.get_by_label("Seconds").first.fill("0.2")
    page.get_by_label("Lens").select_option("idle")
    page.get_by_role("button", name=button).click()
    page.wait_for_selector("svg")
    assert page.locator(".lens").count() >= graphs
    assert page.locator(".lens").first.get_attribute("data-lens") == "idle"
    assert page.locator(".tabs").count() == 1  # the script ran, under the policy


def test_a_profile_is_downloaded(open_page):
    page = open_page("/")
    page.get_by_label("Seconds").last.fill("0.1")
    page.get_by_label("Format").select_option("pprof")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "profile.pb.gz"


def test_the_links_lead_there_and_back(open_page):
    page = open_page("/")
    page.get_by_role("link", name="What every task waits for now").click()
    assert "Tasks of" in page.title()
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="/debug/pprof/profile").click()
    page.get_by_role("link", name="Overview").click()
    assert page.get_by_role("button", name="Flame graph").is_visible()


def test_an_svg_works_under_its_policy(open_page):
    page = open_page("/flamegraph?seconds=0.1&format=svg&lens=task")
    assert page.locator("svg rect, svg g").count() > 0
