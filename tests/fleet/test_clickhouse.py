"""A server of ClickHouse that is not there, slow, full, or none: what is said, and what is kept.

With real servers: test_cluster.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fleet.simulated import Shop
from tests.ports import free_port
from tracetools.fleet.clickhouse import PASSWORD
from tracetools.fleet.clickhouse_sql import TYPES
from tracetools.fleet.engine import (
    EngineRefusesError,
    EngineUnavailableError,
    EngineUnusableError,
)
from tracetools.fleet.engines import open_engine
from tracetools.fleet.schema import TABLES
from tracetools.fleet.selection import Selection

BATCH = Shop(routes=1, below=1).minute("1", 0, 0)


def described(sql: str) -> str:
    [table] = [table for table in TABLES if table.name in sql]
    rows = [f'["{column.name}","{TYPES[column.kind]}"]' for column in table.columns]
    return f'{{"data":[{",".join(rows)}]}}'


class Stub:
    """A server that is as ClickHouse, but for what a test says."""

    def __init__(self, answers):
        self.answers = answers
        self.asked: list[tuple[str, dict, int]] = []

    def answer(self, path: str, headers, body: bytes) -> tuple[int, bytes]:
        query = {name: texts[-1] for name, texts in parse_qs(urlsplit(path).query).items()}
        sql = query.get("query", body.decode(errors="replace"))
        self.asked.append(
            (
                sql,
                {**query, "user": headers["X-ClickHouse-User"], "key": headers["X-ClickHouse-Key"]},
                len(body),
            )
        )
        for start, answer in self.answers.items():
            if sql.startswith(start):
                return answer
        if sql.startswith("SELECT version()"):
            return 200, b'{"data":[["26.9.2.1"]]}'
        if sql.startswith("DESCRIBE"):
            return 200, described(sql).encode()
        return 200, b'{"data":[]}' if sql.startswith("SELECT") else b""


@contextmanager
def serving(answers):
    stub = Stub(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, text = stub.answer(self.path, self.headers, body)
            if status:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"clickhouse://me@127.0.0.1:{server.server_port}/x", stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def error(code: int, text: str = "Something") -> tuple[int, bytes]:
    return 500, f"Code: {code}, e.displayText() = DB::Exception: {text} (version 18.16.1)".encode()


@pytest.mark.parametrize(
    ("answer", "raised", "said"),
    [
        (error(243, "No space left"), EngineUnavailableError, "No space left"),
        (error(252, "Too many parts"), EngineUnavailableError, "Too many parts"),
        (
            error(193),
            EngineUnusableError,
            f"the user or the password is wrong; it is in {PASSWORD}",
        ),
        (error(81), EngineUnusableError, "there is no such database: create it first"),
        (error(62, "Syntax error"), EngineUnusableError, "Syntax error"),
        (error(117, "Incorrect data"), EngineRefusesError, "Incorrect data"),
        (error(33, "Cannot read all data"), EngineUnavailableError, "Cannot read all data"),
        ((502, b"<html>Bad gateway"), EngineUnavailableError, "HTTP status 502"),
        ((302, b""), EngineUnavailableError, "HTTP status 302"),
        ((0, b""), EngineUnavailableError, "cannot be reached"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_server_says_against_a_batch_is_said(answer, raised, said):
    with serving({"INSERT INTO tracetools_batches": answer}) as (url, _):
        with pytest.raises(raised) as caught:
            open_engine(url).send([BATCH])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", [b"", b"Ok.\n", b"{", b"[]", b'{"data":1}', b'{"data":[1]}', b"\xff", b"[" * 9999]
)
def test_an_answer_that_is_rubbish_is_never_an_answer(text):
    with serving({"SELECT": (200, text)}) as (url, stub):
        for act in (
            lambda e: e.send([BATCH]),
            lambda e: e.known(),
            lambda e: e.profile(Selection("x")),
        ):
            with pytest.raises(EngineUnavailableError, match="answers what ClickHouse would not"):
                act(open_engine(url))
    assert not any(sql.startswith("INSERT") for sql, *_ in stub.asked)


OLD = "Code: 210, e.displayText() = DB::NetException: Connection refused (127.0.0.1:9)"
NEW = "Code: 210. DB::NetException: Connection refused (127.0.0.1:9). (version 26.9.2.1)\n"
TO_A_SHARD = ": Insertion status:\nWrote 1 blocks and 3 rows on shard 0 replica 1"


@pytest.mark.parametrize(
    "text",
    [f"{OLD}{TO_A_SHARD}, e.what() = DB::NetException", f"{OLD}, e.what() = DB::NetException", NEW],
    ids=["insert", "select", "new"],
)
def test_of_an_error_what_is_the_matter_is_said(text):
    with serving({"INSERT": (500, text.encode())}) as (url, _):
        with pytest.raises(EngineUnavailableError) as caught:
            open_engine(url).send([BATCH])
    said = str(caught.value).partition(": ")[2]
    assert said == "Connection refused (127.0.0.1:9) (error 210 of ClickHouse)"


def test_no_batch_is_to_blame_where_tables_cannot_be_made():
    answer = error(117, "Data directory for table already containing data parts")
    with serving({"CREATE": answer}) as (url, _):
        with pytest.raises(EngineUnusableError, match="already containing data parts"):
            open_engine(url).send([BATCH])


def test_a_server_that_is_too_old_is_refused():
    with serving({"SELECT version()": (200, b'{"data":[["1.1.54390"]]}')}) as (url, _):
        with pytest.raises(EngineUnusableError, match=r"18\.16 is the oldest"):
            open_engine(url).send([BATCH])


def test_tables_that_are_not_ours_are_refused_and_nothing_is_inserted():
    with serving({"DESCRIBE": (200, b'{"data":[["x","String"]]}')}) as (url, stub):
        with pytest.raises(EngineUnusableError, match="not ours, or of another version"):
            open_engine(url).send([BATCH])
    assert not any(sql.startswith("INSERT") for sql, *_ in stub.asked)


def test_tables_that_were_dropped_meanwhile_are_made_again():
    answers = {}
    with serving(answers) as (url, stub):
        engine = open_engine(url)
        engine.send([BATCH])
        answers["INSERT INTO tracetools_batches"] = error(60, "Table does not exist")
        with pytest.raises(EngineUnusableError, match="Table does not exist"):
            engine.send([BATCH])
        answers.clear()
        engine.send([BATCH])
    made = [sql for sql, *_ in stub.asked if sql.startswith("CREATE TABLE")]
    assert len(made) == 2 * (len(TABLES) + 1)  # and the list of what there is


def test_nobody_at_the_port_is_said():
    with pytest.raises(EngineUnavailableError, match="cannot be reached: Connection refused"):
        open_engine(f"clickhouse://127.0.0.1:{free_port()}/x").send([BATCH])


def test_a_server_that_does_not_answer_in_time_is_unavailable():
    waiting = threading.Event()

    class Slow(dict):
        def items(self):
            waiting.wait(30)
            return super().items()

    with serving(Slow()) as (url, _):
        with pytest.raises(EngineUnavailableError, match=r"did not answer in 0\.2 seconds"):
            open_engine(f"{url}?timeout=0.2").known()
        waiting.set()


def test_the_next_server_is_asked_where_one_is_down():
    with serving({}) as (url, stub):
        hosts = url.split("@")[1]
        open_engine(f"clickhouse://me@127.0.0.1:{free_port()},{hosts}").send([BATCH])
    assert sum(sql.startswith("INSERT") for sql, *_ in stub.asked) == 2


def test_the_password_comes_from_the_environment_and_is_in_no_message(monkeypatch):
    monkeypatch.setenv(PASSWORD, "geheim")
    with serving({"INSERT": error(193)}) as (url, stub):
        with pytest.raises(EngineUnusableError) as caught:
            open_engine(url).send([BATCH])
    assert {asked["key"] for _, asked, _ in stub.asked} == {"geheim"}
    assert {asked["user"] for _, asked, _ in stub.asked} == {"me"}
    assert "geheim" not in str(caught.value)


def test_stacks_go_before_the_batches_and_only_once_a_day():
    with serving({}) as (url, stub):
        engine = open_engine(url)
        engine.send([BATCH])
        engine.send([BATCH])
    inserted = [sql.split(" ")[2] for sql, *_ in stub.asked if sql.startswith("INSERT")]
    assert inserted == ["tracetools_stacks", "tracetools_batches", "tracetools_batches"]


def test_stacks_go_again_where_the_batches_were_not_taken():
    with serving({"INSERT INTO tracetools_batches": error(243)}) as (url, stub):
        engine = open_engine(url)
        for _ in range(2):
            with pytest.raises(EngineUnavailableError):
                engine.send([BATCH])
    assert sum("tracetools_stacks (" in sql for sql, *_ in stub.asked if "INSERT" in sql) == 2
