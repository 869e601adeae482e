"""Reading local variables keeps nothing alive, and changes nothing."""

from __future__ import annotations

import asyncio
import sys
import weakref

from tracetools.core.frame_locals import locals_of


def test_the_locals_that_were_read_are_not_kept():
    class Thing:
        pass

    async def function(thing):
        del thing
        await asyncio.sleep(0)

    thing = Thing()
    gone = weakref.ref(thing)
    coroutine = function(thing)
    assert locals_of(coroutine.cr_frame) == {"thing": thing}
    frame = coroutine.cr_frame
    coroutine.send(None)
    del thing
    assert gone() is None
    coroutine.close()
    assert frame.f_code.co_name == "function"


def test_the_variables_of_a_module_are_left_as_they_are():
    frame = sys._getframe()
    while frame.f_code.co_name != "<module>":
        frame = frame.f_back
    found = locals_of(frame)
    assert found
    assert frame.f_locals == found
