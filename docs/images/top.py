"""Make the picture of `tracetools top` anew, of a program that runs meanwhile.

    python docs/images/top.py

It needs the extras `test` and `top`, and chromium (`/usr/bin/chromium`, or `$CHROMIUM`).
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tracetools.commands.attaching.doors import connection_to
from tracetools.commands.watching.app import TopApp
from tracetools.commands.watching.feed import Feed
from tracetools.commands.watching.watch import Watch

HERE: Final = Path(__file__).parent
CHROMIUM: Final = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SIZE: Final = (118, 26)
OPTIONS: Final = {"resources": True, "scheduled": True, "functions": False}

PROGRAM: Final = """\
import asyncio
import random
import time

import tracetools
from tracetools import span


async def handle(lock, orders):
    with span("POST /orders"):
        await asyncio.sleep(random.uniform(0, 0.05))
        async with lock:
            await asyncio.sleep(0.005)
        with span("render"):
            sum(range(60_000))
        await orders.put(1)


async def deliver(orders):
    while True:
        await orders.get()
        await asyncio.sleep(0.008)


async def client(lock, orders):
    while True:
        await asyncio.create_task(handle(lock, orders))


async def monthly_report():
    while True:
        await asyncio.sleep(2)
        add_up(0.7)


def add_up(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def transfer(source, target):
    async with source:
        await asyncio.sleep(0.01)
        async with target:
            pass


async def main():
    await asyncio.sleep(3)
    lock, orders = asyncio.Lock(), asyncio.Queue(40)
    accounts = [asyncio.Lock() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(client(lock, orders))
        group.create_task(deliver(orders))
        group.create_task(monthly_report())
        for source, target in zip(accounts, [*accounts[1:], accounts[0]]):
            group.create_task(transfer(source, target))


tracetools.serve()
print("it runs", flush=True)
asyncio.run(main())
"""


async def picture(pid: int) -> str:
    """Return what top shows, as soon as a loop is blocked."""
    feed = Feed(connection_to(pid), OPTIONS, 0.2)
    app = TopApp(feed, Watch(feed.about))
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(3000):
            await pilot.pause(0.01)
            text = app._page.render().plain  # noqa: SLF001  # there is no other way to see it
            if "BLOCKED for" in text and "DEADLOCK" in text and "deliver" in text:
                break
        await pilot.pause(0.1)
        svg = app.export_screenshot(title="tracetools top")
    app.asker.stop()
    feed.close()
    return svg


def main() -> None:
    """Make it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop.py").write_text(PROGRAM)
        with subprocess.Popen(
            [sys.executable, "shop.py"], cwd=folder, stdout=subprocess.PIPE
        ) as program:
            program.stdout.readline()
            svg = folder / "top.svg"
            svg.write_text(asyncio.run(picture(program.pid)))
            program.kill()
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg.read_text())
        width, height = (round(float(each)) for each in box.groups())
        shot = HERE / "top.png"
        switches = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = f"--window-size={width},{height}"
        subprocess.run(
            [CHROMIUM, *switches, size, f"--screenshot={shot}", svg.as_uri()],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    main()
