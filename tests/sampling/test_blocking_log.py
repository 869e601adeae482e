"""What is logged of steps that block a loop."""

from __future__ import annotations

import logging
import os
from functools import partial

import pytest

from tests.notebooks import FILE, Notebook, keep_lines
from tests.sampling.world import MILLISECOND
from tracetools.core.stacks import Frame
from tracetools.sampling import blocking_log


def test_few_lines_are_logged_and_the_next_one_counts_the_others(blocking, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(blocking_log, "perf_counter_ns", lambda: now)
    for name in "abc":
        blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name=name)
        blocking.sample()
    assert caplog.messages == ["the loop was blocked for 0.200 s by a"]
    now += 1_000 * MILLISECOND
    blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name="a")
    blocking.sample()
    assert len(caplog.messages) == 1
    blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND), name="d")
    blocking.sample()
    assert caplog.messages[1:] == [
        "the loop was blocked for 0.200 s by d (3 more such steps were not logged)"
    ]


def test_each_step_is_logged_once_however_often_it_is_sampled(blocking, caplog, monkeypatch):
    now = 0
    monkeypatch.setattr(blocking_log, "perf_counter_ns", lambda: now)

    def body():
        blocking.loop.tick(200 * MILLISECOND)
        for _ in range(5):
            blocking.sample()

    for _ in range(3):
        blocking.step(body, name="a")
    now += 60_000 * MILLISECOND
    blocking.step(body, name="b")
    location = (
        f"tests/sampling/test_blocking_log.py:{body.__code__.co_firstlineno + 3}: blocking.sample()"
    )
    assert [message.partition(" by ")[2] for message in caplog.messages] == [
        f"a at {location}",
        f"b at {location} (2 more such steps were not logged)",
    ]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_log_handler_that_raises_ends_no_sampling(blocking, error):
    class Raises(logging.Handler):
        def emit(self, record):
            heard.append(record)
            raise error

    heard = []
    handler = Raises()
    logging.getLogger("tracetools").addHandler(handler)
    try:
        blocking.step(partial(blocking.loop.tick, 200 * MILLISECOND))
        blocking.sample()
    finally:
        logging.getLogger("tracetools").removeHandler(handler)
    assert len(heard) == 1
    assert not blocking.loop.recorder.stopped


@pytest.mark.parametrize("name", ["/dev/stdin", "nowhere.py", "", "<string>"])
def test_a_line_that_cannot_be_read_is_logged_by_its_location(blocking, caplog, name):
    space = {"sample": blocking.sample, "tick": blocking.loop.tick}
    exec(compile("def body():\n tick(200_000_000)\n sample()", name, "exec"), space)  # noqa: S102
    blocking.step(space["body"])
    assert len(caplog.messages) == 1
    assert not blocking.loop.recorder.stopped


@pytest.mark.parametrize(
    "name", ["\ud800.py", "\0", "/dev/stdin", os.devnull, os.curdir, "nowhere"]
)
def test_the_text_of_a_line_is_nothing_where_there_is_none(name):
    assert blocking_log._text_of(name, 1) == ""


def test_the_text_of_a_line_is_read_from_its_file(tmp_path):
    file = tmp_path / "source.py"
    file.write_bytes(b"first\n  second \xff\n")
    assert blocking_log._text_of(str(file), 1) == "first"
    assert blocking_log._text_of(str(file), 2) == "second \ufffd"
    assert blocking_log._text_of(str(file), 3) == ""
    assert blocking_log._text_of(str(file), 0) == ""


def test_the_text_of_a_line_of_a_notebook_cell_is_what_python_keeps(monkeypatch):
    keep_lines(monkeypatch, "first\n  second\n", FILE)
    assert [blocking_log._text_of(FILE, line) for line in range(4)] == ["", "first", "second", ""]


def test_a_step_of_a_cell_is_logged_by_the_cell(blocking, caplog, monkeypatch):
    Notebook(monkeypatch).run("1")
    cell = Frame("<module>", FILE, 1)
    loop = blocking.loop.loop
    task = loop.spawn(loop.tree.root, cell, loop.clock())
    task.begin_step(loop.clock())
    blocking.loop.tick(200 * MILLISECOND)
    loop.exit(task, loop.clock())
    blocking.sample()
    assert caplog.messages == ["the loop was blocked for 0.200 s by cell"]
