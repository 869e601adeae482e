"""Routes of Quart and of Quart-Trio have spans, by their rules."""

from __future__ import annotations

import anyio
import pytest
import quart
from quart import Blueprint, Quart
from quart.views import MethodView

from tests.libraries.apps import here
from tracetools import span


async def report(year):
    with span("work"):
        await anyio.lowlevel.checkpoint()
    return {"year": year}


def quart_of(backend):
    if backend == "asyncio":
        return Quart
    from quart_trio import QuartTrio  # it needs a newer trio than we do

    return QuartTrio


def in_thread():
    return "thread"


class View(MethodView):
    async def get(self):
        return "get"


async def stream():
    async def parts():
        for _ in range(2):
            with span("part"):
                part = b"x"
            yield part

    return parts(), 200


async def chat(room):
    with span("chat"):
        await quart.websocket.send(room)


@pytest.fixture
def app(backend):
    app = quart_of(backend)(__name__)
    blueprint = Blueprint("api", __name__, url_prefix="/api")
    blueprint.add_url_rule("/report/<int:year>", view_func=report)
    app.register_blueprint(blueprint)
    app.add_url_rule("/thread", view_func=in_thread)
    app.add_url_rule("/view", view_func=View.as_view("view"))
    app.add_url_rule("/stream", view_func=stream)
    app.add_websocket("/chat/<room>", view_func=chat)
    return app


@pytest.fixture
def names(recorded, app):
    """Return what makes requests, and returns how often each span was entered."""

    def request(*requests):
        async def main():
            for method, path in requests:
                response = await app.test_client().open(path, method=method)
                await response.get_data()

        return below(recorded(main))

    return request


def below(found):
    """Return what is below the task that handles a request or websocket."""
    entries = {}
    for stack, n in found.entries().items():
        head, _, rest = stack.partition("handle_request;")
        rest = rest or head.partition("handle_websocket;")[2]
        if rest:
            entries[rest] = n
    return found, entries


def test_a_route_is_a_span_by_its_rule_at_the_line_of_its_function(names):
    found, entries = names(("GET", "/api/report/1"), ("GET", "/api/report/2"))
    name = "GET /api/report/<int:year>"
    assert entries == {name: 2, f"{name};work": 2}
    assert found.line(name) == here(report)


def test_a_function_in_a_thread_stands_below_the_span(names):
    found, entries = names(("GET", "/thread"))
    assert entries.pop("GET /thread") == 1
    assert [(name.partition(";")[0], n) for name, n in entries.items()] == [("GET /thread", 1)]
    assert found.line("GET /thread") == here(in_thread)


def test_a_view_that_is_a_class_has_a_span(names):
    _, entries = names(("GET", "/view"))
    assert entries == {"GET /view": 1}


def test_streams_are_in_the_span(names):
    _, entries = names(("GET", "/stream"))
    assert entries.pop("GET /stream") == 1
    [(name, n)] = entries.items()
    assert (name.partition(";")[0], name.rpartition(";")[2], n) == ("GET /stream", "part", 2)


def test_clients_make_no_names(names):
    _, entries = names(("GET", "/nothing"), ("DELETE", "/thread"), ("X-1", "/thread"))
    assert entries == {}


def test_websockets_have_spans(recorded, app):
    async def main():
        async with app.test_client().websocket("/chat/7") as websocket:
            assert await websocket.receive() == "7"

    found, entries = below(recorded(main))
    name = "WebSocket /chat/<room>"
    assert entries == {name: 1, f"{name};chat": 1}
    assert found.line(name) == here(chat)


def test_after_the_recording_all_is_as_before(names, app):
    kind = type(app)
    before = kind.handle_request, kind.full_dispatch_request, kind.full_dispatch_websocket
    names(("GET", "/thread"))
    assert before == (
        kind.handle_request,
        kind.full_dispatch_request,
        kind.full_dispatch_websocket,
    )
