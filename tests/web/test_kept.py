"""Pages of slow spans in memory: so many and no more, and none of our own."""

from __future__ import annotations

import gzip

import pytest

from tests.output.formats.test_chrome_trace import TIMELINE
from tracetools.recording.keeper import Kept
from tracetools.web import kept as module
from tracetools.web.kept import KeptPages
from tracetools.web.recordings import OURS


def kept(latency=10, timeline=TIMELINE, **how):
    return Kept("GET /", latency, timeline, **how)


@pytest.fixture
def pages():
    return KeptPages()


def test_a_page_is_kept_and_found(pages):
    pages.keep(kept(7, trace_id="a" * 32))
    [page] = pages.pages
    assert (page.name, page.latency, page.why, page.trace_id) == ("GET /", 7, "slow", "a" * 32)
    assert b"<!DOCTYPE html>" in gzip.decompress(page.body)
    assert pages.page(page.key) == page
    assert pages.page("0") is None


def test_the_slowest_come_first(pages):
    for latency in (3, 9, 5):
        pages.keep(kept(latency))
    assert [page.latency for page in pages.pages] == [9, 5, 3]


def test_what_is_taken_back_is_gone(pages):
    take_back = pages.keep(kept())
    take_back()
    take_back()
    assert pages.pages == []


def test_there_are_so_many_at_most(pages, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 3)
    for latency in range(5):
        pages.keep(kept(latency))
    assert [page.latency for page in pages.pages] == [4, 3, 2]


def test_they_take_so_much_memory_at_most(pages, monkeypatch):
    pages.keep(kept())
    size = len(pages.pages[0].body)
    monkeypatch.setattr(module, "_MOST_BYTES", 2 * size + 1)
    for latency in range(5):
        pages.keep(kept(latency))
    assert len(pages.pages) == 2


def test_an_error_is_named(pages):
    pages.keep(kept(why="error", detail="KeyError"))
    assert pages.pages[0].why == "ended by KeyError"


def test_what_has_no_span_has_no_page(pages):
    from dataclasses import replace

    pages.keep(kept(timeline=replace(TIMELINE, subject=None)))
    assert pages.pages == []


def test_a_request_of_ours_is_not_kept(pages):
    from dataclasses import replace

    subject = TIMELINE.subject
    ours = subject._replace(path=(*subject.path, OURS))
    pages.keep(kept(timeline=replace(TIMELINE, spans=(*TIMELINE.spans, ours))))
    assert pages.pages == []
