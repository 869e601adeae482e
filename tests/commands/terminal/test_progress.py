"""A progress bar is there only if somebody sees it, and if work lasts."""

import io

import pytest

from tracetools.commands.terminal import progress as module
from tracetools.commands.terminal.progress import Progress, Pulse, progress, pulse


class Bar:
    def __init__(self, title, total):
        self.said = [(title, total)]

    def show(self, done):
        self.said.append(done)

    def end(self):
        self.said.append("end")


class Clock:
    now = 5.0

    def __call__(self):
        return self.now


def test_a_bar_comes_after_a_second():
    bars, clock = [], Clock()

    def make(title, total):
        bars.append(Bar(title, total))
        return bars[-1]

    shown = Progress("reading", 30, make, clock)
    shown.advance(10)
    assert bars == []
    clock.now += 1.5
    shown.advance(10)
    shown.advance()
    shown.end()
    shown.end()
    [bar] = bars
    assert bar.said == [("reading", 30), 20, 21, "end"]


def test_short_work_has_no_bar():
    clock = Clock()
    shown = Progress("reading", None, None, clock)
    clock.now += 9
    shown.advance()
    shown.end()


def test_a_file_advances_by_what_is_read_of_it():
    clock, bars = Clock(), []
    shown = Progress("reading", 6, lambda *about: bars.append(Bar(*about)) or bars[-1], clock)
    file = shown.reading(io.BytesIO(b"abcdef"))
    assert file.read(2) == b"ab"
    clock.now += 2
    assert file.read() == b"cdef"
    assert bars[0].said[1:] == [6]


class Timer:
    """One whose time comes when a test says so."""

    def __init__(self, seconds, call):
        self.seconds, self.call = seconds, call
        self.said = []

    def start(self):
        self.said.append("start")

    def cancel(self):
        self.said.append("cancel")


def begun_pulse():
    bars, timers = [], []

    def make_bar(title, total):
        bars.append(Bar(title, total))
        return bars[-1]

    def make_timer(*about):
        timers.append(Timer(*about))
        return timers[-1]

    return Pulse("writing", make_bar, make_timer), timers[0], bars


def test_a_pulse_comes_after_a_second_and_goes_with_the_work():
    shown, timer, bars = begun_pulse()
    assert (timer.seconds, timer.said, bars) == (1.0, ["start"], [])
    timer.call()
    shown.end()
    [bar] = bars
    assert bar.said == [("writing", None), "end"]


def test_work_that_ends_before_has_no_pulse():
    shown, timer, bars = begun_pulse()
    shown.end()
    timer.call()  # it was on its way
    assert (timer.said, bars) == (["start", "cancel"], [])


def test_work_that_fails_has_no_pulse_left(monkeypatch):
    monkeypatch.setattr(module, "_bar_maker", lambda: Bar)
    shown, timer, _ = begun_pulse()
    monkeypatch.setattr(module, "Pulse", lambda *_: shown)
    with pytest.raises(LookupError), pulse("writing"):
        raise LookupError
    assert timer.said == ["start", "cancel"]


def test_nobody_sees_a_bar_where_stderr_is_no_terminal(monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda _: False)
    with progress("reading", 3) as shown:
        shown.advance(3)
    with pulse("writing"):
        pass
    assert module._bar_maker() is None


def test_without_rich_there_is_no_bar(monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda _: True)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _: None)
    assert module._bar_maker() is None


def test_rich_draws_the_bar(monkeypatch, capsys):
    monkeypatch.setattr(module, "is_terminal", lambda _: True)
    make = module._bar_maker()
    bar = make("reading [a]", 3)
    bar.show(2)
    bar.end()
    assert capsys.readouterr().out == ""
