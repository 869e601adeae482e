"""Frames for pages: whole in themselves, and allowed nothing but scripts."""

from tests.output.page_reading import Page
from tracetools.output.flamegraph.iframe import iframe_of_page, iframe_of_svg


def test_the_page_within_the_frame_is_the_one_that_was_given():
    page = '<p title="a & b">&amp;quot; </iframe> \'</p>'
    [frame] = Page(iframe_of_page(page, 300)).all("iframe")
    assert frame["srcdoc"] == page
    assert frame["height"] == "300"
    assert frame["width"] == "100%"


def test_the_frame_may_run_scripts_and_nothing_else():
    [frame] = Page(iframe_of_page("", 300)).all("iframe")
    assert frame["sandbox"] == "allow-scripts"


def test_a_graph_gets_a_page_with_its_title():
    [frame] = Page(iframe_of_svg("<svg></svg>", "a <b>", 300)).all("iframe")
    assert frame["title"] == "a <b>"
    page = Page(frame["srcdoc"])
    assert page.texts["title"] == ["a <b>"]
    assert len(page.all("svg")) == 1
