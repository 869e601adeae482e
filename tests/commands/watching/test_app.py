"""Keys, by textual's pilot: a feed that stands for a program, and a terminal that is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

import pytest

from tests.commands.watching.test_page import ABOUT, LOOP
from tests.commands.watching.test_rows import DUMP, UPDATE
from tracetools.commands.watching.rows import TABLES
from tracetools.commands.watching.watch import Watch
from tracetools.core.errors import DoorError
from tracetools.core.histogram import Histogram
from tracetools.live.updates import Finding

with contextlib.suppress(ImportError):  # CI runs these tests where textual is
    from tracetools.commands.watching.app import LinesScreen, TopApp

NEVER = 1e9
SHOWN = UPDATE._replace(
    loops=(LOOP,), findings=(Finding(False, UPDATE.stacks[0].frame, None, 1, 5, 5),)
)


class Feed:
    """Answers at once, once; `again` answers anew."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.update_due = self.dump_due = 0.0
        self.wanted = []
        self.dumps = 0
        self.error = None

    def fileno(self):
        return self.ours.fileno()

    def update(self, wanted):
        if self.error:
            raise self.error
        self.wanted.append(wanted)
        self.update_due = NEVER
        return SHOWN

    def dump(self):
        self.dumps += 1
        self.dump_due = NEVER
        return DUMP

    def histogram(self, _):
        return Histogram(30, 20, {10: 1, 20: 1})

    def close(self):
        self.ours.close()
        self.theirs.close()


async def until(pilot, condition):
    """Wait until something is true, for ten seconds at most."""
    for _ in range(1000):
        if condition():
            return
        await pilot.pause(0.01)
    raise AssertionError(f"it never came: {screen(pilot.app)}")


def screen(app):
    """Return the text of the screen."""
    if isinstance(app.screen, LinesScreen):
        return app.screen._lines.render().plain
    return app._page.render().plain


def cursor(app):
    rows = app._page.shown
    return rows[app._watch.place(rows)].key if rows else None


def play(script, size=(100, 30), feed=None):
    """Let a script press keys; return what the app returned."""
    feed = feed or Feed()

    async def main():
        app = TopApp(feed, Watch(ABOUT))
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: feed.error or app._watch.dumped is not None)
            await script(app, pilot)
        app.asker.stop()
        return app.return_value

    try:
        return asyncio.run(main())
    finally:
        feed.close()


def test_it_shows_what_came():
    async def script(app, pilot):
        del pilot
        text = screen(app)
        assert "app.py  process 4711" in text
        assert "asyncio MainThread" in text
        assert "DEADLOCK" in text
        assert "job (app.py:3)" in text
        assert "blocks the loop: job" in text
        assert "F4Filter" in text

    play(script)


@pytest.mark.parametrize("size", [(20, 5), (80, 24), (160, 50)])
def test_it_fits_into_any_terminal(size):
    async def script(app, pilot):
        del pilot
        lines = screen(app).split("\n")
        assert len(lines) <= size[1]
        assert max(map(len, lines)) <= size[0]

    play(script, size)


@pytest.mark.parametrize("key", ["q", "f10", "ctrl+c"])
@pytest.mark.parametrize("before", [(), ("h",), ("slash", "x"), ("enter",)])
def test_it_ends(key, before):
    async def script(app, pilot):
        await pilot.press(*before)
        if key != "ctrl+c" and before:  # it leads back, or is a letter of the text
            await pilot.press("escape")
        await pilot.press(key)
        await until(pilot, lambda: not app.is_running)

    assert play(script) == ""


@pytest.mark.parametrize(
    ("keys", "table"),
    [
        (["2"], 1),
        (["t"], 1),
        (["r"], 2),
        (["f"], 3),
        (["t", "s"], 0),
        (["tab"], 1),
        (["f2", "f2"], 2),
        (["shift+tab"], 3),
    ],
)
def test_keys_choose_a_table(keys, table):
    async def script(app, pilot):
        await pilot.press(*keys)
        assert app._watch.view.table == table
        assert TABLES[table].columns[0].title in screen(app)

    play(script)


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ([], 1),
        (["j"], 2),
        (["down", "down"], 4),
        (["down", "k"], 1),
        (["G"], 3),
        (["end", "up"], 4),
        (["end", "home"], 1),
        (["end", "g"], 1),
        (["pagedown"], 3),
        (["pagedown", "pageup"], 1),
    ],
)
def test_keys_move_the_cursor(keys, key):
    async def script(app, pilot):
        await pilot.press(*keys)
        assert cursor(app) == key

    play(script)


def test_a_click_looks_at_a_row():
    async def script(app, pilot):
        screen(app)
        await pilot.click(type(app._page), offset=(5, app._page.first_row + 2))
        assert cursor(app) == 4
        await pilot.click(type(app._page), offset=(5, 0))
        assert cursor(app) == 4

    play(script)


@pytest.mark.parametrize(
    ("keys", "sort", "inverted"),
    [
        (["greater_than_sign"], "scheduled", False),
        (["right", "right"], "idle", False),
        (["f6", "less_than_sign"], "busy", False),
        (["left"], "awaits", False),
        (["i"], "busy", True),
        (["I", "I"], "busy", False),
        (["f6", "i", "P"], "busy", False),
    ],
)
def test_keys_sort(keys, sort, inverted):
    async def script(app, pilot):
        await pilot.press(*keys)
        assert (app._watch.view.sort, app._watch.view.is_inverted) == (sort, inverted)

    play(script)


