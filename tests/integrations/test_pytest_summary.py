from __future__ import annotations

from tracetools.integrations.pytest_summary import Figures, summary

SECOND = 10**9


def test_the_heaviest_tests_come_first_and_their_files_last():
    tests = [
        Figures("t.py::quick", "quick.html", 2_000_000),
        Figures("t.py::slow", "slow.html", 2 * SECOND, SECOND, 3, "app.py:7: sleep(1)", 5_000_000),
    ]
    assert list(summary(tests, "out")) == [
        "Slowest, by busy time",
        "       2 s  t.py::slow",
        "      2 ms  t.py::quick",
        "Most blocked",
        "       1 s  t.py::slow",
        "            3 steps, at app.py:7: sleep(1)",
        "Longest scheduling delay",
        "      5 ms  t.py::slow",
        "2 reports in out:",
        "  slow.html",
        "  quick.html",
    ]


def test_what_took_less_than_a_millisecond_is_not_listed():
    assert list(summary([Figures("t.py::a", "a.html", 999_999)], "out")) == ["1 report in out"]


def test_a_screen_has_room_for_the_tests_of_a_large_run():
    tests = [
        Figures(f"t.py::{n}", f"{n}.html", n * SECOND, (n % 7) * SECOND, 1, "a:1", n % 11 * SECOND)
        for n in range(1000)
    ]
    assert len(list(summary(tests, "out"))) <= 24


def test_a_line_of_code_ends_where_the_terminal_does():
    test = Figures("t.py::" + "x" * 60, "x.html", SECOND, SECOND, 1, "app.py:7: " + "y" * 60)
    lines = list(summary([test], "out", 60))
    [cut] = [line for line in lines if "app.py" in line]
    assert cut == "            1 step, at app.py:7: " + "y" * 24 + "..."
    assert f"       1 s  t.py::{'x' * 60}" in lines
