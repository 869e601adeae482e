"""Runs the shop and its visitors, all in one run: a server, a number of requests, the end.

The same on both backends; only the server is another: hypercorn on trio, uvicorn on asyncio.
"""

from __future__ import annotations

import random
import signal
from asyncio import CancelledError
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import anyio
import httpx
import trio
from anyio import TASK_STATUS_IGNORED

from tracetools import observe
from tracetools.demo.app import make_app
from tracetools.demo.database import BOOKS, Database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import TaskStatus
    from starlette.applications import Starlette

__all__ = ["Backend", "Outcome", "load_server", "run_shop"]

Backend = Literal["trio", "asyncio"]


class Serve(Protocol):
    """What serves an application until `closing` is set, and tells where as soon as it can."""

    async def __call__(
        self, app: Starlette, closing: anyio.Event, *, task_status: TaskStatus[list[str]]
    ) -> None:
        """Serve."""


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


def load_server(backend: Backend) -> Serve:
    """Import the server of a backend, and not that of the other, which may not be installed."""
    if backend == "trio":
        from tracetools.demo.hypercorn_on_trio import serve  # noqa: PLC0415
    else:
        from tracetools.demo.uvicorn_on_asyncio import serve  # noqa: PLC0415
    return serve


def run_shop(requests: int, backend: Backend = "trio", **options: Any) -> Outcome:
    """Serve the shop on a free port of this machine, send it `requests` requests, and stop.

    Args:
        requests: how many there are.
        backend: what all of it runs on.
        options: for `trio.run`, as ``instruments``.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; the server was shut down before.
    """
    load_server(backend)  # here, so that its import is no part of what the run did
    outcome = Outcome()
    try:
        if backend == "trio":  # not through anyio, which passes no options on before 4.14
            trio.run(main, requests, outcome, backend, **options)
        else:
            anyio.run(main, requests, outcome, backend, backend=backend)
    except CancelledError:  # what becomes of Ctrl-C before the watch, with anyio on Python 3.10
        outcome.interrupted = True
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome


async def main(requests: int, outcome: Outcome, backend: Backend = "trio") -> None:
    """Open the shop, let the visitors in, and close it, whatever happens."""
    closing = anyio.Event()
    visiting = anyio.CancelScope()
    async with anyio.create_task_group() as watching:
        await watching.start(watch_for_ctrl_c, visiting, outcome)
        async with anyio.create_task_group() as serving:
            (address,) = await serving.start(serve_shop, backend, closing)
            try:
                with visiting:
                    await visit(address, requests, outcome)
            finally:
                closing.set()
        watching.cancel_scope.cancel()


async def serve_shop(
    backend: Backend,
    closing: anyio.Event,
    *,
    task_status: TaskStatus[list[str]] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until `closing` is set; tell the address as soon as there is one."""
    serve = load_server(backend)
    await serve(make_app(Database()), closing, task_status=task_status)


async def visit(address: str, requests: int, outcome: Outcome) -> None:
    """Send all requests, some at a time."""
    paths = make_paths(requests)
    began = perf_counter()
    async with (
        httpx.AsyncClient(base_url=address, timeout=_PATIENCE, trust_env=False) as client,
        anyio.create_task_group() as visitors,
    ):
        for _ in range(_VISITORS):
            visitors.start_soon(visitor, client, paths, outcome)
    outcome.seconds = perf_counter() - began


async def watch_for_ctrl_c(
    visiting: anyio.CancelScope,
    outcome: Outcome,
    *,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """Take Ctrl-C here, so that it does not strike in the midst of a server's work."""
    try:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                outcome.interrupted = True
                visiting.cancel()
    except NotImplementedError:  # asyncio on Windows, where Ctrl-C cancels the whole run
        task_status.started()


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
