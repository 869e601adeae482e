"""The text of lines."""

import os

import pytest

from tracetools.core.profile import Profile
from tracetools.output.answers.source import lines_of

SECOND = 10**9


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "app.py"
    path.write_text("import time\n    time.sleep(1)  \nx = '" + "a" * 100 + "'\n")
    os.utime(path, ns=(5 * SECOND, 5 * SECOND))
    return str(path)


def test_a_line_without_blanks(file):
    text = lines_of(Profile(start=6 * SECOND))
    assert text(file, 2) == "time.sleep(1)"
    assert text(file, 9) == text(file, 0) == ""


def test_a_line_that_is_too_long_is_left_out(file):
    assert lines_of(Profile(start=6 * SECOND))(file, 3) == ""


def test_a_file_that_was_changed_since_says_nothing(file):
    assert lines_of(Profile(start=4 * SECOND))(file, 2) == ""


@pytest.mark.parametrize("name", ["no such file", "", "\0", "<string>"])
def test_a_file_that_is_not_here_says_nothing(name):
    assert lines_of(Profile(start=6 * SECOND))(name, 1) == ""
