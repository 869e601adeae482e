"""No server of ClickHouse outlives who has started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet.clickhouse_servers import Cluster, Server

ROOT = Path(__file__).parents[2]
STARTS = """
import pathlib, sys
from tests.fleet.clickhouse_servers import Cluster
with Cluster(pathlib.Path(sys.argv[1])) as cluster:
    print(*(server.process.pid for server in cluster.servers), flush=True)
    sys.stdin.read()
"""


def is_running(pid: int) -> bool:
    """Whether there is such a process. What is dead and not waited for counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pids: list[int]) -> None:
    for pid in pids:
        try:
            ended = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        with open(ended, "rb", closefd=True):
            select.select([ended], [], [], 20)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_no_server_outlives_who_is_killed(tmp_path, number):
    arguments = [sys.executable, "-c", STARTS, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        pids = [int(each) for each in process.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(is_running, pids))
        process.send_signal(number)
        process.wait(20)
    wait_for_end(pids)
    assert [pid for pid in pids if is_running(pid)] == []


def test_what_was_started_ends_if_another_one_does_not_start(tmp_path, monkeypatch):
    started = []
    start = Server.start

    def fails_at_last(server: Server) -> None:
        if len(started) == 2:
            raise OSError("no more processes")
        start(server)
        started.append(server.process.pid)

    monkeypatch.setattr(Server, "start", fails_at_last)
    with pytest.raises(OSError, match="no more processes"), Cluster(tmp_path):
        pass
    assert [pid for pid in started if is_running(pid)] == []
