"""Writes down what happens in a process of a foreign suite, for `run.py` to read.

No pytest and no trio here: it is imported at the start of subprocesses too. Each process has a file
of its own in the folder of the settings, with one JSON value on a line.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

settings: dict[str, Any] = json.loads(os.environ.get("TRACETOOLS_FOREIGN", "{}"))


def say(kind: str, text: str, count: int = 1) -> None:
    """Write down what happened, at once: the process may be killed.

    Args:
        kind: ``run`` for runs that were recorded, ``complaint`` for what is wrong, ``refused`` for
            a test that could not be recorded.
        text: what there is to say of it.
        count: how many there were.
    """
    where = os.environ.get("PYTEST_CURRENT_TEST", "")
    line = json.dumps({"kind": kind, "text": text, "count": count, "test": where}) + "\n"
    # The descriptor and no file object: nothing that a suite may have replaced, or counts.
    name = Path(settings["folder"], f"{os.getpid()}.jsonl")
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def listen() -> None:
    """Write down the errors that our own logger reports."""
    logging.getLogger("tracetools").addFilter(_note_error)


def _note_error(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    if message.startswith(("the loop is blocked", "the loop was blocked", "no loop could run")):
        return False  # as it may, on a busy machine; a suite that reads logs must not
    if record.levelno >= logging.WARNING:
        say("complaint", f"tracetools: {message} {record.exc_info}")
    return True
