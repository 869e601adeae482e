import subprocess
import sys

import pytest
from hypothesis import given

from tracetools.flamegraph.palette import PALETTES, hot

from .strategies import any_text, relaxed

NAMES = ["all", "all-spans", "main (app.py:1)", "main (app.py:2)", "é\U0001f600", "\ud800", ""]


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    linear = [
        channel / 255 / 12.92
        if channel / 255 <= 0.04045
        else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in colour
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_are_the_same_in_every_process_and_version():
    assert hot("all") == (225, 144, 90)
    code = (
        "from tracetools.flamegraph.palette import hot\n"
        f"print([tuple(hot(name)) for name in {NAMES!a}])"
    )
    for seed in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        assert out.strip() == str([tuple(hot(name)) for name in NAMES])


def test_similar_names_differ():
    assert len({hot(f"worker (app.py:{line})") for line in range(200)}) > 190


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES.keys())
@relaxed
@given(name=any_text)
def test_black_text_is_legible_on_every_colour(palette, name):
    colour = palette(name)
    assert all(0 <= channel <= 255 for channel in colour)
    contrast = (luminance(colour) + 0.05) / (luminance((0x26, 0x21, 0x1C)) + 0.05)
    assert contrast >= 4.5
