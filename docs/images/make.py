"""Make all pictures of the documentation anew, from real programs, by one command.

    python docs/images/make.py [NAME...]

It needs the extra `test` and chromium (`/usr/bin/chromium`, or `$CHROMIUM`). Reports are taken in
a light and a dark scheme, 400, 1,200 and 2,500 pixels wide: `report-dark-400.png`. What the README
shows is `report.png`, which is the light one of 1,200.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE: Final = Path(__file__).parent
EXAMPLES: Final = HERE.parents[1] / "examples"
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
WIDTHS: Final = {400: 800, 1200: 800, 2500: 1400}
"""How wide pictures are, and how high, in pixels."""
SCHEMES: Final = ("light", "dark")
SECONDS: Final = 120
TRACETOOLS: Final = [sys.executable, "-m", "tracetools"]


def serve(name: str, ask: str, *command: str) -> Callable[[Path], None]:
    """Return what records a server of the examples while it is asked."""

    def record(folder: Path) -> None:
        port = _free_port()
        for path in (*(EXAMPLES / name).glob("*.py"), EXAMPLES / "load.py"):
            (folder / path.name).write_text(path.read_text().replace("8000", port))
        typed = [
            *TRACETOOLS,
            "run",
            "-q",
            "-o",
            "report",
            *(w.replace("8000", port) for w in command),
        ]
        with subprocess.Popen(typed, cwd=folder) as server:
            try:
                _wait_for(int(port))
                _run(folder, sys.executable, ask)
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(SECONDS)

    return record


def script(name: str) -> Callable[[Path], None]:
    """Return what records a program of the examples."""

    def record(folder: Path) -> None:
        shutil.copy(EXAMPLES / name, folder)
        _run(folder, *TRACETOOLS, "run", "-q", "-o", "report", Path(name).name)

    return record


RECORDED: Final = {
    "report": serve("fastapi", "load.py", "-m", "uvicorn", "app:app", "--port", "8000"),
    "hypercorn": serve(
        *("hypercorn", "load.py", "hypercorn", "--worker-class", "trio"),
        *("--bind", "127.0.0.1:8000", "app:app"),
    ),
    "aiohttp": serve("aiohttp", "load.py", "app.py"),
    "mcp": serve("mcp", "ask.py", "server.py"),
    "trio": script("trio/backup.py"),
}
"""How the program of each report is recorded, by the names of their pictures."""


def take(browser: Any, name: str, page: Path) -> None:
    """Take the pictures of a report: its first screen."""
    for scheme in SCHEMES:
        for width, height in WIDTHS.items():
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab.goto(page.as_uri())
            tab.screenshot(path=HERE / f"{name}-{scheme}-{width}.png")
            tab.close()
    if name == "report":
        shutil.copy(HERE / f"{name}-light-1200.png", HERE / f"{name}.png")


def take_slow_program(browser: Any) -> None:
    """Take the graph of what the tasks of `slow_fan_out.py` wait for."""
    with tempfile.TemporaryDirectory() as made:
        folder, port = Path(made), _free_port()
        shutil.copy(EXAMPLES / "slow_fan_out.py", folder)
        typed = [sys.executable, "-m", "uvicorn", "shop:app", "--port", port]
        with subprocess.Popen([*typed, "--log-level", "warning"], cwd=EXAMPLES) as shop:
            try:
                _wait_for(int(port))
                address = f"http://127.0.0.1:{port}"
                _run(folder, *TRACETOOLS, "run", "-q", "-o", "slow", "slow_fan_out.py", address)
            finally:
                shop.terminate()
        options = ["--lens", "idle", "-o", "slow-idle.svg"]
        _run(folder, *TRACETOOLS, "render", "slow.profile.json", *options)
        _picture_of_svg(browser, folder / "slow-idle.svg", HERE / "slow-idle.png")


def take_demo(browser: Any) -> None:
    """Draw the demo, and take its picture."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _run(folder, *TRACETOOLS, "demo", "-o", "demo")
        _run(folder, *TRACETOOLS, "render", "demo.profile.json", "-o", "demo.svg")
        shutil.copy(folder / "demo.svg", HERE / "demo.svg")
        _picture_of_svg(browser, folder / "demo.svg", HERE / "demo.png")


def _picture_of_svg(browser: Any, path: Path, picture: Path) -> None:
    tab = browser.new_page(viewport={"width": 1200, "height": 600})
    tab.goto(path.as_uri())
    tab.locator("svg").first.screenshot(path=picture)
    tab.close()


def take_slow_request(browser: Any) -> None:
    """Take the page of the slowest request at the shop of `examples/slow`."""
    command = ("--keep", "0.05", "-m", "uvicorn", "shop:app", "--port", "8000")
    with tempfile.TemporaryDirectory() as made:
        serve("slow", "buy.py", *command)(Path(made))
        pages = Path(made, "report.slow").glob("*.html")
        page = max(pages, key=lambda page: int(page.stem.split("-")[-2].removesuffix("ms")))
        tab = browser.new_page(viewport={"width": 1200, "height": 800})
        tab.goto(page.as_uri())
        tab.screenshot(path=HERE / "slow-request.png")
        tab.close()


OTHERS: Final = {
    "slow-idle": take_slow_program,
    "demo": take_demo,
    "slow-request": take_slow_request,
}


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, timeout=SECONDS)


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers on port {port}")


def main(names: Sequence[str]) -> None:
    """Make the pictures of these names, or all."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in names or [*RECORDED, *OTHERS]:
            print(name)
            if name in OTHERS:
                OTHERS[name](browser)
                continue
            with tempfile.TemporaryDirectory() as made:
                RECORDED[name](Path(made))
                take(browser, name, Path(made) / "report.html")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
