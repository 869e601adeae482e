"""Pieces of a page: what people read, and that names stay names."""

import re

import pytest

from tests.output.page_reading import Page
from tests.output.report.test_page import ATTACKS
from tracetools.output.report.notices import Hold, Holds, Kind, Notice, Notices, Where
from tracetools.output.report.pieces import holds_section, notices_section

WHERE = Where(("a", "b", "c", "d"), "f (x.py:1)", ("g", "h", "i", "j"), "y.py:2")
BARE = Where((), "f (x.py:1)", (), None)


def read(parts):
    """Return what is read, line by line."""
    text = "".join(parts)
    Page(text)
    breaks = re.sub(r"</(summary|li|p|tr|h2)>|<br>", "\n", text.replace("\n", ""))
    return re.sub(r"<[^>]*>", "", breaks).splitlines()


def test_a_kind_begins_with_its_heaviest():
    notices = (Notice(WHERE, "much"), Notice(BARE, "little"))
    assert read(notices_section(Notices((Kind("Odd", "It is.", "Mend it.", notices),), 2))) == [
        "What stands out",
        "Odd y.py:2: much and 1 more",
        "y.py:2: much",
        "… → b → c → d → f (x.py:1) → … → h → i → j",
        "little",
        "f (x.py:1)",
        "It is.",
        "Mend it.",
        "2 more of the same kinds weigh less and are left out.",
    ]


def test_what_stands_alone_is_told_once():
    kinds = (
        Kind("Odd", "Why.", "How.", (Notice(BARE, "much"),)),
        Kind("Whole", "Why.", "How.", (Notice(None, "all"),)),
        Kind("Lost", "Why.", "How.", (Notice(Where((), "", (), None), "some"),)),
    )
    assert read(notices_section(Notices(kinds))) == [
        "What stands out",
        *("Odd f (x.py:1): much", "f (x.py:1)", "Why.", "How."),
        *("Whole all", "Why.", "How."),
        *("Lost unknown: some", "", "Why.", "How."),
    ]


def test_calls_are_shown_as_code():
    kind = Kind("Odd", "Why `<b>`?", "Use `f()` or `g()`.", (Notice(None, "`all`"),))
    text = "".join(notices_section(Notices((kind,))))
    assert "Why <code>&lt;b&gt;</code>?" in text
    assert "Use <code>f()</code> or <code>g()</code>." in text
    assert "`all`" in text


def test_holds_are_rows_of_line_numbers_and_stack():
    rows = (Hold(WHERE, 1200, 3 * 10**9, 10**9), Hold(BARE, 1, 5, 5))
    page = "".join(holds_section(Holds("100 ms", rows, 4)))
    assert Page(page).texts["h2"] == ["What held the loop for longer than 100 ms"]
    assert Page(page).texts["td"] == ["1,200", "3 s", "1 s", "1", "5 ns", "5 ns"]
    assert Page(page).texts["th"][-2:] == ["y.py:2", "not known"]
    assert Page(page).values("data-frame") == ["f (x.py:1)"] * 2
    assert Page(page).values("title")[0] == "a → b → c → d → f (x.py:1) → g → h → i → j"
    assert "4 more took less time in all" in page


def test_where_no_limit_is_known_none_is_told():
    [heading, *_] = read(holds_section(Holds(None, (Hold(BARE, 1, 5, 5),), 0)))
    assert heading == "What held the loop"


def test_nothing_is_no_section():
    assert "".join(notices_section(Notices())) == "".join(holds_section(Holds("5 ns", (), 0))) == ""


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_markup(attack):
    def tags(text):
        where = Where((text,), text, (text,), text)
        kinds = (Kind(text, text, text, (Notice(where, text), Notice(where, text))),)
        parts = (
            *notices_section(Notices(kinds)),
            *holds_section(Holds(text, (Hold(where, 1, 1, 1),), 0)),
        )
        page = Page("".join(parts))
        return [(tag, set(found)) for tag, found in page.elements]

    assert tags(attack) == tags("plain")
