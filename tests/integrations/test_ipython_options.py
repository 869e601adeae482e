from __future__ import annotations

import time
from dataclasses import fields

import pytest

from tracetools.core.native import native
from tracetools.integrations.ipython_options import HELP, OptionError, parse, split
from tracetools.session.options import Options

DEFAULT = {"functions": native is not None}


@pytest.mark.parametrize(
    ("line", "options", "rest"),
    [
        ("", "", ""),
        ("await main()", "", "await main()"),
        ("--lens idle await main()", "--lens idle", "await main()"),
        ("--lens=idle  --task-names f(-1)", "--lens=idle  --task-names", "f(-1)"),
        ("-o 'a b' f()", "-o 'a b'", "f()"),
        ("-o out --no-functions x = 1", "-o out --no-functions", "x = 1"),
        ("--lens idle", "--lens idle", ""),
        ("-o", "-o", ""),
    ],
)
def test_options_end_where_the_statement_begins(line, options, rest):
    assert split(line) == (options, rest)


@pytest.mark.parametrize(
    ("line", "file", "chosen"),
    [
        ("", None, {}),
        ("-o out", "out", {}),
        ("-o='a b'", "a b", {}),
        ("--lens idle --labels=location", None, {"lens": "idle", "labels": "location"}),
        ("--no-functions --scheduled", None, {"functions": False, "scheduled": True}),
        ("--no-await-stacks", None, {"await_stacks": False}),
        ("--blocking none", None, {"blocking": None}),
        ("--blocking 0.05 --max-stacks 7", None, {"blocking": 0.05, "max_stacks": 7}),
        ("--clock cpu", None, {"clock": time.thread_time_ns}),
    ],
)
def test_a_line_says_what_is_recorded(line, file, chosen):
    assert parse(line) == (file, DEFAULT | chosen)
    Options(**parse(line)[1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--lense idle", "there is no option --lense; did you mean --lens?"),
        ("--no-lens", "there is no option --no-lens"),
        ("x", "there is no option x; there are -o and --lens"),
        ("--lens", "--lens needs a value"),
        ("-o", "-o needs a value"),
        ("--functions=yes", "--functions takes no value"),
        ("--blocking soon", "--blocking: 'soon' is no number"),
        ("--max-stacks 1.5", "--max-stacks: '1.5' is no number"),
        ("--clock sun", "no clock is named 'sun'; choose wall or cpu"),
        ("-o 'x", "is not understood: No closing quotation"),
    ],
)
def test_what_is_wrong_is_named(line, message):
    with pytest.raises(OptionError) as raised:
        parse(line)
    assert message in str(raised.value)


def test_the_help_has_every_option_of_record():
    assert all("--" + each.name.replace("_", "-") in HELP for each in fields(Options))
