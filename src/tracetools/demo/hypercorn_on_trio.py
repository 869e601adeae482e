"""The server of the demo on trio: hypercorn, with its trio worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from anyio import TASK_STATUS_IGNORED
from hypercorn import trio as hypercorn
from hypercorn.config import Config

if TYPE_CHECKING:
    from anyio import Event
    from anyio.abc import TaskStatus
    from hypercorn.typing import Framework
    from starlette.applications import Starlette

__all__ = ["serve"]


async def serve(
    app: Starlette,
    closing: Event,
    *,
    task_status: TaskStatus[list[str]] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until `closing` is set; tell the address as soon as there is one."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None  # what fails is told with the outcome
    config.graceful_timeout = 1
    await hypercorn.serve(
        cast("Framework", app),  # typed otherwise, but the same protocol
        config,
        shutdown_trigger=closing.wait,
        task_status=task_status,  # type: ignore[arg-type]  # trio's protocol, in anyio's words
    )
