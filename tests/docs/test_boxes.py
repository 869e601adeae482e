"""The pages are built without a warning, and no box of code in them is cut."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.docs.blocks import CHECKOUT

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 1200, 800
CUT = """() => [...document.querySelectorAll("pre")]
    .filter(box => box.scrollWidth > box.clientWidth)
    .map(box => box.textContent.split("\\n").reduce((a, b) => b.length > a.length ? b : a))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Build the documentation: its folder."""
    folder = tmp_path_factory.mktemp("html")
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    built = subprocess.run(
        [sys.executable, *command, CHECKOUT / "docs", folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert (built.returncode, built.stdout) == (0, "")
    return folder


def test_no_box_of_code_is_cut(browser, pages):
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    cut = {}
    for path in sorted(pages.rglob("*.html")):
        if path.relative_to(pages).parts[0] != "_modules":
            tab.goto(path.as_uri())
            if found := tab.evaluate(CUT):
                cut[path.relative_to(pages).as_posix()] = found
    assert cut == {}
