"""Tracks as SVG text."""

import re
from dataclasses import replace

import pytest

from tests.output.page_reading import Page
from tests.output.timeline.examples import MS, NOTES, TIMELINE
from tracetools.core.stacks import Frame
from tracetools.output.timeline.svg import draw
from tracetools.output.timeline.tracks import make_picture
from tracetools.timelines.notes import NO_NOTES
from tracetools.timelines.timeline import Step, Timeline

TEXT = draw(TIMELINE, make_picture(TIMELINE, NOTES), range(8))


def rects(text, kind):
    found = re.findall(
        rf'<rect class="{kind}( thin)?" x="([\d.]+)%" y="(\S+)" width="([\d.]+)%"', text
    )
    return [(float(x), float(y), float(width)) for _, x, y, width in found]


def test_boxes_are_where_the_time_is():
    [(x, y, width)] = rects(TEXT, "subject")
    assert (x, y, width) == (0, 40, 100)
    assert rects(TEXT, "span") == [(30, 57, 41)]
    assert [each for each in rects(TEXT, "busy") if each[1] == 74] == [
        *((0, 74, 2), (30, 74, 5), (70, 74, 2), (92, 74, 8))
    ]
    assert [(x, width) for x, _, width in rects(TEXT, "critical")] == [(0, 2), (35, 35), (2, 17)]


def test_each_box_says_what_it_is():
    titles = Page(TEXT).texts["title"]
    assert "busy, 2 ms from 0 ns" in titles
    assert (
        "await Lock (app.py:11), 17 ms from 2 ms; ended by hold #2 at hold (cache.py:24)" in titles
    )
    assert "load all (app.py:13), 41 ms from 30 ms" in titles
    assert "other #4, 6 ms from 20 ms" in titles
    assert "handle #1 made ready by load #3 at load (app.py:30)" in titles


def test_wide_boxes_have_labels():
    labels = Page(TEXT).texts["span"]
    assert "await Lock (app.py:11) ← hold #2 at hold (cache.py:24)" in labels
    assert {"GET /report", "load all", "render", "ready 11 ms", "busy 8 ms"} <= {*labels}
    assert "busy 2 ms" not in labels


def test_boxes_of_the_span_lead_to_rows():
    assert Page(TEXT).values("href") == [f"#interval-{number}" for number in range(8)]
    assert "href" not in draw(TIMELINE, make_picture(TIMELINE, NOTES), [])


def test_the_axis_has_round_times():
    assert re.findall(r'y="14">([^<]*)</text>', TEXT) == [
        *("0", "20 ms", "40 ms", "60 ms", "80 ms", "100 ms")
    ]


def test_arrows_lead_up_and_down():
    found = re.findall(r'<line x1="([\d.]+)%" x2="[\d.]+%" y1="(\d+)" y2="(\d+)"/><svg', TEXT)
    assert [(float(x), int(y1) > int(y2)) for x, y1, y2 in found] == [(19, True), (70, True)]


def test_short_intervals_are_as_high_as_their_shares():
    steps = tuple(Step(1, 10 * MS + 100 * n, 10 * MS + 100 * n + 50) for n in range(1_000_000))
    timeline = replace(TIMELINE, steps=steps[:10_000], wakes=(), waits=(), spans=())
    text = draw(timeline, make_picture(timeline, NO_NOTES), [])
    assert "that are short" in text
    heights = {
        kind: {*re.findall(rf'class="{kind} thin"[^>]* height="([\d.]+)"', text)}
        for kind in ("busy", "waiting")
    }
    assert all(8.5 <= float(height) <= 9.5 for found in heights.values() for height in found)


def test_the_shortest_step_among_others_is_seen():
    steps = tuple(Step(1, 10 * MS + 20_000 * n, 10 * MS + 20_000 * n + 1) for n in range(5_000))
    timeline = replace(TIMELINE, steps=steps, wakes=(), waits=(), spans=())
    text = draw(timeline, make_picture(timeline, NO_NOTES), [])
    assert re.search(r'class="busy thin"[^>]* height="2"', text)


def test_long_names_of_tracks_keep_their_ends():
    life = TIMELINE.lives[1]._replace(path=(Frame("x" * 99, "app.py", 3),))
    timeline = replace(TIMELINE, lives={**TIMELINE.lives, 1: life})
    text = draw(timeline, make_picture(timeline, NOTES), [])
    assert f"<tspan>{'x' * 44}…{'x' * 12} #1</tspan>" in text


ATTACKS = ["<script>alert(1)</script>", "\" onclick='x'", "]]>", "\ud800\0\x1b\ufffe"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_becomes_markup(attack):
    def renamed(path):
        return tuple(frame._replace(name=frame.name + attack, file=attack) for frame in path)

    hostile = replace(
        TIMELINE,
        lives={n: life._replace(path=renamed(life.path)) for n, life in TIMELINE.lives.items()},
        waits=tuple(wait._replace(path=renamed(wait.path)) for wait in TIMELINE.waits),
        spans=tuple(span._replace(path=renamed(span.path)) for span in TIMELINE.spans),
    )
    text = draw(hostile, make_picture(hostile, NOTES), range(8))
    text.encode()
    shape = [(tag, set(found)) for tag, found in Page(text).elements]
    plain = [(tag, set(found)) for tag, found in Page(TEXT).elements]
    assert [tag for tag, _ in shape if tag != "rect"] == [tag for tag, _ in plain if tag != "rect"]


def test_a_timeline_of_nothing_can_be_drawn():
    for timeline in (Timeline(0, 0), Timeline(0, 9)):
        Page(draw(timeline, make_picture(timeline, NO_NOTES), []))
