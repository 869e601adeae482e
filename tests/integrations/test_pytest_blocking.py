from __future__ import annotations

from types import SimpleNamespace

import pytest

from tracetools import Profile
from tracetools.core.stacks import BLOCKS_THE_LOOP, ROOT, Blocks, Frame
from tracetools.integrations.pytest_blocking import (
    complaint,
    limit_of,
    longest_block,
    most_blocked,
)

MILLISECOND = 10**6
TASK = Frame("main", "app.py", 1)


def test_of(marker, *markers):
    found = None if marker is None else marker.mark
    return SimpleNamespace(
        name="test_x",
        location=("test_a.py", 41, ""),
        get_closest_marker=lambda _: found,
        config=SimpleNamespace(getini=lambda _: ["slow", "max_blocking(seconds): ours", *markers]),
    )


test_of.__test__ = False


def test_a_test_without_the_marker_has_no_limit():
    assert limit_of(test_of(None)) is None


@pytest.mark.parametrize("other", ["max_blocking", "max_blocking: how long", "max_blocking (ms)"])
def test_a_marker_of_the_project_may_have_other_arguments(other):
    assert limit_of(test_of(pytest.mark.max_blocking(ms=50), other)) is None
    assert limit_of(test_of(pytest.mark.max_blocking(0.05), other)) == 0.05


@pytest.mark.parametrize("number", [0.05, 1, 0.001])
def test_the_limit_is_given_by_position_or_by_name(number):
    assert limit_of(test_of(pytest.mark.max_blocking(number))) == number
    assert limit_of(test_of(pytest.mark.max_blocking(seconds=number))) == number


@pytest.mark.parametrize(
    "marker",
    [
        pytest.mark.max_blocking,
        pytest.mark.max_blocking("50ms"),
        pytest.mark.max_blocking(0.1, 0.2),
        pytest.mark.max_blocking(0.1, seconds=0.2),
        pytest.mark.max_blocking(ms=50),
        pytest.mark.max_blocking(True),
        pytest.mark.max_blocking(0),
        pytest.mark.max_blocking(-1),
        pytest.mark.max_blocking(float("nan")),
        pytest.mark.max_blocking(float("inf")),
    ],
    ids=repr,
)
def test_anything_else_is_wrong_use_at_the_location_of_the_test(marker):
    with pytest.raises(pytest.UsageError, match=r"^test_a\.py:42: test_x: max_blocking\("):
        limit_of(test_of(marker))


def profile(**blocking):
    """Return a profile of blocking steps, by the name of the file that blocks."""
    return Profile(
        blocking_threshold=50 * MILLISECOND,
        blocking={
            (ROOT, TASK, Frame(BLOCKS_THE_LOOP, f"{name}.py", 7)): blocks
            for name, blocks in blocking.items()
        },
    )


def blocks(*milliseconds, **kinds):
    each = [number * MILLISECOND for number in milliseconds]
    return Blocks(len(each), sum(each), max(each))._replace(
        **{kind: number * MILLISECOND for kind, number in kinds.items()}
    )


def test_the_longest_step_is_found_whatever_has_blocked_more_in_all():
    found = longest_block(profile(often=blocks(100, 100, 100), long=blocks(200)), 0.15)
    assert found == (200 * MILLISECOND, 200 * MILLISECOND, 1, "long.py:7")


def test_a_step_within_the_limit_is_none():
    assert longest_block(profile(a=blocks(100)), 0.1) is None
    assert longest_block(profile(), 0.1) is None


def test_a_step_in_which_the_process_was_stopped_does_not_count():
    assert longest_block(profile(a=blocks(200, stopped=190)), 0.1) is None
    assert longest_block(profile(a=blocks(200, starved=190)), 0.1) is None


def test_the_most_blocking_line_stands_for_all():
    found = most_blocked(profile(often=blocks(100, 100, 100), long=blocks(200)))
    assert found == (200 * MILLISECOND, 500 * MILLISECOND, 4, "often.py:7")
    assert most_blocked(profile()) is None


def test_the_text_of_the_line_is_shown_if_it_can_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("\n" * 6 + "    time.sleep(0.2)\n", encoding="utf-8")
    found = longest_block(profile(app=blocks(200)), 0.1)
    assert complaint("test_x", found, 0.1) == (
        "test_x: the loop was blocked for 200 ms at app.py:7: time.sleep(0.2)\n"
        "(one step may take 100 ms: max_blocking(0.1))"
    )
