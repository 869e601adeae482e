"""Shows the page in a terminal, and takes keys. The program is asked in a thread of its own."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget

from tracetools.commands.watching import page
from tracetools.commands.watching.cells import Piece, fit
from tracetools.commands.watching.details import details
from tracetools.commands.watching.rows import TABLES
from tracetools.core.errors import TracetoolsError
from tracetools.live.updates import StackUpdate
from tracetools.live.updating import SORTS, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from tracetools.commands.watching.cells import Line
    from tracetools.commands.watching.feed import Feed
    from tracetools.commands.watching.rows import Dumped, Row
    from tracetools.commands.watching.watch import Watch
    from tracetools.core.histogram import Histogram

__all__ = ["TopApp"]

STYLES: Final = {
    "": "",
    "bold": "bold",
    "dim": "bright_black",
    "busy": "green",
    "hot": "bold green",
    "callbacks": "yellow",
    "warn": "yellow",
    "waits": "cyan",
    "alarm": "bold white on red",
    "alarm_bar": "red",
    "tab": "bold black on cyan",
    "tab_off": "cyan",
    "header": "black on green",
    "sorted": "bold black on cyan",
    "cursor": "black on white",
    "key": "bold",
    "key_name": "black on cyan",
}

_REDRAWN_EVERY: Final = 0.5
_FILTERS: Final = {"slash", "backslash", "f3", "f4"}
"""Keys after which a text is typed."""

_LONGEST_FILTER: Final = 100

_MARGIN: Final = 20
"""So many rows more than fit are asked for."""


class Asker:
    """Asks the program in a thread, when that is due, and says what came.

    Args:
        feed: asks.
        wanted: says what is wanted of an update.
        is_paused: says whether nothing is.
        say: takes what came: an update, a dump, a histogram with its number, or an error.
    """

    def __init__(
        self,
        feed: Feed,
        wanted: Callable[[], Wanted],
        is_paused: Callable[[], bool],
        say: Callable[[object], object],
    ) -> None:
        self._feed = feed
        self._wanted = wanted
        self._is_paused = is_paused
        self._say = say
        self._is_over = False
        self._wants_dump = False
        self._wants_histogram = 0
        self._told, self._tells = os.pipe()
        os.set_blocking(self._tells, False)
        self._thread = threading.Thread(target=self._run, name="tracetools top", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def ask_dump(self) -> None:
        """Ask now what tasks wait for, whatever that costs."""
        self._wants_dump = True
        self._wake()

    def ask_histogram(self, stack: int) -> None:
        """Ask for the histogram of a stack."""
        self._wants_histogram = stack
        self._wake()

    def stop(self, patience: float = 2.0) -> None:
        """Ask no more, and wait for the answer that is awaited, but not for long."""
        self._is_over = True
        self._wake()
        self._thread.join(patience)
        if not self._thread.is_alive():
            os.close(self._told)
            os.close(self._tells)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self._tells, b"!")

    def _run(self) -> None:
        try:
            while not self._is_over:
                self._ask()
                self._rest()
        except TracetoolsError as error:
            self._say(error)
        except Exception as error:  # noqa: BLE001  # shown, and the end
            self._say(error)

    def _ask(self) -> None:
        feed, now = self._feed, time.monotonic()
        if self._wants_histogram:
            number, self._wants_histogram = self._wants_histogram, 0
            self._say((number, feed.histogram(number)))
        if feed.update_due <= now:
            self._say(feed.update(self._wanted()))
        is_due = feed.dump_due is not None and feed.dump_due <= now and not self._is_paused()
        if self._wants_dump or is_due:
            self._wants_dump = False
            self._say(feed.dump())

    def _rest(self) -> None:
        """Wait until something is due, is wanted, or the program is gone."""
        feed = self._feed
        due = [feed.update_due]
        if feed.dump_due is not None and not self._is_paused():
            due.append(feed.dump_due)
        left = max(min(due) - time.monotonic(), 0)
        found, _, _ = select.select([self._told, feed.fileno()], [], [], left)
        if self._told in found:
            os.read(self._told, 4096)
        elif found:
            feed.update_due = 0.0  # it said something unasked: what is asked next tells what


class Came(Message):
    """Something that came from the program."""

    def __init__(self, what: object) -> None:
        super().__init__()
        self.what = what


def as_text(lines: Sequence[Line]) -> Text:
    """Return lines as Rich has them. Nothing in them is taken for markup."""
    text = Text(no_wrap=True, end="")
    for index, line in enumerate(lines):
        if index:
            text.append("\n")
        for piece in line:
            text.append(piece.text, STYLES[piece.style])
    return text


class Page(Widget):
    """All that is on the screen."""

    DEFAULT_CSS = "Page { width: 1fr; height: 1fr; }"
    can_focus = True

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._is_typing = False
        self.shown: list[Row] = []
        self.first_row = 0
        self.room = 1

    def render(self) -> Text:
        """Return the lines."""
        watch, now = self._watch, time.monotonic()
        width, height = self.size.width, self.size.height
        above = [*page.head(watch, width, now), page.title_line(watch, width, now)]
        below = [*page.tail(watch, width, now), page.footer(width)]
        if self._is_typing:
            below[-1] = page.typed(watch.view.matching, width)
        room = max(height - len(above) - len(below), 2)
        self.shown = watch.rows(now)
        table = page.table_lines(watch, self.shown, width, room)
        table += [()] * (room - len(table))
        self.first_row, self.room = len(above) + 1, room - 1
        return as_text([*above, *table, *below][:height])

    def on_key(self, event: events.Key) -> None:
        """Take the text of a filter, here and at once: the next keys may be there already."""
        if not self._is_typing:
            if event.key not in _FILTERS:
                return
            self._is_typing = True
        else:
            text = self._watch.view.matching
            if event.key in {"enter", "escape"}:
                self._is_typing = False
                text = "" if event.key == "escape" else text
            elif event.key == "ctrl+u":
                text = ""
            elif event.key in {"backspace", "ctrl+h"}:
                text = text[:-1]
            elif event.character is not None and event.is_printable:
                text += event.character
            else:
                return
            self._watch.view = replace(self._watch.view, matching=text[:_LONGEST_FILTER])
        event.stop()
        event.prevent_default()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Look at the row that was clicked."""
        place = self._watch.top + event.y - self.first_row
        if event.y >= self.first_row and 0 <= place < len(self.shown):
            self._watch.move(self.shown, place - self._watch.place(self.shown))
            self.refresh()

    def on_mouse_scroll_down(self, _: events.MouseScrollDown) -> None:
        """Move on."""
        self._watch.move(self.shown, 3)
        self.refresh()

    def on_mouse_scroll_up(self, _: events.MouseScrollUp) -> None:
        """Move back."""
        self._watch.move(self.shown, -3)
        self.refresh()


