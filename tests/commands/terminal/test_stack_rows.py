"""Stacks as a tree and as a table."""

from tests.output.answers.profiles import DIGEST, GET_REPORT, MS, READ, REPORT, SERVE
from tracetools.commands.terminal.stack_rows import Row, rows_of, table_lines, tree_lines
from tracetools.core.stacks import ROOT, Frame, Times
from tracetools.output.lints import amount

NUMBERS = {
    (ROOT,): 100 * MS,
    (ROOT, SERVE): 50 * MS,
    (ROOT, SERVE, REPORT): 50 * MS,
    (ROOT, SERVE, REPORT, DIGEST): 500 * MS,
    (ROOT, SERVE, READ): 300 * MS,
    (ROOT, SERVE, READ, Frame("tiny", "app.py", 99)): 1,
}


def test_tree():
    assert tree_lines(NUMBERS, amount) == [
        "       1 s  100 %  all-spans",
        "    900 ms   90 %    Server.serve (uvicorn/server.py:88)",
        "    550 ms   55 %      report (app.py:17)",
        "    500 ms   50 %        digest (app.py:11)",
        "    300 ms   30 %      read_settings (app.py:20)",
    ]


def test_a_tree_of_few_rows_has_the_heaviest():
    assert tree_lines(NUMBERS, amount, limit=3) == [
        "       1 s  100 %  all-spans",
        "    900 ms   90 %    Server.serve (uvicorn/server.py:88)",
        "    550 ms   55 %      report (app.py:17)",
        "... and 2 more frames: --limit shows them",
    ]


def test_a_tree_of_nothing():
    assert tree_lines({}, amount) == []
    assert tree_lines({(ROOT,): 0}, amount) == []


TIMES = {
    (ROOT, SERVE): Times(idle=20 * MS, steps=7, entries=1),
    (ROOT, SERVE, REPORT): Times(idle=60 * MS),
}


def test_rows():
    rows = rows_of(NUMBERS, TIMES, "self")
    assert rows[0] == Row(DIGEST, 500 * MS, 500 * MS)
    assert rows[1] == Row(READ, 300 * MS + 1, 300 * MS)
    assert Row(SERVE, 900 * MS + 1, 50 * MS, 20 * MS, steps=7, entries=1) in rows


def test_a_frame_that_stands_twice_in_a_stack_counts_once():
    assert rows_of({(ROOT, REPORT, DIGEST, REPORT): 5}, {}, "total")[2] == Row(REPORT, 5, 5)


def test_table():
    rows = rows_of(NUMBERS, TIMES, "total")
    heading, *lines = table_lines(rows, amount, whole=1000 * MS, sort="total", limit=3)
    assert heading == (
        "      total       self       idle      steps    entries      % total  frame"
    )
    assert lines == [
        "        1 s     100 ms                                         100 %  all-spans",
        (
            "     900 ms      50 ms      20 ms          7          1         90 %"
            "  Server.serve (uvicorn/server.py:88)"
        ),
        "     550 ms      50 ms      60 ms                               55 %  report (app.py:17)",
        "... and 2 more rows: --limit shows them",
    ]


def test_a_table_by_idle_time_has_only_what_is_idle():
    rows = rows_of({}, TIMES, "idle")
    assert table_lines(rows, amount, whole=0, sort="idle", limit=9) == [
        "       idle      steps    entries       % idle  frame",
        "      60 ms                               75 %  report (app.py:17)",
        "      20 ms          7          1         25 %  Server.serve (uvicorn/server.py:88)",
    ]


def test_spans_are_frames_too():
    assert tree_lines({(ROOT, GET_REPORT): 5}, str)[-1].endswith("GET /report/{year} (app.py:17)")
