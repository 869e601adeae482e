"""The flags of `tracetools diff`."""

import pytest

from tracetools.__main__ import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.folded").write_text("all-spans;x 100\n")
    (tmp_path / "b.folded").write_text("all-spans;x 110\n")
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "status"),
    [("10%", 0), ("10", 0), ("9.9%", 1), ("0", 1), ("1e3", 0), ("1e-999999999", 1)],
)
def test_growth_above_the_limit_ends_with_status_1(limit, status):
    assert main(["diff", "a.folded", "b.folded", "--fail-over", limit]) == status


def test_without_a_limit_growth_is_no_failure():
    assert main(["diff", "a.folded", "b.folded"]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.folded"], "AFTER"),
        (["a.folded", "b.folded", "--fail-over", "x"], "'x' is no percentage"),
        (["a.folded", "b.folded", "--fail-over", "1/0"], "'1/0' is no percentage"),
        (["a.folded", "b.folded", "--fail-over=-1"], "'-1' is negative"),
        (["a.folded", "b.folded", "--fail-over", "1e999999999"], "is no percentage"),
        (["a.folded", "b.folded", "-n", "9" * 5000], "9' is no whole number"),
        (["a.folded", "b.folded", "-n", "x"], "'x' is no whole number"),
        (["a.folded", "b.folded", "--sort", "x"], "--sort"),
    ],
)
def test_wrong_use_ends_with_status_2(arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["diff", *arguments])
    assert stopped.value.code == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "usage: tracetools diff" in shown
