"""Runs the shop and its visitors, all in one trio run: a server, a number of requests, the end."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast

import httpx
import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from tracetools import observe
from tracetools.demo.app import make_app
from tracetools.demo.database import BOOKS, Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypercorn.typing import Framework
    from trio.abc import Instrument

__all__ = ["Outcome", "run_shop"]

_VISITORS: Final = 12
_PATIENCE: Final = 30
"""Seconds that a visitor waits for an answer."""


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        answered: how many had the answer they should have.
        failures: what went wrong with the others, in words.
        seconds: from the first request to the last answer.
        interrupted: whether Ctrl-C came before that.
    """

    answered: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False


def run_shop(requests: int, instrument: Instrument) -> Outcome:
    """Serve the shop on a free port of this machine, send it `requests` requests, and stop.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the server was shut down before.
    """
    outcome = Outcome()
    trio.run(main, requests, outcome, instruments=[instrument])
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome


async def main(requests: int, outcome: Outcome) -> None:
    """Open the shop, let the visitors in, and close it, whatever happens."""
    closing = trio.Event()
    visiting = trio.CancelScope()
    async with trio.open_nursery() as watching:
        await watching.start(watch_for_ctrl_c, visiting, outcome)
        async with trio.open_nursery() as serving:
            (address,) = await serving.start(serve_shop, closing)
            try:
                with visiting:
                    await visit(address, requests, outcome)
            finally:
                closing.set()
        watching.cancel_scope.cancel()


async def serve_shop(
    closing: trio.Event, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until `closing` is set; tell the address as soon as there is one."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None  # what fails is told with the outcome
    config.graceful_timeout = 1
    app = cast("Framework", make_app(Database()))  # typed otherwise, but the same protocol
    await serve(app, config, shutdown_trigger=closing.wait, task_status=task_status)


async def visit(address: str, requests: int, outcome: Outcome) -> None:
    """Send all requests, some at a time."""
    paths = make_paths(requests)
    began = perf_counter()
    async with (
        httpx.AsyncClient(base_url=address, timeout=_PATIENCE, trust_env=False) as client,
        trio.open_nursery() as visitors,
    ):
        for _ in range(_VISITORS):
            visitors.start_soon(visitor, client, paths, outcome)
    outcome.seconds = perf_counter() - began


async def watch_for_ctrl_c(
    visiting: trio.CancelScope,
    outcome: Outcome,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Take Ctrl-C here, so that it does not strike in the midst of a server's work."""
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            outcome.interrupted = True
            visiting.cancel()


async def visitor(client: httpx.AsyncClient, paths: Iterator[str], outcome: Outcome) -> None:
    """Take from the common supply of requests until there is none."""
    for path in paths:
        await request(client, path, outcome)


@observe
async def request(client: httpx.AsyncClient, path: str, outcome: Outcome) -> None:
    """Ask for a page, read all of it, and keep account of it."""
    try:
        (await client.get(path)).raise_for_status()
    except httpx.HTTPError as error:
        what, *_ = str(error).splitlines() or [type(error).__name__]
        outcome.failures.append(f"{path}: {what}")
    else:
        outcome.answered += 1


def make_paths(requests: int) -> Iterator[str]:
    """Yield what visitors ask for, the same in each run: mostly books."""
    chosen = random.Random(requests)  # noqa: S311  # no secret
    for _ in range(requests):
        number = chosen.randrange(BOOKS)
        kinds = (f"/book/{number}", f"/cover/{number}", "/search?words=salt+sea")
        yield chosen.choices(kinds, weights=(7, 2, 1))[0]
