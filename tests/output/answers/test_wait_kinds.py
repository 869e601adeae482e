"""Waits have kinds by their names."""

import pytest

from tracetools.output.answers.wait_kinds import awaited, kind_of_wait


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("Semaphore", "limited"),
        ("Lock", "limited"),
        ("Lock.acquire", "limited"),
        ("StrictFIFOLock", "limited"),
        ("CapacityLimiter", "limited"),
        ("ConnectionPool.acquire", "limited"),
        ("Condition", "limited"),
        ("Condition.wait", "event"),
        ("Event.wait", "event"),
        ("Queue.get", "queue"),
        ("MemoryReceiveChannel.receive", "queue"),
        ("MemoryObjectReceiveStream.receive", "queue"),
        ("to_thread (load)", "thread"),
        ("run_in_executor (load)", "thread"),
        ("TaskGroup", "task"),
        ("open_nursery", "task"),
        ("gather", "task"),
        ("shield", "task"),
        ("BaseProtocol.query", "io"),
        ("Task (fetch)", "task"),
        ("Nursery.start", "task"),
        ("sleep", "sleep"),
        ("sleep_forever", "sleep"),
        ("SocketStream.receive_some", "io"),
        ("StreamReader.readline", "io"),
        ("open_connection", "io"),
        ("Future", "other"),
        ("?", "other"),
        ("", "other"),
    ],
)
def test_kind_of_a_wait(what, kind):
    assert kind_of_wait(what) == kind


def test_what_is_awaited():
    assert awaited("await to_thread (load)") == "to_thread (load)"
    assert awaited("fetch") == "fetch"
