"""Which words are options of `tracetools run`, and what they are by default."""

import argparse
import json

import pytest

from tracetools.commands.running import options
from tracetools.core.native import native


def parsed(*words):
    parser = argparse.ArgumentParser()
    options.add_options(parser)
    return parser.parse_args(words)


def test_functions_and_scheduled_time_are_recorded_unless_switched_off():
    assert parsed().scheduled is True
    assert parsed().functions is (native is not None)
    off = parsed("--no-functions", "--no-scheduled")
    assert (off.functions, off.scheduled) == (False, False)
    assert parsed("--functions").functions is True


def test_outputs_are_collected():
    assert parsed().output is None
    assert parsed("-o", "a", "--output=b.svg").output == ["a", "b.svg"]


@pytest.mark.parametrize(
    ("word", "is_ours"),
    [
        ("-o", True),
        ("--output", True),
        ("--output=x", True),
        ("--functions", True),
        ("--no-functions", True),
        ("--lens", True),
        ("-q", True),
        ("-ox", False),
        ("--out", False),
        ("--no-lens", False),
        ("--port", False),
        ("-m", False),
        ("o", False),
    ],
)
def test_an_option_is_ours_if_it_is_spelled_in_full(word, is_ours):
    assert options.is_ours(word) == is_ours


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--max-stacks", "0"], "'0' is no whole number from 1 up"),
        (["--max-depth", "deep"], "'deep' is no whole number from 1 up"),
        (["--blocking", "soon"], "'soon' is no number of seconds"),
        (["--blocking", "nan"], "blocking is a number of seconds from"),
    ],
)
def test_values_that_make_no_sense_are_refused_in_words(words, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_recording_of_a_running_program_has_the_options_that_make_sense_there():
    parser = argparse.ArgumentParser()
    options.add_late_options(parser)
    given = parser.parse_args(["--clock", "cpu", "--blocking", "none", "--functions"])
    plain = options.plain_options(given)
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["clock"], plain["blocking"], plain["functions"]) == ("cpu", None, True)
    assert not {"flush_interval", "output", "delay"} & plain.keys()
    assert "in a file of its own" not in parser.format_help()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], None),
        (["-o", "a", "--delay", "1"], None),
        (["--continuous", "a", "--every", "10", "--keep", "1", "--subprocesses"], None),
        (
            ["--every", "10", "--max-bytes", "0"],
            "for --every, --max-bytes, give --continuous DIR too",
        ),
        (["--continuous", ""], "the name of a folder"),
        (["--continuous", "a", "-o", "b"], "leave out -o; `tracetools merge` makes one file"),
        (["--continuous", "a", "--duration", "1"], "--continuous records until the end"),
        (["--continuous", "a", "--flush-interval", "1"], "give --every instead"),
    ],
)
def test_what_cannot_be_given_together_is_said(words, said):
    found = options.misuse(parsed(*words))
    assert found is None if said is None else said in found
