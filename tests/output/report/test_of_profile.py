"""Reports of profiles, in notebooks too."""

import html

from tests.output.page_reading import Page
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.report.of_profile import notebook_of_profile


def test_in_a_notebook_the_whole_report_is_in_a_frame(profile):
    [frame] = Page(notebook_of_profile(profile)).all("iframe")
    assert Page(frame["srcdoc"]).values("data-lens") == ["task", "busy", "idle", "scheduled"]


def test_an_empty_profile_is_a_sentence():
    page = Page(notebook_of_profile(Profile()))
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
    shown = notebook_of_profile(Profile(stacks=stacks, scheduled_measured=True))
    assert len(html.unescape(shown)) < len(shown) < 5_000_000
