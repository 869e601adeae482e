"""How a process is entered, and what is said where it cannot be."""

from __future__ import annotations

import os
import socket

import pytest

from tracetools import serve
from tracetools.commands import CommandError
from tracetools.commands.attaching import doors
from tracetools.commands.attaching.doors import why_not_enter
from tracetools.commands.attaching.target import Target

PID = os.getpid()


def a_target(version=(3, 14), *, is_seen=True, is_elsewhere=False):
    return Target(7, version, is_seen, "/usr/bin/it", is_elsewhere)


@pytest.mark.parametrize(
    ("target", "here", "says"),
    [
        (a_target(None), (3, 14), "the process 7 (/usr/bin/it) runs no Python"),
        (
            a_target((3, 11)),
            (3, 14),
            "Python 3.11 lets nobody in without one: call tracetools.serve()",
        ),
        (a_target((3, 15)), (3, 14), "use tracetools with Python 3.15 (/usr/bin/it)"),
        (a_target(None, is_seen=False), (3, 13), "with Python 3.14 or later on both sides"),
        (a_target(is_elsewhere=True), (3, 14), "in a container perhaps: run this command there"),
    ],
)
def test_why_a_process_cannot_be_entered_is_told(target, here, says):
    assert says in why_not_enter(target, here)


@pytest.mark.parametrize("target", [a_target(), a_target(None, is_seen=False)])
def test_a_process_of_the_same_version_can_be_entered(target):
    assert why_not_enter(target, (3, 14)) == ""


def test_a_door_is_used(runtime):
    with serve(), doors.connection_to(PID) as connection:
        assert connection.ask("hello")[0]["pid"] == PID


def test_a_stale_socket_is_no_door(runtime, monkeypatch):
    monkeypatch.setattr(doors, "why_not_enter", lambda _: "no way in")
    (runtime / "tracetools").mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(runtime / "tracetools" / f"{PID}.sock"))
    with pytest.raises(CommandError, match="no way in"):
        doors.connection_to(PID)
