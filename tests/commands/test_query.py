"""The flags of `tracetools query`."""

from __future__ import annotations

import pytest

from tracetools.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "WHERE"),
        (["x", "--compare", "colour=red"], "give NAME=VALUE of service, version, host, from, to"),
        (["x", "--compare", "version"], "give NAME=VALUE"),
        (["x", "--list", "--latency"], "not allowed with"),
        (["x", "--lens", "x"], "--lens"),
        (["x", "--forget", "0"], "no whole number from 1 up"),
    ],
)
def test_flags_that_make_no_sense_are_refused(capsys, arguments, said):
    with pytest.raises(SystemExit):
        main(["query", *arguments])
    assert said in capsys.readouterr().err


def test_an_engine_that_is_none_is_refused(capsys):
    assert main(["query", "x"]) == 2
    assert "a URL begins with one of" in capsys.readouterr().err
