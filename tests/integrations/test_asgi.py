"""The middleware makes a span of each request, by its template or by a fixed name."""

from __future__ import annotations

import sys
import traceback

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from tests.libraries.apps import connect, get, here
from tracetools import span
from tracetools.integrations.asgi import TracetoolsMiddleware


async def report(request):
    with span("work"):
        return PlainTextResponse("report")


async def item(item: int):
    with span("work"):
        return {"item": item}


class Endpoint(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("get")


async def chat(websocket):
    await websocket.accept()
    await websocket.close()


ROUTES = [
    Route("/report/{year:int}", report),
    Route("/class", Endpoint),
    Mount("/sub/{tenant}", routes=[Route("/{item}", report)]),
    Mount("/files", StaticFiles(directory=".", check_dir=False)),
    WebSocketRoute("/chat/{room}", chat),
]


@pytest.fixture
def app():
    return Starlette(routes=ROUTES, middleware=[Middleware(TracetoolsMiddleware)])


@pytest.fixture
def names(recorded):
    def request(app, *paths, integrations=False, **options):
        async def main():
            await get(app, *paths, **options)

        return recorded(main, integrations=integrations)

    return request


def test_a_request_is_a_span_by_the_template_of_its_route(names, app):
    found = names(app, "/report/2024", "/report/2025")
    name = "GET /report/{year:int}"
    assert found.entries() == {name: 2, f"{name};work": 2}
    assert found.line(name) == here(report)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/sub/7/x", "GET /sub/{tenant}/{item}"),
        ("/class", "GET /class"),
        ("/files/x", "GET /files/{path}"),
        ("/nothing", "HTTP request"),
        ("/sub/7/x/y", "HTTP request"),
    ],
)
def test_templates_of_all_kinds_of_routes(names, app, path, name):
    found = names(app, path).entries()
    assert {stack.partition(";")[0] for stack in found} == {name}


def test_a_method_that_a_route_does_not_have_makes_no_name(names, app):
    assert names(app, "/class", method="X-1").entries() == {"HTTP /class": 1}


def test_websockets_have_spans(recorded, app):
    found = recorded(connect, app, "/chat/7", integrations=False)
    assert found.entries() == {"WebSocket /chat/{room}": 1}


def test_routers_that_fastapi_includes_have_their_templates(names):
    router, app = APIRouter(prefix="/api"), FastAPI()
    router.get("/item/{item}")(item)
    app.include_router(router, prefix="/v1")
    app.add_middleware(TracetoolsMiddleware)
    name = "GET /v1/api/item/{item}"
    assert names(app, "/v1/api/item/3").entries() == {name: 1, f"{name};work": 1}


def test_what_has_no_routes_has_a_fixed_name(names):
    async def app(scope, receive, send):
        with span(scope["type"]):
            await PlainTextResponse("x")(scope, receive, send)

    found = names(TracetoolsMiddleware(app), "/a", "/b")
    assert found.entries() == {"HTTP request": 2, "HTTP request;http": 2}


def test_a_route_that_the_scope_tells_is_the_name(recorded):
    async def app(scope, receive, send): ...

    async def main():
        scope = {"type": "http", "method": "GET", "path": "/x/1", "route": Route("/x/{y}", report)}
        await TracetoolsMiddleware(app)(scope, None, None)

    found = recorded(main, integrations=False)
    assert found.entries() == {"GET /x/{y}": 1}
    assert found.line("GET /x/{y}") == here(report)


def test_together_with_spans_of_routes_there_is_one(names, app):
    found = names(app, "/report/1", integrations=True)
    name = "GET /report/{year:int}"
    assert found.entries() == {name: 1, f"{name};work": 1}


def test_lifespans_have_no_span(recorded):
    async def app(scope, receive, send):
        with span("lifespan"):
            pass

    async def main():
        await TracetoolsMiddleware(app)({"type": "lifespan"}, None, None)

    assert recorded(main).entries() == {"lifespan": 1}


def test_routes_that_misbehave_cost_the_span_alone(names, caplog):
    class Strange(Route):
        def matches(self, scope):
            if "app" in scope and self.asked:
                raise LookupError("no match")
            return super().matches(scope)

        asked = True

    class Calm:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            strange.asked = False
            await self.app(scope, receive, send)

    strange = Strange("/x", report)
    middleware = [Middleware(TracetoolsMiddleware), Middleware(Calm)]
    found = names(Starlette(routes=[strange], middleware=middleware), "/x")
    assert found.entries() == {"work": 1}
    [note] = [record for record in caplog.records if record.name == "tracetools"]
    assert note.getMessage().endswith("LookupError: no match")


def test_errors_pass_through_without_frames_of_ours(recorded):
    async def app(scope, receive, send):
        raise ValueError("wrong")

    async def main():
        with pytest.raises(ValueError, match="wrong") as caught:
            await TracetoolsMiddleware(app)({"type": "http"}, None, None)
        files = [f.filename for f in traceback.extract_tb(caught.value.__traceback__)]
        assert sys.version_info < (3, 11) or not any("tracetools/integr" in file for file in files)

    assert recorded(main, integrations=False).entries() == {"HTTP request": 1}


def test_without_a_recording_requests_are_handled():
    import anyio

    app = Starlette(routes=ROUTES, middleware=[Middleware(TracetoolsMiddleware)])
    assert anyio.run(get, app, "/report/1") == [200]
