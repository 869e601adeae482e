"""The page of one span as text: well formed, whole in itself, and proof against any name."""

import re
from dataclasses import replace

import pytest
from hypothesis import given

from tests.output.formats.mutations import relaxed
from tests.output.page_reading import Page
from tests.output.timeline.examples import CRITICAL, MS, NOTES, OTHER, SPAN, TIMELINE
from tests.output.timeline.test_svg import ATTACKS
from tests.timelines.random_timelines import CUT_TIMELINES, TIMELINES
from tracetools import StackFileError
from tracetools.core.stacks import Frame
from tracetools.output.timeline import timeline_page, write_timeline
from tracetools.output.timeline.page import csp_sources
from tracetools.timelines.notes import NO_NOTES, Notes
from tracetools.timelines.timeline import Life, Step, Timeline

TEXT = timeline_page(TIMELINE, NOTES)


def plain(text):
    """Return the text of a page without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text.partition("</style>")[2]))


def test_the_head_says_what_and_when():
    page = Page(TEXT)
    assert page.texts["h1"] == ["GET /report"]
    assert page.texts["title"][0] == "GET /report, 100 ms"
    assert (
        "100 ms · shop · app.py:9 · 2023-11-14 22:13:20.005 UTC · trace 4bf92f3577b34da6"
        in plain(TEXT)
    )


def test_the_legend_says_how_long_the_task_was_in_each_state():
    said = plain(TEXT)
    assert "What the task handle #1 did in the span:" in said
    assert "busy 17 ms 17 % ready 11 ms 11 % waiting 72 ms 72 %" in said
    assert "this span spans in threads critical path ↓ made the other task ready" in said


def test_the_tables_say_the_same_in_words():
    said = plain(TEXT)
    assert "2 ms 17 ms 17 % await Lock (app.py:11) ended by hold #2 at hold (cache.py:24)" in said
    assert "ready while these stepped: other #4 for 6 ms, other #5 for 2 ms" in said
    assert "What the span waited for in the end, task by task: 54 ms of 100 ms." in said
    assert "35 ms 35 ms 35 % load #3 busy" in said
    assert "blocked the loop" not in said
    blocking = timeline_page(TIMELINE, NOTES._replace(blocking_threshold=7 * MS))
    assert "busy blocked the loop" in plain(blocking)


def test_what_leads_to_rows_finds_them():
    page = Page(TEXT)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {href.removeprefix("#") for href in page.values("href")} <= set(ids)


def test_the_page_needs_nothing_outside_itself_and_no_script():
    page = Page(TEXT)
    assert {each for each in page.values("href") if not each.startswith("#")} == set()
    assert page.values("src") == page.all("script") == []
    assert not {name for _, found in page.elements for name in found if name == "style"}
    assert "://" not in TEXT
    assert "url(" not in TEXT


def test_a_security_policy_can_allow_its_styles():
    [style] = re.findall(r"<style>(.*?)</style>", TEXT, re.DOTALL)
    assert "\n.busy {" in style
    assert csp_sources()["style-src"].startswith("'sha256-")


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_becomes_markup(attack):
    subject = SPAN._replace(path=(*SPAN.path[:-1], Frame(f"x{attack}", attack)))
    timeline = replace(TIMELINE, spans=(TIMELINE.spans[0], subject), subject=subject)
    text = timeline_page(timeline, Notes(attack, attack, None, CRITICAL))
    text.encode()
    assert [tag for tag, _ in Page(text).elements] == [tag for tag, _ in Page(TEXT).elements]


@pytest.mark.parametrize(
    ("subject", "note"),
    [
        (SPAN._replace(begin=2 * MS), "The first 3 ms of the span were not kept."),
        (SPAN._replace(end=None), "The span was still open when this was kept."),
    ],
)
def test_what_is_missing_of_the_span_is_said(subject, note):
    assert note in timeline_page(replace(TIMELINE, subject=subject))


def test_what_the_picture_leaves_out_is_said():
    numbers = range(10, 100)
    lives = {**TIMELINE.lives, **{n: Life(n, OTHER, 1, 50 * MS, None) for n in numbers}}
    steps = tuple(Step(1, 10 * MS + 100 * n, 10 * MS + 100 * n + 50) for n in range(500))
    spans = tuple(SPAN._replace(path=(*SPAN.path, Frame(str(n)))) for n in range(9))
    said = timeline_page(replace(TIMELINE, lives=lives, steps=steps, spans=spans, wakes=()))
    assert "is drawn with its neighbours" in said
    assert "52 more tasks belong here. The 40 that matter most have tracks" in said
    assert "3 spans lie too deep within others to be drawn." in said
    assert re.search(r"The longest 200 are shown; \d+ shorter ones took [\d.]+ µs together", said)


def test_a_timeline_may_have_no_subject():
    said = plain(timeline_page(replace(TIMELINE, subject=None), Notes("shop")))
    assert "shop" in said
    assert "What the task did" not in said
    assert "busy ready waiting" in said
    assert Page(timeline_page(Timeline(0, 0))).texts["h1"] == ["Timeline"]


def test_tasks_may_have_no_lives():
    said = plain(timeline_page(replace(TIMELINE, lives={}), NOTES))
    assert "What the task unknown #1 did in the span:" in said
    assert "ended by unknown #2 at hold (cache.py:24)" in said


def test_a_moment_may_be_beyond_the_calendar():
    assert "000 ns after 1970" in timeline_page(replace(TIMELINE, starts=10**30))


def test_a_file_is_replaced_at_once(tmp_path):
    write_timeline(tmp_path / "slow.html", TIMELINE, NOTES)
    assert (tmp_path / "slow.html").read_text(encoding="utf-8") == TEXT
    with pytest.raises(StackFileError, match=r"cannot write .*missing"):
        write_timeline(tmp_path / "missing" / "x.html", TIMELINE)


@relaxed
@given(TIMELINES | CUT_TIMELINES)
def test_any_timeline_makes_a_page(timeline):
    text = timeline_page(timeline)
    Page(text)
    again = replace(timeline, lives=dict(reversed(timeline.lives.items())))
    assert timeline_page(again, NO_NOTES) == text
