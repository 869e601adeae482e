"""Requests and responses as ASGI has them, and clients that go away."""

from __future__ import annotations

import anyio
import pytest

from tests.web.asking import scope_of
from tracetools.web.messages import (
    JSON,
    Response,
    goes_within,
    in_thread_shielded,
    request_of,
    respond,
)


@pytest.mark.parametrize(
    ("path", "root", "found"),
    [
        ("/tasks", "", "/tasks"),
        ("/a/tasks", "/a", "/tasks"),
        ("/a", "/a", ""),
        ("/a/", "/a", "/"),
        ("/ab", "/a", "/ab"),
        ("", "", ""),
    ],
)
def test_the_path_is_below_the_mount(path, root, found):
    assert request_of(scope_of(path, root=root)).path == found


def test_headers_are_found_by_small_letters_and_the_first_counts():
    scope = scope_of("/")
    scope["headers"] = [(b"Accept", b"text/html"), (b"ACCEPT", b"text/plain"), (b"x", b"\xff")]
    request = request_of(scope)
    assert request.headers == {"accept": "text/html", "x": "\xff"}
    assert request.accepts("text/html")
    assert not request.accepts(JSON)


def test_a_body_is_sent_in_pieces(run):
    sent = []

    async def send(message):
        sent.append(message)

    run(respond(send, request_of(scope_of("/")), Response(b"x" * 200_000, "image/png")))
    start, *pieces = sent
    assert start["status"] == 200
    assert b"".join(piece["body"] for piece in pieces) == b"x" * 200_000
    assert [piece["more_body"] for piece in pieces] == [True, True, True, False]


def script(*messages):
    left = list(messages)

    async def receive():
        return {"type": "http.disconnect"} if not left else left.pop(0)

    return receive


def test_a_client_that_goes_away_is_noticed_at_once(run):
    part = {"type": "http.request", "body": b"x", "more_body": True}
    last = {"type": "http.request", "body": b""}
    assert run(goes_within(script(part, part, last), 60)) is True


def test_a_client_that_stays_is_waited_for(run):
    async def stays():
        await anyio.sleep_forever()

    assert run(goes_within(stays, 0.01)) is False


def test_a_server_that_says_the_same_for_ever_does_not_keep_the_loop_busy(run):
    count = []

    async def repeats():
        count.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    assert run(goes_within(repeats, 0.01)) is False
    assert len(count) == 2


def test_work_in_a_thread_is_done_although_it_is_cancelled(run):
    async def main():
        with anyio.CancelScope() as scope:
            scope.cancel()
            assert await in_thread_shielded(lambda: 7) == 7
        return True

    assert run(main())
