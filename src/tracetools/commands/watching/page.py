"""The lines of the screen, from what is known: pieces of text, each with a style.

No line is wider than the terminal, and no name moves the cursor.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tracetools.commands.watching.cells import (
    Line,
    Piece,
    columns_of,
    count,
    fit,
    percent,
    right,
    short,
    time,
)
from tracetools.commands.watching.rows import FINDINGS, RESOURCES, SPANS, TABLES, TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tracetools.commands.watching.rows import Column, Row
    from tracetools.commands.watching.watch import Watch
    from tracetools.live.updates import LoopUpdate
    from tracetools.live.values import LoopDump

__all__ = ["HELP", "footer", "head", "table_lines", "tail", "title_line", "typed", "way_back"]

_MOST_LOOPS: Final = 4
_BAR_FROM: Final = 30
"""A bar has at most so many columns less than the line."""

_LEAST_BAR: Final = 8
_BLOCKS_FROM: Final = 100_000_000
"""Nanoseconds: a step that takes longer blocks its loop."""

_LAST_FINDINGS: Final = 2
_LEAST_NAME: Final = 20

BACK: Final = (("Esc", "Back"), ("Up", ""), ("Down", "Scroll"), ("u", "Ask now"))

KEYS: Final = (
    ("F1", "Help"),
    ("F2", "View"),
    ("F4", "Filter"),
    ("F5", "Tree"),
    ("F6", "Sort"),
    ("Spc", "Pause"),
    ("Ret", "Details"),
    ("q", "Quit"),
)

HELP: Final = """\
tracetools top: what the tasks of a program do, live

  Spans      tasks by function, and spans      1, s
  Tasks      each task, and what it waits for  2, t
  Resources  locks, limiters, queues           3, r
  Findings   what has blocked a loop           4, f
             the next of these                 Tab, F2

  Up Down k j, PgUp PgDn, Home End g G   move
  Enter  details of a row                Esc  back
  < > Left Right F6   sort by another column
  i I    the other way round             P  by busy time
  F5 e   tasks and spans as a tree, or flat
  / F4 \\ show what has a text in it      Esc  all again
  Space  pause, and go on                Z  the same
  u      ask now what tasks wait for
  h ? F1 this help                       q F10 Ctrl-C  quit

BUSY%   the share of time in which they step. One loop has 100.
SCHED   how many could step and were not stepped yet, on average.
IDLE    how many waited, on average.
ALIVE   how many there are just now.
POLL/s  how often they stepped.     NEW/s  how many began.
P50 P99 how long they lasted from begin to end, since top began.
MEAN    how long waits lasted that have ended since the last update.

The top of the screen: the loop's time in steps of tasks (|), in
callbacks (+); how many tasks could step just now, and how late
those were of 100 that were latest.

