"""The server of the demo on asyncio: uvicorn, on asyncio's own loop.

Facts about uvicorn that shape this module: it takes Ctrl-C for itself, and when it is cancelled it
leaves its connections open. Here it stops through `should_exit` and in no other way.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from anyio import TASK_STATUS_IGNORED, CancelScope, create_task_group
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyio import Event
    from anyio.abc import TaskStatus
    from starlette.applications import Starlette

__all__ = ["serve"]


async def serve(
    app: Starlette,
    closing: Event,
    *,
    task_status: TaskStatus[list[str]] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until `closing` is set; tell the address as soon as there is one.

    It cannot be cancelled: whoever wants it to end sets `closing`.
    """
    server = _Server(_config(app))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = listening.getsockname()
        task_status.started([f"http://{host}:{port}"])  # who comes early waits in its queue
        with CancelScope(shield=True):
            async with create_task_group() as stopping:
                stopping.start_soon(_stop, server, closing)
                await server.serve(sockets=[listening])


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=H11Protocol,  # as hypercorn; by default it depends on what is installed
        ws="none",
        lifespan="off",  # the shop has none
        log_config=None,
        log_level="critical",  # what fails is told with the outcome
        access_log=False,
        timeout_graceful_shutdown=1,
    )


async def _stop(server: uvicorn.Server, closing: Event) -> None:
    await closing.wait()
    server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn, without its signal handlers: Ctrl-C is the driver's business."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
