"""Zoom and search in chromium, as ratios to what inferno's graph of the same stacks takes.

Each act has two figures: until its script has run and the layout is done, and until the end of the
second animation frame after it, when what has changed is on the screen (two empty frames alone take
33 ms). Zoomed are the widest frame above the root, and one deep in it. Needs pyinferno (which has
wheels for Python 3.10 and 3.11), playwright, and Debian's chromium.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import pyinferno
from playwright.sync_api import sync_playwright
from rendering import write_stacks

from tracetools.output.flamegraph import Flamegrapher

ROUNDS = 7
STACKS = 1_400
QUIET = ["--no-sandbox", "--disable-gpu"]

TIMED = """async (act) => {
    const painted = () => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(done)));
    await painted();
    const began = performance.now();
    act();
    document.querySelector("text").getBoundingClientRect();
    const laidOut = performance.now();
    await painted();
    return [laidOut - began, performance.now() - began];
}"""
CLICK = """() => {{
    const frame = [...document.querySelectorAll("{frames}")].find((node) =>
        node.querySelector("title").textContent === {title!r});
    const rect = frame.querySelector("rect");
    rect.dispatchEvent(new MouseEvent("click", {{ bubbles: true }}));
}}"""
SEARCHES = {
    "ours": """() => document.documentElement.dispatchEvent(new CustomEvent("tracetools:search",
        { detail: { expression: "a_call[0-9]*5", ignoreCase: false } }))""",
    "inferno": """() => search("a_call[0-9]*5")""",
}
FRAMES = {"ours": ".row > g", "inferno": "#frames > g"}


ACTS = ("zoom wide", "unzoom", "zoom deep", "unzoom again", "search")


def measure(page, path: Path, who: str, wide: str, deep: str) -> list[tuple[float, float]]:
    """Do every act once; return what each took in milliseconds, laid out and painted."""
    page.goto(path.as_uri())
    whole = page.locator(f"{FRAMES[who]} > title").filter(has_text="all (").first.text_content()
    acts = [CLICK.format(frames=FRAMES[who], title=title) for title in (wide, whole, deep, whole)]
    return [page.evaluate(f"() => ({TIMED})({act})") for act in [*acts, SEARCHES[who]]]


def main() -> None:
    """Draw both graphs, measure both in turns, print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stacks = Path(folder) / "stacks.folded"
        write_stacks(stacks, STACKS)
        ours = Flamegrapher(stacks, count_name="samples").write_flamegraph()
        inferno = Path(folder) / "inferno.svg"
        lines = stacks.read_text().splitlines()
        inferno.write_text(pyinferno.flamegraph_from_lines(lines, "Flame Graph"))
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(ours.as_uri())
        titles = [widest(page, depth) for depth in (1, 5)]
        print(f"{page.locator('.row > g').count():,} frames, {ROUNDS} rounds")
        found = [
            (measure(page, ours, "ours", *titles), measure(page, inferno, "inferno", *titles))
            for _ in range(ROUNDS)
        ]
        for act, what in enumerate(ACTS):
            for until, moment in enumerate(("laid out", "painted")):
                pairs = [(mine[act][until], theirs[act][until]) for mine, theirs in found]
                print(f"  {what:<13} {moment:<9} {tell(pairs)}")
        browser.close()


def tell(pairs: list[tuple[float, float]]) -> str:
    """Give the medians of both, and of how much faster ours was in each round."""
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(other / one for one, other in pairs)
    return f"{mine:7.1f} ms   inferno {theirs:7.1f} ms   {ratio:5.2f} times faster"


def widest(page, depth: int) -> str:
    """Return the title of the widest frame in a row."""
    return (
        page.locator(".row")
        .nth(depth)
        .locator("> g")
        .evaluate_all(
            """(nodes) => nodes.reduce((one, other) =>
            Number(other.dataset.w) > Number(one.dataset.w) ? other : one)
            .querySelector("title").textContent"""
        )
    )


if __name__ == "__main__":
    main()