The program pays for each answer with CPU time. So top waits a
hundred times as long before it asks again, and says how often it
does. In a program of very many tasks it asks what each of them
waits for only now and then, or when you press u.
"""


# -- the head --------------------------------------------------------------------------------------


def head(watch: Watch, width: int, now: float) -> list[Line]:
    """Return what is told of the whole program, alarms last."""
    lines = [_first_line(watch, width)]
    update = watch.update
    loops = () if update is None else update.loops
    first = sorted(loops, key=lambda each: (-each.lasts, -each.busy))[:_MOST_LOOPS]
    lines += [_loop_line(loop, width) for loop in first]
    if not loops and watch.dumped is not None:
        lines += [_dumped_line(loop, width) for loop in watch.dumped.dump.loops[:_MOST_LOOPS]]
    if len(loops) > _MOST_LOOPS:
        lines.append((Piece(fit(f" and {len(loops) - _MOST_LOOPS:,} more loops", width), "dim"),))
    alarms = map(short, _alarms(watch, now))
    lines += [(Piece(fit(f" {text}", width), "alarm"),) for text in alarms]
    if update is not None and (watch.note or update.errors):
        note = watch.note or update.errors[-1]
        lines.append((Piece(fit(f" {note}", width), "warn"),))
    return lines


def _first_line(watch: Watch, width: int) -> Line:
    about, update = watch.about, watch.update
    left = f" {about.get('program', '?')}  process {about.get('pid', '?')}"
    if width >= _WIDE:
        left += f"  Python {about.get('python', '?')}"
    if update is not None and update.lasts:
        left += f"  recorded {time(update.lasts)}"
    if watch.view.is_paused:
        said, style = "PAUSED ", "alarm"
    elif update is not None and not update.lasts:
        said, style = "", ""
    elif watch.rate is None:
        said = "waits for an update " if update is None else f"over {time(update.elapsed)} "
        style = "dim"
    else:
        said, style = _rate(watch.rate), "dim"
    return (Piece(fit(left, max(width - len(said), 0)), "bold"), Piece(said[:width], style))


_WIDE: Final = 100


def _rate(rate: float) -> str:
    return f"{rate:.1f} updates/s " if rate >= 1 else f"an update each {1 / rate:.1f} s "


def _loop_line(loop: LoopUpdate, width: int) -> Line:
    elapsed = max(loop.elapsed, 1)
    name = fit(f" {loop.backend or 'loop'} {loop.thread}", 22 if width >= _WIDE else 15)
    late = f"  late p99 {time(loop.delays.p99)}" if loop.delays.ended else ""
    said = f" tasks {count(loop.tasks)}  ready {count(loop.ready)}{late}"
    room = width - len(name) - columns_of(said) - len("[100.0%]") - 1
    if room < _LEAST_BAR:
        said = f" ready {count(loop.ready)}"
        room = width - len(name) - columns_of(said) - len("[100.0%]") - 1
    room = max(min(room, 60), 1)
    busy = min(round(room * loop.busy / elapsed), room)
    if loop.lasts > _BLOCKS_FROM:
        busy = room
    callbacks = min(round(room * loop.callbacks / elapsed), room - busy)
    share = f"{min((loop.busy + loop.callbacks) / elapsed, 1):.1%}".rjust(6)
    parts = (
        Piece(name),
        Piece("[", "bold"),
        Piece("|" * busy, "alarm_bar" if loop.lasts > _BLOCKS_FROM else "busy"),
        Piece("+" * callbacks, "callbacks"),
        Piece(" " * (room - busy - callbacks)),
        Piece(share, "dim"),
        Piece("]", "bold"),
        Piece(said),
    )
    return _cut(parts, width)


def _dumped_line(loop: LoopDump, width: int) -> Line:
    """Return what a dump knows of a loop."""
    states = Counter(task.state for task in loop.tasks)
    counts = ", ".join(f"{states[each]:,} {each}" for each in ("running", "ready", "waiting"))
    said = f" {loop.backend or 'loop'} {loop.thread}  tasks {len(loop.tasks):,}: {counts}"
    return (Piece(fit(said, width)),)


def _alarms(watch: Watch, now: float) -> Iterator[str]:
    """Yield what must be seen at once: what blocks, and deadlocks."""
    update, dumped = watch.update, watch.dumped
    blocked = False
    for loop in () if update is None else update.loops:
        if loop.lasts > _BLOCKS_FROM and loop.stepping is not None:
            blocked = True
            where = f" at {loop.functions[-1].label}" if loop.functions else ""
            yield f"BLOCKED for {time(loop.lasts)} by {loop.stepping.label}{where}"
    if dumped is None:
        return
    for each in () if blocked or (update and update.loops) else dumped.dump.loops:
        if each.blocked is not None:
            functions = each.blocked.functions
            where = f" at {functions[-1].label}" if functions else ""
            lasts = each.blocked.lasts + round((now - watch.dumped_at) * 1e9)
            yield f"BLOCKED for {time(lasts)}{where}"
    tasks = {task.number: task for loop in dumped.dump.loops for task in loop.tasks}
    for deadlock in dumped.dump.deadlocks:
        names = [tasks[number].function.name for number in deadlock.cycle if number in tasks]
        those = " > ".join(f"#{n} {name}" for n, name in zip(deadlock.cycle, names, strict=False))
        if len(deadlock.cycle) == 1:
            yield f"DEADLOCK: a task waits for itself: {those}"
        else:
            yield f"DEADLOCK of {len(deadlock.cycle)} tasks: {those}"


# -- the table -------------------------------------------------------------------------------------


def title_line(watch: Watch, width: int, now: float) -> Line:
    """Return the line that says which tables there are, and which is shown."""
    pieces = []
    for index, table in enumerate(TABLES):
        chosen = index == watch.view.table
        pieces.append(Piece(f" {index + 1} {table.title} ", "tab" if chosen else "tab_off"))
    said = _said_of_table(watch, now)
    used = sum(len(piece.text) for piece in pieces)
    pieces.append(Piece(fit(f"  {said}", max(width - used, 0)), "dim"))
    return _cut(pieces, width)


def _said_of_table(watch: Watch, now: float) -> str:
    said = []
    view = watch.view
    table = TABLES[view.table]
    if view.matching:
        said.append(f"with {view.matching!r}")
    if table is TASKS:
        if watch.dumped is None:
            said.append("asked when the program can afford it; u asks now")
        else:
            ago = max(now - watch.dumped_at, 0)
            said.append("now" if ago < 1.5 else f"{time(round(ago * 1e9))} ago; u asks now")  # noqa: PLR2004
    if table is SPANS and watch.update is not None:
        if view.is_tree:
            said.append("tree")
        if watch.update.hidden and not view.matching:
            said.append(f"{watch.update.hidden:,} more that have less")
        if watch.update.missing:
            loops = (
                "1 loop has" if watch.update.missing == 1 else f"{watch.update.missing} loops have"
            )
            said.append(f"{loops} not joined yet")
    if table is RESOURCES and watch.update is not None and watch.update.resources is None:
        said.append("not recorded: the program records itself without them")
    return ", ".join(said)


def table_lines(watch: Watch, rows: Sequence[Row], width: int, height: int) -> list[Line]:
    """Return the head of the table, and so many rows that it has so many lines."""
    table = TABLES[watch.view.table]
    columns = _widths([column for column in table.columns if column.least <= width], width, rows)
    lines: list[Line] = [_header(watch, columns, width)]
    top = watch.scroll([*rows], max(height - 1, 1))
    place = watch.place([*rows])
    for index, row in enumerate(rows[top : top + height - 1], top):
        style = "cursor" if index == place else row.style
        lines.append(_row_line(row, columns, width, style, is_tree=watch.view.is_tree))
    if not rows:
        lines.append((Piece(fit(f"  {_nothing(watch)}", width), "dim"),))
    return lines[:height]


def _nothing(watch: Watch) -> str:
    if watch.view.matching:
        return "nothing has that in it"
    table = TABLES[watch.view.table]
    if table is FINDINGS:
        return "nothing has blocked a loop since top began"
    if table is RESOURCES:
        return "no lock, limiter or queue was used since top began"
    if watch.update is None:
        return "waits for the first update"
    return "no loop was seen yet: see 2 Tasks" if table is SPANS else "nothing was asked yet"


def _widths(columns: Sequence[Column], width: int, rows: Sequence[Row]) -> list[tuple[Column, int]]:
    """Return how wide columns are: those of texts share what numbers leave."""
    wide = [column for column in columns if column.width == 0]
    room = max(width - sum(column.width + 1 for column in columns if column.width) - len(wide), 1)
    if len(wide) == 1:
        shares = [room]
    else:
        longest = max((_name_width(row) for row in rows), default=0)
        first = max(min(longest, room * 11 // 20), min(_LEAST_NAME, room))
        shares = [first, max(room - first, 0)]
    left = iter(shares)
    return [(column, column.width or next(left)) for column in columns]


def _name_width(row: Row) -> int:
    name = row.values.get("name")
    above = len(row.above) + 3 if row.above else 0
    return 2 * row.depth + columns_of(str(name or "")) + above


def _header(watch: Watch, columns: Sequence[tuple[Column, int]], width: int) -> Line:
    pieces = []
    for column, room in columns:
        is_sorted = column.key == watch.view.sort
        sign = ("^" if watch.view.is_inverted else "v") if is_sorted else ""
        title = column.title + sign
        text = fit(title, room) if column.kind == "text" else right(title, room)
        pieces.append(Piece(text + " ", "sorted" if is_sorted else "header"))
    return _cut(_filled(pieces, width, "header"), width)


def _row_line(
    row: Row, columns: Sequence[tuple[Column, int]], width: int, style: str, *, is_tree: bool
) -> Line:
    pieces: list[Piece] = []
    for column, room in columns:
        value = row.values.get(column.key)
        if column.key == "name":
            pieces += _name(row, room, style, is_tree=is_tree)
        elif column.kind == "text":
            look = style or ("waits" if column.key == "awaits" else "")
            pieces.append(Piece(fit(str(value or ""), room), look))
        else:
            pieces.append(
                Piece(right(_number(value, column.kind), room), _look(row, column, style))
            )
        pieces.append(Piece(" ", style))
    return _cut(_filled(pieces, width, style), width)


def _name(row: Row, room: int, style: str, *, is_tree: bool) -> list[Piece]:
    indent = "  " * row.depth if is_tree else ""
    name = indent + str(row.values.get("name") or "")
    if not row.above or columns_of(name) + 6 > room:
        return [Piece(fit(name, room), style)]
    name = fit(name, columns_of(name))
    return [
        Piece(name, style),
        Piece(fit(f" < {row.above}", room - columns_of(name)), style or "dim"),
    ]


def _number(value: object, kind: str) -> str:
    if not isinstance(value, int | float):
        return "" if value is None else str(value)
    if kind == "percent":
        return percent(value)
    return time(round(value)) if kind == "time" else count(value)


def _look(row: Row, column: Column, style: str) -> str:
    """Return how a number looks: what is nothing is dim, what is busy stands out."""
    if style:
        return style
    value = row.values.get(column.key)
    if not value or not isinstance(value, int | float):
        return "dim"
    if column.key == "busy":
        return "hot" if value >= 0.5 else "busy" if value >= 0.001 else "dim"  # noqa: PLR2004
    if column.key == "scheduled":
        return "warn" if value >= 0.5 else ""  # noqa: PLR2004
    return ""


# -- the foot --------------------------------------------------------------------------------------


def tail(watch: Watch, width: int, now: float) -> list[Line]:
    """Return what was found last, if it is not shown anyway."""
    if TABLES[watch.view.table] is FINDINGS:
        return []
    lines: list[Line] = []
    for row in watch.findings(now)[:_LAST_FINDINGS]:
        number = float(row.values["count"] or 0)
        times = "once" if number <= 1 else f"{count(number)} times"
        ago = time(round(float(row.values["ago"] or 0)))
        longest = time(round(float(row.values["max"] or 0)))
        said = f" {ago} ago: {row.values['name']}, {times}, {longest} at most"
        lines.append((Piece(fit(said, width), "warn"),))
    return lines


def footer(width: int) -> Line:
    """Return the keys, as htop has them."""
    return _keys(KEYS, width)


def way_back(width: int) -> Line:
    """Return the keys of a screen above the page."""
    return _keys(BACK, width)


def _keys(keys: Sequence[tuple[str, str]], width: int) -> Line:
    pieces: list[Piece] = []
    for key, what in keys:
        pieces += [Piece(key, "key"), Piece(what.ljust(6) + " ", "key_name")]
    return _cut(_filled(pieces, width, "key_name"), width)


def typed(text: str, width: int) -> Line:
    """Return the line in which a filter is typed, in the place of the keys."""
    said = " Enter keeps it, Esc shows all "
    room = max(width - len(said), 1)
    cut = text[-max(room - len(" Filter: _"), 1) :]
    return _cut((Piece(fit(f" Filter: {cut}_", room), "bold"), Piece(said, "key_name")), width)


def _filled(pieces: Sequence[Piece], width: int, style: str) -> list[Piece]:
    used = sum(columns_of(piece.text) for piece in pieces)
    return [*pieces, Piece(" " * (width - used), style)] if used < width else [*pieces]


def _cut(pieces: Sequence[Piece], width: int) -> Line:
    """Return pieces that are no wider than a line."""
    found: list[Piece] = []
    for piece in pieces:
        room = width - sum(columns_of(each.text) for each in found)
        if columns_of(piece.text) > room:
            return (*found, Piece(fit(piece.text, room), piece.style)) if room > 0 else tuple(found)
        found.append(Piece(fit(piece.text, columns_of(piece.text)), piece.style))
    return tuple(found)