@pytest.mark.parametrize("key", ["slash", "f4", "backslash"])
def test_a_filter_is_typed_kept_and_given_up(key):
    async def script(app, pilot):
        await pilot.press(key, *"part")
        assert "Filter: part_" in screen(app)
        assert [row.key for row in app._page.shown] == [2]
        await pilot.press("enter")
        await pilot.press("j", "i")  # keys are keys again
        assert app._watch.view.matching == "part"
        assert app._watch.view.is_inverted
        assert "with 'part'" in screen(app)
        await pilot.press("escape")
        assert app._watch.view.matching == ""

    play(script)


def test_what_is_typed_can_be_mended():
    async def script(app, pilot):
        await pilot.press("slash", "x", "y", "backspace", "space", "[", "up")
        assert app._watch.view.matching == "x ["
        await pilot.press("ctrl+u", *"z" * 120)
        assert app._watch.view.matching == "z" * 100

    play(script)


def test_escape_gives_up_what_is_typed():
    async def script(app, pilot):
        await pilot.press("slash", "x", "escape", "j")
        assert app._watch.view.matching == ""
        assert cursor(app) == 2

    play(script)


@pytest.mark.parametrize("key", ["f5", "e"])
def test_tasks_and_spans_are_a_tree_or_not(key):
    async def script(app, pilot):
        await pilot.press("t", key)
        assert (app._watch.view.is_tree, app._watch.view.table) == (True, 0)
        assert "  part (app.py:7)" in screen(app)
        await pilot.press(key)
        assert not app._watch.view.is_tree

    play(script)


def test_it_is_paused_and_goes_on():
    async def script(app, pilot):
        await pilot.press("space")
        assert "PAUSED" in screen(app)
        await pilot.press("space")
        assert "PAUSED" not in screen(app)

    play(script)


def test_u_asks_at_once_what_tasks_wait_for():
    feed = Feed()

    async def script(app, pilot):
        del app
        await pilot.press("u")
        await until(pilot, lambda: feed.dumps == 2)

    play(script, feed=feed)


@pytest.mark.parametrize("key", ["h", "question_mark", "f1"])
def test_help_is_shown_until_a_key_leads_back(key):
    async def script(app, pilot):
        await pilot.press(key)
        assert "what the tasks of a program do" in screen(app)
        assert "EscBack" in screen(app)
        await pilot.press("j", "j", "k")
        assert "what the tasks of a program do" not in screen(app)
        await pilot.press("escape")
        assert "job (app.py:3)" in screen(app)

    play(script)


def test_the_details_of_a_row_are_shown():
    async def script(app, pilot):
        await pilot.press("j", "enter")
        await until(pilot, lambda: "#####" in screen(app))
        assert "part (app.py:7)" in screen(app).splitlines()[0]
        await pilot.press("escape", "t", "j", "enter")
        assert "a deadlock" in screen(app)

    play(script)


def test_there_are_no_details_of_nothing():
    async def script(app, pilot):
        await pilot.press("slash", "?", "enter", "enter")
        assert not isinstance(app.screen, LinesScreen)

    play(script)


def test_what_is_wanted_of_the_program_is_what_is_shown():
    feed = Feed()

    async def script(app, pilot):
        await pilot.press("f6", "i")
        app._watch.view = app._watch.view.sorted_by("awaits")
        assert (app._wanted().sort, app._wanted().inverted) == ("name", False)
        await pilot.press("P", "i", "slash", *"part")
        wanted = app._wanted()
        assert (wanted.most, wanted.sort, wanted.inverted) == (50, "busy", True)
        assert wanted.matching == "part"

    play(script, feed=feed)
    assert feed.wanted[0].sort == "busy"


def test_when_the_program_is_gone_it_ends_and_says_why():
    feed = Feed()

    async def script(app, pilot):
        feed.error = DoorError("the program has ended")
        feed.theirs.close()
        await until(pilot, lambda: not app.is_running)

    assert play(script, feed=feed) == "the program has ended"


def test_an_error_of_ours_is_told_too():
    feed = Feed()
    feed.error = ZeroDivisionError("oh")

    async def script(app, pilot):
        await until(pilot, lambda: not app.is_running)

    assert play(script, feed=feed) == "ZeroDivisionError: oh"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(name):
    import signal

    async def script(app, pilot):
        os.kill(os.getpid(), getattr(signal, name))
        await until(pilot, lambda: not app.is_running)

    assert play(script) == f"ended by {name}"


def test_no_name_is_taken_for_markup():
    async def script(app, pilot):
        frame = UPDATE.stacks[0].frame._replace(name="[red]x[/]")
        stack = UPDATE.stacks[0]._replace(frame=frame)
        app._watch.take_update(UPDATE._replace(stacks=(stack,)), 0.0)
        app._draw()
        await pilot.pause()
        assert "[red]x[/] (app.py:3)" in screen(app)
        await pilot.press("enter")
        assert "[red]x[/] (app.py:3)" in screen(app)

    play(script)
