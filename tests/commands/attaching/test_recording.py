"""A recording through a connection: to a server in this process."""

from __future__ import annotations

import argparse
import asyncio
import socket
import threading

import pytest

from tracetools.commands import CommandError
from tracetools.commands.attaching import recording
from tracetools.commands.attaching.recording import Recorded, record, report
from tracetools.commands.running.outputs import Outputs
from tracetools.core.profile import Profile
from tracetools.door.asks import Asks
from tracetools.door.client import Connection
from tracetools.door.protocol import RefusedError
from tracetools.door.server import Server

GIVEN = argparse.Namespace(lens="busy", labels="name", quiet=False, functions=False)


@pytest.fixture
def server():
    made = Server(Asks(), None)
    yield made
    made.close()


@pytest.fixture
def connection(server):
    one, other = socket.socketpair()
    server.add(other)
    server.start()
    with Connection(one) as made:
        yield made


def work_in_a_loop():
    async def main():
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_recording_lasts_as_long_as_asked(connection):
    recorded = record(connection, {"functions": False}, 0.001, work_in_a_loop)
    assert recorded.profile.runs == 1
    assert (recorded.missing, recorded.lost) == (0, None)


def test_ctrl_c_ends_it(connection):
    def interrupt():
        work_in_a_loop()
        raise KeyboardInterrupt

    recorded = record(connection, {}, None, interrupt)
    assert (recorded.profile.runs, recorded.lost) == (1, None)


def test_it_is_read_meanwhile(connection, monkeypatch, server):
    """So something is left if the program ends."""
    monkeypatch.setattr(recording, "_READ_EVERY", 0.0)
    monkeypatch.setattr(recording, "_DEAR", 0)
    asked = []
    ask = connection.ask

    def counted(what, **values):
        asked.append(what)
        if asked.count("read") == 3:
            server.close()
        return ask(what, **values)

    monkeypatch.setattr(connection, "ask", counted)
    recorded = record(connection, {}, None, work_in_a_loop)
    assert recorded.profile.runs == 1
    assert recorded.lost is not None
    assert asked[:4] == ["start", "read", "read", "read"]


def test_a_program_that_ends_at_once_is_told(connection, server, tmp_path):
    recorded = record(connection, {}, None, server.close)
    assert recorded.profile is None
    with pytest.raises(CommandError, match="ended, before anything was read"):
        report(recorded, Outputs([str(tmp_path / "x")]), GIVEN)


def test_what_the_door_refuses_is_an_error(connection):
    with pytest.raises(RefusedError, match="no option 'wings'"):
        record(connection, {"wings": 2}, 1)


def test_the_report_is_that_of_a_run(connection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recorded = record(connection, {}, 0.001, work_in_a_loop)
    text = report(recorded, Outputs([]), GIVEN)
    assert text.startswith("tracetools: recorded 1 loop (asyncio)")
    assert "What blocks the loop" in text
    assert "Written: stack.profile.json, stack.folded, stack.html" in text
    assert {path.name for path in tmp_path.iterdir()} == {
        *("stack.profile.json", "stack.folded", "stack.html")
    }


@pytest.mark.parametrize(
    ("missing", "says"),
    [(0, "no trio run and no asyncio loop went on"), (2, "2 loops of which no step has ended")],
)
def test_nothing_recorded_is_an_error(missing, says, tmp_path):
    recorded = Recorded()
    recorded.profile, recorded.missing = Profile(), missing
    with pytest.raises(CommandError, match=says):
        report(recorded, Outputs([str(tmp_path / "x")]), GIVEN)


def test_what_is_missing_is_told(connection, tmp_path):
    recorded = record(connection, {}, 0.001, work_in_a_loop)
    recorded.missing, recorded.lost, recorded.errors = 1, 2.5, ["it failed"]
    given = argparse.Namespace(**{**vars(GIVEN), "quiet": True})
    assert report(recorded, Outputs([str(tmp_path / "x")]), given).splitlines() == [
        "tracetools: it failed",
        "tracetools: not recorded: 1 loop of which no step has ended meanwhile",
        "tracetools: the program has closed its door, or ended: the last 2.5 s are lost",
    ]


def test_the_door_may_be_closed_from_the_other_side(connection, server):
    closes = threading.Thread(target=server.close)
    closes.start()
    assert recording._is_over(connection, 30)
    closes.join()
