"""What a terminal can show."""

import os

import pytest

from tracetools.commands.terminal import screen
from tracetools.commands.terminal.screen import PLAIN, Style, printable, style_of, width_of, wrapped


@pytest.fixture
def fd():
    """A descriptor that is no terminal."""
    with open(os.devnull, "rb") as file:
        yield file.fileno()


@pytest.fixture
def is_terminal(monkeypatch):
    monkeypatch.setattr(screen, "is_terminal", lambda _: True)
    monkeypatch.setattr(screen.os, "name", "posix")


def test_colours_only_on_a_terminal(fd):
    assert style_of(fd, {}) == PLAIN
    assert style_of(-1, {}) == PLAIN


@pytest.mark.usefixtures("is_terminal")
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_variables_decide_on_colours(environ, expected):
    assert style_of(2, environ).has_colour is expected


def test_colours_can_be_forced(fd):
    assert style_of(fd, {"FORCE_COLOR": "1"}).has_colour


def test_style():
    assert Style(has_colour=True)("bold", "a") == "\x1b[1ma\x1b[0m"
    assert Style(has_colour=True)("bold", "  ") == "  "
    assert PLAIN("bold", "a") == "a"


def test_width_without_a_terminal(fd):
    assert width_of(fd, {"COLUMNS": "132"}) == 80


@pytest.mark.usefixtures("is_terminal")
def test_width_of_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "132")
    assert width_of(2) == 132
    monkeypatch.setattr(screen.os, "get_terminal_size", lambda _: os.terminal_size((44, 9)))
    assert width_of(2, {}) == 44


@pytest.mark.usefixtures("is_terminal")
def test_width_of_a_terminal_that_does_not_say(fd, monkeypatch):
    assert width_of(fd, {}) == 80
    monkeypatch.setattr(screen.os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert width_of(2, {}) == 80


def test_lines_break_at_blanks():
    assert wrapped("aaaa bbbb cccc dddd eeee ffff", 22, "  ") == [
        "aaaa bbbb cccc dddd",
        "  eeee ffff",
    ]
    assert wrapped("  aaaa bbbb", 80) == ["  aaaa bbbb"]
    assert wrapped("", 80) == []


def test_names_and_numbers_stay_whole():
    long = "a" * 50
    assert wrapped(f"x {long} y", 20) == ["x", long, "y"]
    assert wrapped("123456789012345 12 ms, b", 20) == ["123456789012345", "12 ms, b"]
    assert wrapped("1234567890123 GET /row/{n}, b", 20) == ["1234567890123", "GET /row/{n}, b"]


def test_what_moves_the_cursor_is_not_printed():
    assert printable("a\x1b[1m\nb\ud800") == "a?[1m?b?"


def test_what_is_wrapped_cannot_move_the_cursor():
    assert wrapped("a\x1b[2J b\u202e\x9b", 80) == ["a?[2J b??"]
