"""Zoom and search in chromium, as ratios to what inferno's graph of the same stacks takes.

Each figure is from the event to the end of the second animation frame after it, when what has
changed is on the screen. Needs pyinferno (Python 3.10, 3.11), playwright, and Debian's chromium.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import pyinferno
from playwright.sync_api import sync_playwright
from rendering import write_stacks

from tracetools.flamegraph import Flamegrapher

ROUNDS = 7
STACKS = 1_000
QUIET = ["--no-sandbox", "--disable-gpu"]

TIMED = """async (act) => {
    const painted = () => new Promise((done) =>
        requestAnimationFrame(() => requestAnimationFrame(done)));
    await painted();
    const began = performance.now();
    act();
    await painted();
    return performance.now() - began;
}"""
CLICK = """() => {{
    const frame = [...document.querySelectorAll("{frames}")].find((node) =>
        node.querySelector("title").textContent.startsWith({name!r}));
    const rect = frame.querySelector("rect");
    rect.dispatchEvent(new MouseEvent("click", {{ bubbles: true }}));
}}"""
SEARCHES = {
    "ours": """() => document.documentElement.dispatchEvent(new CustomEvent("tracetools:search",
        { detail: { expression: "a_function[0-9]*5", ignoreCase: false } }))""",
    "inferno": """() => search("a_function[0-9]*5")""",
}
FRAMES = {"ours": ".row > g", "inferno": "#frames > g"}


def measure(page, path: Path, who: str, name: str) -> dict[str, float]:
    """Zoom into a frame, out again, and search, once; milliseconds."""
    page.goto(path.as_uri())
    acts = {
        "zoom": CLICK.format(frames=FRAMES[who], name=name),
        "unzoom": CLICK.format(frames=FRAMES[who], name="all ("),
        "search": SEARCHES[who],
    }
    return {what: page.evaluate(f"() => ({TIMED})({act})") for what, act in acts.items()}


def main() -> None:
    """Draw both graphs, measure both in turns, print medians and ratios."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stacks = Path(folder) / "stacks.folded"
        write_stacks(stacks, STACKS)
        ours = Flamegrapher(stacks).write_flamegraph()
        inferno = Path(folder) / "inferno.svg"
        lines = stacks.read_text().splitlines()
        inferno.write_text(pyinferno.flamegraph_from_lines(lines, "Flame Graph"))
        name = widest(lines)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(ours.as_uri())
        print(f"{page.locator('.row > g').count():,} frames, {ROUNDS} rounds")
        found = [
            (measure(page, ours, "ours", name), measure(page, inferno, "inferno", name))
            for _ in range(ROUNDS)
        ]
        for what in ("zoom", "unzoom", "search"):
            mine = statistics.median(one[what] for one, _ in found)
            theirs = statistics.median(other[what] for _, other in found)
            ratio = statistics.median(other[what] / one[what] for one, other in found)
            print(
                f"  {what:<7} {mine:7.1f} ms   inferno {theirs:7.1f} ms   {ratio:5.2f} times faster"
            )
        browser.close()


def widest(lines: list[str]) -> str:
    """Return the name of the frame right above the root that has the most time."""
    widths: dict[str, int] = {}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        first = stack.partition(";")[0]
        widths[first] = widths.get(first, 0) + int(count)
    return max(widths, key=lambda first: widths[first])


if __name__ == "__main__":
    main()
