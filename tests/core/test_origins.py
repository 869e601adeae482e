"""Whose a file is."""

from __future__ import annotations

import json
import os
import sysconfig

import pytest

import tracetools
from tracetools.core.origins import guessed_origin, merged_origins, origin_of


@pytest.mark.parametrize(
    ("file", "origin"),
    [
        ("/project/app.py", "own"),
        ("/project/src/shop/app.py", "own"),
        ("/project/.venv/lib/python3.13/site-packages/starlette/routing.py", "library"),
        ("/usr/lib/python3/dist-packages/six.py", "library"),
        ("/project/uvloop/loop.pyx", "library"),
        ("/project/my_site-packages/app.py", "own"),
        (json.__file__, "runtime"),
        ("/usr/lib/python310.zip/json/decoder.py", "own"),
        ("<frozen importlib._bootstrap>", "runtime"),
        ("<string>", "own"),
        ("cell 3", "own"),
        (tracetools.__file__, "library"),
        (tracetools.__file__.replace("__init__.py", "demo/app.py"), "own"),
    ],
)
def test_the_origin_of_an_absolute_path(file, origin):
    assert origin_of(file) == origin


def test_what_is_installed_is_not_the_standard_library():
    installed = os.path.join(sysconfig.get_path("purelib"), "trio", "__init__.py")
    assert origin_of(installed) == "library"


@pytest.mark.parametrize(
    ("file", "origin"),
    [
        ("app.py", "own"),
        ("shop/app.py", "own"),
        ("asyncio/tasks.py", "runtime"),
        ("selectors.py", "runtime"),
        ("starlette/routing.py", "own"),  # nothing says that it is not
        ("site-packages/starlette/routing.py", "library"),
        ("uvloop/loop.pyx", "library"),
        ("<frozen runpy>", "runtime"),
        (json.__file__, "runtime"),
    ],
)
def test_the_origin_of_what_a_label_shows_is_guessed(file, origin):
    assert guessed_origin(file) == origin


def test_merged_origins_do_not_depend_on_the_order():
    one, other = {"a": "library"}, {"a": "runtime", "b": "runtime"}
    merged = {"a": "library", "b": "runtime"}
    assert merged_origins([one, other]) == merged_origins([other, one]) == merged
