"""The reference has every option of every command, and every public name."""

from __future__ import annotations

import importlib.util
import re

import tracetools
from tests.docs.blocks import CHECKOUT

DOCS = CHECKOUT / "docs"


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_page_of_the_commands_is_what_argparse_knows():
    options = module(DOCS / "options.py")
    made = options.page()
    assert options.PAGE.read_text("utf-8") == made, "make it anew: python docs/options.py"


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "api.md").read_text("utf-8")
    named = set(re.findall(r"auto\w+:: tracetools\.(\w+)$", text, re.MULTILINE))
    errors = {name for name in tracetools.__all__ if name.endswith("Error")}
    assert "tracetools.core.errors" in text
    assert set(tracetools.__all__) - errors == named - {"testing"}


def test_the_tagline_is_the_same_everywhere():
    tagline = "Where the time of a trio, anyio or asyncio program goes: by task and by span"
    for name in ("README.md", "pyproject.toml", "docs/index.md", "src/tracetools/__init__.py"):
        assert tagline in (CHECKOUT / name).read_text("utf-8"), name
