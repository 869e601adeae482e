"""Real servers, and what really scrapes them: Prometheus, and Go's pprof."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

import tracetools
from tests.output.formats.test_consumers import needed
from tests.ports import free_port
from tests.web.asking import TOKEN, basic

APP = f"""
import contextlib, os, sys
import anyio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
import tracetools
from tracetools.recording.current import recorders

async def work(request):
    await anyio.sleep(0.001)
    sum(range(10_000))
    return PlainTextResponse("done")

async def count(request):
    return PlainTextResponse(str(len(recorders)))

app = Starlette(routes=[
    Route("/work", work),
    Route("/count", count),
    Mount("/tracetools", tracetools.web_app({TOKEN!r})),
])
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(tracetools.__file__).parent.parent)}
ASKS = (
    "GET /tracetools/report?seconds=60 HTTP/1.1\r\nHost: x\r\n"
    f"Authorization: Bearer {TOKEN}\r\n\r\n"
).encode()
SERVERS = {
    "uvicorn on asyncio": ("uvicorn", "--loop", "asyncio", "--port", "{port}", "app:app"),
    "uvicorn on uvloop": ("uvicorn", "--loop", "uvloop", "--port", "{port}", "app:app"),
    "hypercorn on trio": ("hypercorn", "-k", "trio", "-b", "127.0.0.1:{port}", "app:app"),
}


class Served:
    """A server that runs."""

    def __init__(self, port):
        self.port = port

    def get(self, path, headers=None, timeout=60):
        address = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(  # ours
            address, headers=basic(TOKEN) if headers is None else headers
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
                return answer.read()
        except urllib.error.HTTPError as refused:
            refused.close()  # with its body, which may be a file
            raise

    def refused(self, path, **how):
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.get(path, **how)
        return refused.value.code, refused.value.headers

    def records(self):
        return self.get("/count") != b"0"


@contextlib.contextmanager
def served(folder, server):
    (folder / "app.py").write_text(APP)
    port = free_port()
    command = [each.format(port=port) for each in SERVERS[server]]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        here = Served(port)
        wait_for(lambda: here.get("/work") == b"done", process)
        yield here
    finally:
        process.terminate()
        process.wait(30)
        log = (folder / "log").read_text()
    assert "Traceback" not in log
    assert TOKEN not in log


def wait_for(condition, process=None, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        assert process is None or process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("server", SERVERS)
def test_servers_answer_and_a_client_that_goes_away_ends_its_recording(tmp_path, server):
    with served(tmp_path, server) as here:
        assert b"Flame graph" in here.get("/tracetools/")
        assert b"web_app" in here.get("/tracetools/profile?seconds=0.1&format=folded")
        assert not here.records()
        with socket.create_connection(("127.0.0.1", here.port)) as client:
            client.sendall(ASKS)
            wait_for(here.records)
            status, headers = here.refused("/tracetools/report?seconds=1")
            assert status == 429
            assert int(headers["retry-after"]) > 50
        wait_for(lambda: not here.records())
        assert here.refused("/tracetools/metrics", headers={})[0] == 401


def test_go_reads_what_it_fetches(tmp_path):
    go = needed(shutil.which("go"), "go")
    with served(tmp_path, "uvicorn on asyncio") as here:
        address = f"http://x:{TOKEN}@127.0.0.1:{here.port}/tracetools/debug/pprof/profile?seconds=1"
        done = subprocess.run(
            [go, "tool", "pprof", "-top", "-nodecount=50", "-sample_index=idle", address],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            env=ENVIRONMENT | {"PPROF_TMPDIR": str(tmp_path / "pprof"), "HOME": str(tmp_path)},
        )
    assert "Type: idle" in done.stdout
    assert "tracetools.web_app" in done.stdout


def test_prometheus_scrapes_and_answers_queries(tmp_path):
    prometheus = needed(shutil.which("prometheus"), "Debian's prometheus")
    with served(tmp_path, "uvicorn on uvloop") as here:
        for _ in range(20):
            here.get("/work")
        here.get("/tracetools/metrics")
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "prometheus.yml").write_text(
            f"""
scrape_configs:
  - job_name: shop
    scrape_interval: 1s
    metrics_path: /tracetools/metrics
    authorization: {{credentials_file: token}}
    static_configs: [{{targets: ["127.0.0.1:{here.port}"]}}]
"""
        )
        port = free_port()
        process = subprocess.Popen(
            [
                prometheus,
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            there = Served(port)

            def ask(query):
                here.get("/work")
                found = json.loads(there.get(f"/api/v1/query?query={query}", headers={}))
                return found["data"]["result"]

            name = "tracetools_span_duration_seconds_count"
            [series] = wait_for(lambda: ask(name + "%7Bspan%3D%22GET%20/work%22%7D"), process)
            assert series["metric"]["location"] == "app.py:10"
            assert int(series["value"][1]) > 0
            assert wait_for(lambda: ask("tracetools_loop_utilization_ratio"), process)
            assert wait_for(lambda: ask("tracetools_ready_tasks_count"), process)
            [up] = ask("up")
            assert up["value"][1] == "1"
        finally:
            process.terminate()
            process.wait(30)
