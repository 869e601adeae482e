"""Sections of a page: what people read, and that names stay names."""

import re

import pytest

from tests.output.page_reading import Page
from tests.output.report.test_page import ATTACKS
from tracetools.output.report.findings import (
    BlockingRow,
    BlockingSteps,
    Finding,
    FindingKind,
    Findings,
    StackParts,
)
from tracetools.output.report.sections import blocking_section, findings_section, frame_name

STACK = StackParts(("a", "b", "c", "d"), "f (x.py:1)", ("g", "h", "i", "j"), "y.py:2")
BARE = StackParts((), "f (x.py:1)", (), None)


def read(parts):
    """Return what is read, line by line."""
    text = "".join(parts)
    Page(text)
    breaks = re.sub(r"</(summary|li|p|tr|h2)>|<br>", "\n", text.replace("\n", ""))
    return re.sub(r"<[^>]*>", "", breaks).splitlines()


@pytest.mark.parametrize(
    ("name", "html"),
    [
        ("f (x.py:1)", 'f <span class="location">(x.py:1)</span>'),
        ("<f> (unknown)", '&lt;f&gt; <span class="location">(unknown)</span>'),
        ("[idle]", "[idle]"),
        ("f (a) b", "f (a) b"),
    ],
)
def test_the_location_is_apart_from_the_name(name, html):
    assert frame_name(name) == html


def test_a_kind_begins_with_its_heaviest_finding():
    findings = (Finding(STACK, "much"), Finding(BARE, "little"))
    kind = FindingKind("Odd", "It is.", "Mend it.", findings)
    assert read(findings_section(Findings((kind,), 2))) == [
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


def test_a_single_finding_is_not_repeated():
    kinds = (
        FindingKind("Odd", "Why.", "How.", (Finding(BARE, "much"),)),
        FindingKind("Whole", "Why.", "How.", (Finding(None, "all"),)),
        FindingKind("Lost", "Why.", "How.", (Finding(StackParts((), "", (), None), "some"),)),
    )
    assert read(findings_section(Findings(kinds))) == [
        "What stands out",
        *("Odd f (x.py:1): much", "f (x.py:1)", "Why.", "How."),
        *("Whole all", "Why.", "How."),
        *("Lost unknown: some", "", "Why.", "How."),
    ]


def test_calls_are_shown_as_code():
    kind = FindingKind("Odd", "Why `<b>`?", "Use `f()` or `g()`.", (Finding(None, "`all`"),))
    text = "".join(findings_section(Findings((kind,))))
    assert "Why <code>&lt;b&gt;</code>?" in text
    assert "Use <code>f()</code> or <code>g()</code>." in text
    assert "`all`" in text


def test_blocking_steps_are_rows_of_line_numbers_and_stack():
    rows = (BlockingRow(STACK, 1200, 3 * 10**9, 10**9, "computing"), BlockingRow(BARE, 1, 5, 5))
    page = "".join(blocking_section(BlockingSteps("100 ms", rows, 4)))
    assert Page(page).texts["h2"] == ["What blocked the loop for longer than 100 ms"]
    assert Page(page).texts["td"] == ["1,200", "3 s", "1 s", "computing", "1", "5 ns", "5 ns"]
    assert Page(page).texts["th"] == [
        *("Line at fault", "Steps", "Total", "Max", "Kind", "Stack"),
        *("y.py:2", "unknown"),
    ]
    assert Page(page).values("data-frame") == ["f (x.py:1)"] * 2
    assert Page(page).values("title")[0] == "a → b → c → d → f (x.py:1) → g → h → i → j"
    assert "4 more took less time in total" in page


def test_an_unknown_threshold_is_left_out_of_the_heading():
    steps = BlockingSteps(None, (BlockingRow(BARE, 1, 5, 5),), 0)
    [heading, *_] = read(blocking_section(steps))
    assert heading == "What blocked the loop"


def test_nothing_to_show_is_no_section():
    assert "".join(findings_section(Findings())) == ""
    assert "".join(blocking_section(BlockingSteps("5 ns", (), 0))) == ""


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_markup(attack):
    def tags(text):
        stack = StackParts((text,), text, (text,), text)
        findings = (Finding(stack, text), Finding(stack, text))
        parts = (
            *findings_section(Findings((FindingKind(text, text, text, findings),))),
            *blocking_section(BlockingSteps(text, (BlockingRow(stack, 1, 1, 1),), 0)),
        )
        page = Page("".join(parts))
        return [(tag, set(found)) for tag, found in page.elements]

    assert tags(attack) == tags("plain")
