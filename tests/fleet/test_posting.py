"""HTTP requests that are bounded, whatever the server does."""

from __future__ import annotations

import threading

import pytest

from tests.fleet.servers import free_port, stub_server
from tracetools.fleet.engine import EngineRefusesError, EngineUnavailableError
from tracetools.fleet.posting import Answer, Server, seconds_to_wait


def test_what_is_sent_arrives_and_the_answer_comes_back():
    with stub_server((201, {"Content-Type": "text/plain", "Retry-After": "7"}, b"hi")) as stub:
        server = Server(stub.url + "/base/")
        answer = server.post("/x", b"body", {"A": "b"})
    assert answer == Answer(201, b"hi", "text/plain", 7.0)
    [request] = stub.requests
    assert (request.path, request.body, request.headers["A"]) == ("/base/x", b"body", "b")


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://a:99999", "http://a/?x=1", "a"])
def test_a_url_that_makes_no_sense_is_refused(url):
    with pytest.raises(EngineRefusesError, match=r"sense|no URL"):
        Server(url)


def test_a_password_in_a_url_is_refused_and_not_repeated():
    with pytest.raises(EngineRefusesError, match="environment") as caught:
        Server("http://me:hunter2@127.0.0.1")
    assert "hunter2" not in str(caught.value)


def test_nobody_listens():
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        Server(f"http://127.0.0.1:{free_port()}").post("/", b"", {})


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"\0" * 70_000,
    ],
)
def test_a_server_that_speaks_something_else(rubbish):
    with (
        stub_server(lambda connection: connection.sendall(rubbish)) as stub,
        pytest.raises(EngineUnavailableError, match="cannot be reached"),
    ):
        Server(stub.url).post("/", b"", {})


def test_a_server_that_goes_away_in_the_middle_of_its_answer():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with stub_server(lambda connection: connection.sendall(answer)) as stub:
        answered = Server(stub.url).post("/", b"", {})
    assert answered.body == b"half"  # whoever takes it sees that it makes no sense


def test_a_server_that_does_not_answer_in_time():
    over = threading.Event()
    with stub_server(lambda _: over.wait(10)) as stub:
        with pytest.raises(EngineUnavailableError, match=r"did not answer within 0\.05 s"):
            Server(stub.url, timeout=0.05).post("/", b"", {})
        over.set()


def test_of_a_long_answer_the_beginning_is_read():
    with stub_server((200, {}, b"x" * 1_000_000)) as stub:
        assert len(Server(stub.url).post("/", b"", {}).body) == 100_000


def test_a_reason_is_one_line_that_cannot_move_the_cursor():
    answer = Answer(400, "no \x1b[2J\n such ünit".encode() + b"x" * 1000)
    assert answer.text.startswith("no ?[2J such ünit")
    assert len(answer.text) == 200
    assert Answer(400, b"").text == "no reason given"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("5", 5.0),
        (" 0 ", 0.0),
        ("-1", None),
        ("soon", None),
        ("9" * 400, 999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:01 GMT", None),
    ],
)
def test_the_seconds_to_wait(text, seconds):
    assert seconds_to_wait(text, now=10.0) == seconds
