"""The options of a recording: all ways to record have the same ones."""

from __future__ import annotations

import argparse
import inspect
import math
import re
import time
from dataclasses import dataclass, fields
from functools import partial
from types import SimpleNamespace

import pytest

from tracetools import FlamegraphInstrument, record
from tracetools.commands import run
from tracetools.core.native import native
from tracetools.session.options import (
    Options,
    describe,
    function_taking,
    initialiser_taking,
    nanoseconds,
)

OPTIONS = fields(Options)
SWITCHES = [each for each in OPTIONS if each.type.startswith("bool")]
SECONDS = [each for each in OPTIONS if "least" in each.metadata]

by_option = pytest.mark.parametrize("option", OPTIONS, ids=[each.name for each in OPTIONS])
by_seconds = pytest.mark.parametrize("option", SECONDS, ids=[each.name for each in SECONDS])


@pytest.mark.parametrize(
    ("function", "name"), [(record, "file"), (FlamegraphInstrument, "stack_file")]
)
def test_ways_to_record_take_a_file_and_all_options_by_keyword(function, name):
    file, *options = inspect.signature(function).parameters.values()
    assert file.name == name
    assert file.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in options} == {inspect.Parameter.KEYWORD_ONLY}
    assert [(each.name, each.default) for each in options] == [
        (each.name, each.default) for each in OPTIONS
    ]


@pytest.mark.parametrize("function", [record, FlamegraphInstrument])
@by_option
def test_docstrings_describe_each_option(function, option):
    words = " ".join(function.__doc__.split())
    assert f"{option.name}: {option.metadata['text']}." in words
    assert "{options}" not in words


OF_THE_COMMAND = {"functions": native is not None, "scheduled": True}
"""Defaults of the command that are other ones than those of `record`."""


@by_option
def test_the_command_has_each_option_with_its_default(option):
    parser = argparse.ArgumentParser()
    run.add_options(parser)
    defaults = vars(parser.parse_args([]))
    if option.metadata.get("command", True):
        assert defaults[option.name] == OF_THE_COMMAND.get(option.name, option.default)
    else:
        assert option.name not in defaults


def test_every_option_can_be_given_on_a_command_line():
    without = [each.name for each in OPTIONS if each.metadata.get("command", True) is False]
    assert without == []


@pytest.mark.parametrize(
    ("name", "clock"), [("wall", time.perf_counter_ns), ("cpu", time.thread_time_ns)]
)
def test_a_clock_is_given_by_its_name_on_a_command_line(name, clock):
    parser = argparse.ArgumentParser()
    run.add_options(parser)
    assert parser.parse_args(["--clock", name]).clock is clock


def test_a_clock_by_another_name_is_an_error(capsys):
    parser = argparse.ArgumentParser()
    run.add_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--clock", "sun"])
    assert "no clock is named 'sun'; choose wall or cpu" in capsys.readouterr().err


@by_seconds
def test_the_bounds_of_seconds_belong_to_them(option):
    for bound in (option.metadata["least"], option.metadata["most"]):
        assert getattr(Options(**{option.name: bound}), option.name) == bound
        assert nanoseconds(option.name, bound) == round(bound * 1e9)


@by_seconds
def test_seconds_out_of_bounds_are_refused_with_the_bounds(option):
    least, most = option.metadata["least"], option.metadata["most"]
    below, above = math.nextafter(least, -1), math.nextafter(most, math.inf)
    for wrong in (below, above, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"{option.name} is a number of seconds from") as error:
            Options(**{option.name: wrong})
        assert f"from {least:g} to {most:,g}, not {wrong!r}" in str(error.value)


@by_seconds
@pytest.mark.parametrize("wrong", ["1", True, [1], object()])
def test_seconds_that_are_no_number_are_refused(option, wrong):
    with pytest.raises(TypeError, match=f"{option.name} is a number of seconds, not"):
        Options(**{option.name: wrong})


@by_seconds
def test_none_is_taken_where_the_type_says_so(option):
    if "None" in option.type:
        assert getattr(Options(**{option.name: None}), option.name) is None
    else:
        with pytest.raises(TypeError, match="not None"):
            Options(**{option.name: None})


@dataclass(frozen=True)
class Arguments(Options):
    file: str


def test_a_function_takes_options_as_keywords():
    @function_taking(Arguments)
    def function(arguments):
        return arguments

    assert function("s", lens="idle") == Arguments("s", lens="idle")
    assert function(file="s") == Arguments("s")


def test_an_initialiser_takes_options_as_keywords():
    class Taker(SimpleNamespace):
        @initialiser_taking(Arguments)
        def __init__(self, arguments):
            """Take a file."""
            self.taken = arguments

    assert Taker("s", blocking=None).taken == Arguments("s", blocking=None)
    assert Taker(file="s").taken == Arguments("s")
    assert Taker.__init__.__doc__ == "Take a file."
    assert str(inspect.signature(Taker)).startswith("(file: 'str', *, lens: ")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            partial(record, "s", lense="idle"),
            "record() has no option 'lense'; did you mean 'lens'?",
        ),
        (
            partial(record, stack_file="s"),
            "record() has no option 'stack_file'; did you mean 'file'?",
        ),
        (partial(record, "s", x=1), "record() has no option 'x'"),
        (
            FlamegraphInstrument,
            "FlamegraphInstrument() cannot be called so: missing a required argument: 'stack_file'",
        ),
        (partial(record, "s", "t"), "record() cannot be called so: too many positional arguments"),
        (
            partial(FlamegraphInstrument, "s", function=True),
            "FlamegraphInstrument() has no option 'function'; did you mean 'functions'?",
        ),
        (partial(record, "s", functions="no"), "functions is True or False, not 'no'"),
        (partial(FlamegraphInstrument, "s", functions=1), "functions is True or False, not 1"),
    ],
)
def test_wrong_arguments_are_refused_by_the_name_of_what_was_called(
    call, said, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=f"^{re.escape(said)}$"):
        call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", SWITCHES, ids=[each.name for each in SWITCHES])
@pytest.mark.parametrize("wrong", ["no", "", 0, 1, [], object()])
def test_switches_are_switches(option, wrong):
    with pytest.raises(TypeError, match=f"^{option.name} is True"):
        Options(**{option.name: wrong})
    for right in (True, False):
        assert getattr(Options(**{option.name: right}), option.name) is right


def test_a_switch_may_be_none_where_its_type_says_so():
    assert Options(scheduled=None).scheduled is None
    with pytest.raises(TypeError, match="functions is True or False, not None"):
        Options(functions=None)


def test_a_docstring_without_a_place_for_options_stays_as_it_is():
    assert describe(None) is None
    assert describe("Nothing.") == "Nothing."


def test_descriptions_are_indented_as_their_place_is():
    lines = describe("Say.\n\n    Args:\n        {options}\n    ").splitlines()
    assert lines[3].startswith("        lens: which time")
    assert all(len(line) <= 100 for line in lines)
    assert all(line.startswith(" " * 8) for line in lines[3:-1])


def test_the_lens_of_critical_paths_wants_slow_spans_to_be_kept():
    with pytest.raises(ValueError, match="shows slow spans that are kept: give keep"):
        Options(lens="critical")
    assert Options(lens="critical", keep=0.0).lens == "critical"