class Lines(Widget):
    """Lines that are made for the width, and scroll."""

    DEFAULT_CSS = "Lines { width: 1fr; height: 1fr; }"

    def __init__(self, make: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._make = make
        self.top = 0

    def render(self) -> Text:
        """Return those that fit."""
        width, room = self.size.width, max(self.size.height - 1, 1)
        lines = self._make(width)
        self.top = max(min(self.top, len(lines) - room), 0)
        shown = lines[self.top : self.top + room]
        below: list[Line] = [()] * (room - len(shown))
        return as_text([*shown, *below, page.way_back(width)])


class LinesScreen(ModalScreen[None]):
    """Shows lines until a key leads back."""

    CSS = "LinesScreen { background: ansi_default; }"
    BINDINGS: ClassVar[list[Any]] = [
        Binding("escape,q,enter,backspace,f1,h,question_mark,f10", "dismiss"),
        Binding("ctrl+c", "app.end"),
        Binding("down,j", "scroll(1)"),
        Binding("up,k", "scroll(-1)"),
        Binding("pagedown,space", "scroll(15)"),
        Binding("pageup", "scroll(-15)"),
        Binding("u", "app.ask"),
    ]

    def __init__(self, make: Callable[[int], list[Line]]) -> None:
        super().__init__()
        self._lines = Lines(make)

    def compose(self) -> ComposeResult:
        """Make it of its lines."""
        yield self._lines

    def action_scroll(self, step: int) -> None:
        """Scroll by so many lines."""
        self._lines.top = max(self._lines.top + step, 0)
        self._lines.refresh()

    def again(self) -> None:
        """Show what is known now."""
        self._lines.refresh()


class TopApp(App[str]):
    """All of it. It returns why it has ended: nothing if that was wished.

    Args:
        feed: asks the program.
        watch: what is known of it.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: ansi_default; color: ansi_default; layout: vertical; }
    """
    BINDINGS: ClassVar[list[Any]] = [
        Binding("q,f10,ctrl+c", "end", priority=False),
        Binding("down,j", "move(1)"),
        Binding("up,k", "move(-1)"),
        Binding("pagedown,ctrl+d", "move_page(1)"),
        Binding("pageup,ctrl+u", "move_page(-1)"),
        Binding("home,g", "move(-1000000)"),
        Binding("end,G", "move(1000000)"),
        Binding("1,s", "show(0)"),
        Binding("2,t", "show(1)"),
        Binding("3,r", "show(2)"),
        Binding("4,f", "show(3)"),
        Binding("tab,f2", "next_table(1)", priority=True),
        Binding("shift+tab", "next_table(-1)", priority=True),
        Binding("right,greater_than_sign,f6", "sort(1)"),
        Binding("left,less_than_sign", "sort(-1)"),
        Binding("i,I", "invert"),
        Binding("P", "sort_by('busy')"),
        Binding("f5,e", "tree"),
        Binding("escape", "all"),
        Binding("space,Z,z", "pause"),
        Binding("u,ctrl+r", "ask"),
        Binding("enter", "details"),
        Binding("h,question_mark,f1", "help"),
    ]

    def __init__(self, feed: Feed, watch: Watch) -> None:
        super().__init__(ansi_color=True)
        self._watch = watch
        self._page = Page(watch)
        self._of: tuple[object, object, Dumped | None] | None = None
        self._histogram: tuple[int, Histogram] | None = None
        self.asker = Asker(feed, self._wanted, lambda: watch.view.is_paused, self._say)

    def compose(self) -> ComposeResult:
        """Make the page."""
        yield self._page

    def on_mount(self) -> None:
        """Begin."""
        self.screen.set_focus(self._page)
        self.set_interval(_REDRAWN_EVERY, self._draw)
        self._catch_signals()
        self.asker.start()

    def _catch_signals(self) -> None:
        """End as `q` does where somebody ends this process: the terminal is left as it was."""
        import asyncio  # it is there

        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None:
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    asyncio.get_running_loop().add_signal_handler(number, self._end_by, name)

    def _end_by(self, name: str) -> None:
        self.exit(f"ended by {name}")

    # -- what comes --------------------------------------------------------------------------------

    def _say(self, what: object) -> None:
        """Take what came, in the thread that has asked."""
        self.post_message(Came(what))

    def on_came(self, message: Came) -> None:
        """Take what came."""
        self._take(message.what)

    def _take(self, what: Any) -> None:
        now = time.monotonic()
        if isinstance(what, BaseException):
            known = isinstance(what, TracetoolsError)
            self.exit(str(what) if known else f"{type(what).__name__}: {what}")
        elif isinstance(what, tuple) and not hasattr(what, "_fields"):
            self._histogram = what
        elif hasattr(what, "deadlocks"):
            self._watch.take_dump(what, now)
        else:
            self._watch.take_update(what, now)
        self._draw()

    def _wanted(self) -> Wanted:
        """Return what is wanted of the next update."""
        view = self._watch.view
        sort = view.sorts[0]
        return Wanted(
            most=min(self.size.height + _MARGIN, 200),
            sort=sort if sort in SORTS else "name",
            inverted=0 in view.inverted and sort != "name",
            matching=view.matching if view.table == 0 else "",
        )

    def _draw(self) -> None:
        self._page.refresh()
        if isinstance(self.screen, LinesScreen):
            self.screen.again()

    # -- keys --------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave keys to the screen above, or to what is typed."""
        del parameters
        if action in {"end", "ask"}:
            return True
        return not isinstance(self.screen, LinesScreen)

    def action_end(self) -> None:
        """End."""
        self.exit("")

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self._watch.move(self._page.shown, step)
        self._page.refresh()

    def action_move_page(self, step: int) -> None:
        """Move the cursor by a page."""
        self.action_move(step * max(self._page.room - 1, 1))

    def action_show(self, table: int) -> None:
        """Show a table."""
        self._watch.show(table)
        self._page.refresh()

    def action_next_table(self, step: int) -> None:
        """Show the next table."""
        self.action_show(self._watch.view.table + step)

    def action_sort(self, step: int) -> None:
        """Sort by another column."""
        self._view(self._watch.view.sorted_by_next(step))

    def action_sort_by(self, key: str) -> None:
        """Sort by a column, if the table has it."""
        if any(column.key == key for column in TABLES[self._watch.view.table].columns):
            self._view(self._watch.view.sorted_by(key))

    def action_invert(self) -> None:
        """Sort the other way round."""
        self._view(self._watch.view.inverted_sort())

    def action_tree(self) -> None:
        """Show tasks and spans as a tree, or not."""
        self._view(replace(self._watch.view, is_tree=not self._watch.view.is_tree, table=0))

    def action_pause(self) -> None:
        """Pause, or go on."""
        self._view(replace(self._watch.view, is_paused=not self._watch.view.is_paused))

    def action_ask(self) -> None:
        """Ask now what tasks wait for."""
        self.asker.ask_dump()

    def action_all(self) -> None:
        """Show all rows again."""
        self._view(replace(self._watch.view, matching=""))

    def _view(self, view: Any) -> None:
        self._watch.view = view
        self._page.refresh()

    # -- other screens -----------------------------------------------------------------------------

    def action_help(self) -> None:
        """Show the help."""

        def lines(width: int) -> list[Line]:
            return [(Piece(fit(f" {line}", width)),) for line in page.HELP.splitlines()]

        self.push_screen(LinesScreen(lines))

    def action_details(self) -> None:
        """Show all that is known of the row at the cursor."""
        rows = self._page.shown
        if not rows:
            return
        row = rows[self._watch.place(rows)]
        if isinstance(row.of, StackUpdate):
            self.asker.ask_histogram(row.of.number)
        self._of = row.key, row.of, self._watch.dumped
        self.push_screen(LinesScreen(self._details))

    def _details(self, width: int) -> list[Line]:
        """Return the details of the row as it is now; as it was, if it is not there any more."""
        watch = self._watch
        key, of, dumped = self._of or (None, None, None)
        now = [row for row in watch.rows(time.monotonic()) if row.key == key]
        if now:
            of, dumped = now[0].of, watch.dumped
            self._of = key, of, dumped
        known = self._histogram
        histogram = None
        if isinstance(of, StackUpdate) and known is not None and known[0] == of.number:
            histogram = known[1]
        return details(of, watch.update, dumped, histogram, width)
