"""A listener that listens for nothing changes nothing."""

from __future__ import annotations

import asyncio
import inspect

from tracetools.instruments import asyncio_patches
from tracetools.instruments.listener import Listener


def test_what_is_not_listened_for_is_as_it_is():
    async def leaf():
        return 5

    async def main():
        coroutine = leaf()
        task = asyncio.get_running_loop().create_task(coroutine)
        assert inspect.iscoroutine(task._coro)
        assert task._coro is coroutine
        return await task

    asyncio_patches.listen(listener := Listener())
    try:
        assert asyncio.run(main()) == 5
        assert "call_soon" not in [patch.name for patch in asyncio_patches._patches._patches]
    finally:
        asyncio_patches.unlisten(listener)


def test_nothing_is_returned_in_place_of_what_is_given():
    listener, given = Listener(), object()
    assert listener.created(None, given, {}) is given
    assert listener.scheduled(given) is given
    assert not listener.wants_wakeups
