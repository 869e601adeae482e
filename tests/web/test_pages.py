"""Pages have nothing in them that is not escaped, no scripts, and a policy that lets them be."""

from __future__ import annotations

import re

import pytest

from tracetools.core.stacks import Frame
from tracetools.live.values import Deadlock, Dump, LoopDump, TaskDump
from tracetools.output.flamegraph.markup import csp_source
from tracetools.web.kept import KeptPage
from tracetools.web.messages import RefusedError
from tracetools.web.pages import (
    Overview,
    first_page,
    kept_page,
    pprof_page,
    requests_page,
    tasks_page,
)

EVIL = "<script>alert(1)</script>\"'\x00"
TASK = TaskDump(1, EVIL, Frame(EVIL, EVIL, 1))
DUMP = Dump(1, EVIL, "3.13", 10**18, (LoopDump("trio", tasks=(TASK,)),), (Deadlock((1,)),))
OVERVIEW = Overview(EVIL, ("process 1",), DUMP, 60.0, 5, is_measured=True, kept=2)
PAGE = KeptPage("1", EVIL, 10**9, 0.0, EVIL, EVIL, b"")


def overview(**changes):
    return first_page(OVERVIEW._replace(**changes)).body.decode()


@pytest.mark.parametrize(
    "page",
    [
        first_page(OVERVIEW),
        tasks_page(DUMP, f"head\n{EVIL}\n"),
        requests_page(EVIL, [PAGE]),
        pprof_page(EVIL, EVIL),
    ],
)
def test_names_are_escaped_and_styles_are_allowed(page):
    text = page.body.decode()
    assert "<script" not in text
    assert "\0" not in text
    assert text.count("<style>") == 1
    style = re.search("<style>(.*)</style>", text, re.DOTALL)[1]
    assert csp_source(style) in page.policy
    assert " style=" not in text
    assert "form-action 'self'" in page.policy


def test_the_page_says_what_is_so():
    assert "for 5 seconds more" in overview()
    assert "Another request" not in overview(left=None)
    assert "1 deadlock<" in overview()
    assert "Recording begins when they are first read" in overview(is_measured=None)
    assert "records=False" in overview(is_measured=False)
    assert "None are kept" in overview(kept=None)
    assert 'max="60"' in overview()
    assert 'value="2.5"' in overview(most=2.5)


def test_no_slow_requests_are_told():
    assert "No span was slow up to now" in requests_page("app.py", []).body.decode()


def test_deadlocks_and_loops_stand_out():
    text = "head\n\ndeadlock: 2 tasks\n  #1 a\n\ntrio in main: 1 task\n#1 b\n"
    body = tasks_page(DUMP, text).body.decode()
    assert re.findall("<b>(.*?)</b>", body) == ["deadlock: 2 tasks", "trio in main: 1 task"]


def test_a_file_that_is_gone_is_told(tmp_path):
    path = tmp_path / "x.html"
    path.write_bytes(b"page")
    assert kept_page(PAGE._replace(path=path)).body == b"page"
    path.unlink()
    with pytest.raises(RefusedError, match="no such page any more"):
        kept_page(PAGE._replace(path=path))
