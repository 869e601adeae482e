"""What notebooks are given: a frame, whole in itself and of bearable size."""

import html

from tests.output.report.reading import Page
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.report.notebook import notebook_frame, notebook_of_svg


def test_the_page_within_the_frame_is_the_one_that_was_given():
    page = '<p title="a & b">&amp;quot; </iframe> \'</p>'
    [frame] = Page(notebook_frame(page, 300)).all("iframe")
    assert frame["srcdoc"] == page
    assert frame["height"] == "300"
    assert frame["width"] == "100%"


def test_the_frame_may_run_scripts_and_nothing_else():
    [frame] = Page(notebook_frame("", 300)).all("iframe")
    assert frame["sandbox"] == "allow-scripts"


def test_a_graph_gets_a_page_with_its_title():
    [frame] = Page(notebook_of_svg("<svg></svg>", "a <b>", 300)).all("iframe")
    assert frame["title"] == "a <b>"
    page = Page(frame["srcdoc"])
    assert page.texts["title"] == ["a <b>"]
    assert len(page.all("svg")) == 1


def test_a_profile_shows_its_report(profile):
    [frame] = Page(profile._repr_html_()).all("iframe")
    assert Page(frame["srcdoc"]).values("data-lens") == ["task", "busy", "idle", "scheduled"]


def test_an_empty_profile_is_a_sentence():
    page = Page(Profile()._repr_html_())
    assert page.all("iframe") == []
    assert "no time" in page.texts["p"][0]


def test_a_profile_of_the_largest_kind_stays_below_five_megabytes():
    stacks = {
        (
            ROOT,
            Frame(f"task number {number:05} " + "x" * 40, "package/module/file.py", number),
        ): Times(busy=10**6, scheduled=10**6, idle=10**6, steps=1, entries=1)
        for number in range(9_000)
    }
    shown = Profile(stacks=stacks, scheduled_measured=True)._repr_html_()
    assert len(html.unescape(shown)) < len(shown) < 5_000_000
