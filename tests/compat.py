"""What the tests need of anyio, on the versions that cannot do it by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any
from unittest import mock

import anyio
import trio

ANYIO = tuple(int(number) for number in version("anyio").split(".")[:2])


def anyio_run_on_trio(main: Callable[..., Awaitable[Any]], **options: Any) -> Any:
    """Call `anyio.run` with options for `trio.run`; anyio passes them on from 4.14 on."""
    if ANYIO >= (4, 14):
        return anyio.run(main, backend="trio", backend_options=options)
    with mock.patch.object(trio, "run", partial(trio.run, **options)):
        return anyio.run(main, backend="trio")


def anyio_run_on_asyncio(
    main: Callable[..., Awaitable[Any]], make_loop: Callable[[], asyncio.AbstractEventLoop]
) -> Any:
    """Call `anyio.run` with a maker of loops; anyio asks it from 4.2 on."""
    if ANYIO >= (4, 2):
        return anyio.run(main, backend="asyncio", backend_options={"loop_factory": make_loop})
    with mock.patch.object(asyncio.events, "new_event_loop", make_loop):
        return anyio.run(main, backend="asyncio")
