"""Runs cells in a real kernel: reads a list of them as JSON, and writes what each has put out.

    python tests/session/kernel.py < cells.json > outputs.json

A cell that prints "interrupt" is interrupted. It is a process of its own, for the client has
threads and loops.
"""

from __future__ import annotations

import json
import sys

from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec

SECONDS = 120
START = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def run(cells):
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(argv=START, display_name="Python", language="python")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        return [run_cell(manager, client, cell) for cell in cells]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def run_cell(manager, client, cell):
    done = {"text": "", "error": "", "html": []}

    def take(message):
        content = message["content"]
        if message["msg_type"] == "stream":
            done["text"] += content["text"]
            if "interrupt" in content["text"]:
                manager.interrupt_kernel()
        elif message["msg_type"] == "error":
            done["error"] = content["ename"]
        elif message["msg_type"] in ("display_data", "execute_result"):
            done["html"] += filter(None, [content["data"].get("text/html")])

    client.execute_interactive(cell, output_hook=take, allow_stdin=False, timeout=SECONDS)
    return done


json.dump(run(json.load(sys.stdin)), sys.stdout)
