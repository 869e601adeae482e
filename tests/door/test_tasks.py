"""What every task waits for, through the door."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tracetools.core.errors import DoorError
from tracetools.door import tasks


def test_it_is_read_as_json_and_shown_as_text():
    told = []

    def tell():
        told.append(tasks.tasks_as_text(tasks.tasks_as_json()))

    async def main():
        asker = threading.Thread(target=tell)
        asker.start()
        while asker.is_alive():  # noqa: ASYNC110  # it is of another thread
            await asyncio.sleep(0)

    asyncio.run(main())
    assert "test_it_is_read_as_json_and_shown_as_text.<locals>.main" in told[0]


@pytest.mark.parametrize("text", [b"", b"[]", b'{"loops": 1, "version": 1}', b'{"loops": []}'])
def test_what_makes_no_sense_is_an_error(text):
    with pytest.raises(DoorError, match="what the program has answered cannot be read"):
        tasks.tasks_as_text(text)
