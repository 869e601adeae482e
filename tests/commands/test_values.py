"""Values of options are converted, or refused in words."""

import argparse
import os
import signal

import pytest

from tracetools.commands import values


@pytest.mark.parametrize(
    ("convert", "text", "value"),
    [
        (values.whole, "0", 0),
        (values.count, "12", 12),
        (values.whole_or_all, "7", 7),
        (values.whole_or_all, "all", "all"),
        (values.number, "-1.5e3", -1500.0),
        (values.percent, "2.5", 2.5),
        (values.percent, "2.5 %", 2.5),
        (values.seconds, "0.25", 0.25),
        (values.triggers, "errors", {"errors": True}),
        (values.triggers, "blocking,errors", {"blocking": True, "errors": True}),
    ],
)
def test_values_are_converted(convert, text, value):
    assert convert(text) == value


@pytest.mark.parametrize(
    ("convert", "text", "said"),
    [
        (values.whole, "1.5", "'1.5' is no whole number"),
        (values.whole, "-1", "'-1' is no whole number"),
        (values.whole, "9" * 5000, "is no whole number"),
        (values.whole, "\u0663", "is no whole number"),
        (values.count, "0", "'0' is no whole number from 1 up"),
        (values.whole_or_all, "many", "'many' is no whole number"),
        (values.number, "nan", "'nan' is no number"),
        (values.number, "", "'' is no number"),
        (values.percent, "inf", "'inf' is no percentage"),
        (values.percent, "wide", "'wide' is no percentage"),
        (values.triggers, "", "nothing is kept on ''"),
        (values.triggers, "error", "nothing is kept on 'error': choose of blocking, errors, sig"),
        (values.triggers, "_DFL", "nothing is kept on '_DFL'"),
        (values.triggers, "INT", "signal is one of those that are free"),
        (values.seconds, "0", "'0' is no number of seconds: give one above 0, such as 2.5"),
        (values.seconds, "-1", "'-1' is no number of seconds"),
        (values.seconds, "1e400", "'1e400' is no number of seconds"),
        (values.seconds, "soon", "'soon' is no number of seconds"),
    ],
)
def test_what_makes_no_sense_is_refused(convert, text, said):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        convert(text)
    assert said in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")
@pytest.mark.parametrize(
    ("text", "number"), [("signal", True), ("USR1", signal.SIGUSR1), ("SIGUSR2", signal.SIGUSR2)]
)
def test_a_signal_has_a_name(text, number):
    assert values.triggers(f"errors,{text}") == {"errors": True, "signal": number}
