"""Every command and every program in the README and the documentation does what it says."""

from __future__ import annotations

import re

import pytest

from tests.docs.blocks import CHECKOUT, PAGES, blocks_of, commands_of, file_name
from tests.docs.running import Page

MOST_NOT_RUN = 12
"""How many blocks in all pages may be exempt."""


def name(path):
    return path.relative_to(CHECKOUT).as_posix()


def blocks_of_all():
    return [(path, block) for path in PAGES for block in blocks_of(path.read_text("utf-8"))]


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_page_does_what_it_says(path, tmp_path):
    Page(path, tmp_path).run()


def test_few_blocks_are_not_run_and_each_says_why():
    exempt = {
        f"{name(path)}:{block.line}": block.notes["not run"]
        for path, block in blocks_of_all()
        if "not run" in block.notes
    }
    assert [place for place, reason in exempt.items() if len(reason.split()) < 3] == []
    assert len(exempt) <= MOST_NOT_RUN, exempt


def test_every_program_with_a_name_is_used_by_a_command():
    unused = []
    for path in PAGES:
        blocks = list(blocks_of(path.read_text("utf-8")))
        typed = "\n".join(
            command.text
            for block in blocks
            if block.language == "console"
            for command in commands_of(block.text)
        )
        for block in blocks:
            program = file_name(block.text) if block.language == "python" else None
            if program and not re.search(rf"\b{program[:-3]}\b|pytest", typed):
                unused.append(f"{name(path)}: {program}")
    assert unused == []


def test_no_code_stands_outside_of_a_fence():
    """An indented block has no language, so nothing would run it."""
    found = []
    for path in PAGES:
        text = re.sub(r"(?ms)^( *)(`{3,}).*?^\1\2$|<!--.*?-->", "", path.read_text("utf-8"))
        found += [f"{name(path)}: {line}" for line in re.findall(r"(?m)(?<=\n\n)    \S.*", text)]
    assert found == []


def test_no_page_has_what_a_merge_has_left():
    found = []
    for path in [*PAGES, CHECKOUT / "CHANGELOG.md"]:
        marks = re.findall(r"(?m)^(?:<{7}|={7}|>{7})(?: .*)?$", path.read_text("utf-8"))
        found += [f"{name(path)}: {mark}" for mark in marks]
    assert found == []
