"""Routes of Starlette have spans, by their templates."""

from __future__ import annotations

import contextvars
import inspect
import sys
import traceback

import anyio
import pytest
import starlette.routing
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from tests.libraries.apps import client_of, connect, get, here
from tracetools import record, span
from tracetools.testing import FakeClock


async def report(request):
    with span("work"):
        await anyio.lowlevel.checkpoint()
    return PlainTextResponse("report")


def in_thread(request):
    return PlainTextResponse("thread")


class Endpoint(HTTPEndpoint):
    async def get(self, request):
        return PlainTextResponse("get")

    async def post(self, request):
        return PlainTextResponse("post")


class Echo(WebSocketEndpoint):
    encoding = "text"

    async def on_receive(self, websocket, data):
        with span("echo"):
            await websocket.send_text(data)


async def chat(websocket):
    await websocket.accept()
    await websocket.send_text(websocket.path_params["room"])
    await websocket.close()


APP = Starlette(
    routes=[
        Route("/report/{year:int}", report),
        Route("/thread", in_thread),
        Route("/class/{item}", Endpoint),
        WebSocketRoute("/chat/{room}", chat),
        WebSocketRoute("/echo", Echo),
        Mount("/tenants/{tenant}", routes=[Mount("/sub", routes=[Route("/{item}", report)])]),
        Mount("/files", StaticFiles(directory=".", check_dir=False)),
    ]
)


def test_a_route_is_a_span_by_its_template_at_the_line_of_its_endpoint(recorded):
    found = recorded(get, APP, "/report/2024", "/report/2025")
    name = "GET /report/{year:int}"
    assert found.entries() == {name: 2, f"{name};work": 2}
    assert found.line(name) == here(report)


def test_the_task_of_a_request_stands_in_the_span_while_a_thread_works(recorded):
    found = recorded(get, APP, "/thread")
    assert found.entries() == {"GET /thread": 1, "GET /thread;in_thread": 1}
    assert found.line("in_thread") == found.line("GET /thread") == here(in_thread)


def test_an_endpoint_that_is_a_class_has_the_line_of_the_method(recorded):
    found = recorded(get, APP, "/class/1")
    assert found.line("GET /class/{item}") == here(Endpoint.get)
    found = recorded(lambda: get(APP, "/class/1", method="POST"))
    assert found.line("POST /class/{item}") == here(Endpoint.post)


def test_a_mounted_app_has_the_whole_template(recorded):
    found = recorded(get, APP, "/tenants/7/sub/x", "/tenants/8/sub/y")
    assert set(found.entries()) == {
        "GET /tenants/{tenant}/sub/{item}",
        "GET /tenants/{tenant}/sub/{item};work",
    }


def test_a_mounted_app_without_routes_is_a_span(recorded):
    async def main():
        assert await get(APP, "/files/nothing", "/files/never") == [404, 404]

    found = recorded(main)
    assert found.entries()["GET /files/{path}"] == 2


def test_websockets_have_spans(recorded):
    async def main():
        assert {"type": "websocket.send", "text": "7"} in await connect(APP, "/chat/7")
        await connect(APP, "/echo", "a", "b")

    found = recorded(main)
    names = {"WebSocket /chat/{room}": 1, "WebSocket /echo": 1, "WebSocket /echo;echo": 2}
    assert found.entries() == names
    assert found.line("WebSocket /echo") == here(Echo.on_receive)


@pytest.mark.parametrize("path", ["/nothing", "/tenants/7/nothing", "/tenants/7/sub/"])
def test_a_path_that_no_route_has_makes_no_name(recorded, path):
    async def main():
        assert await get(APP, path) in ([404], [307])

    assert recorded(main).entries() == {}


@pytest.mark.parametrize(
    ("method", "name"),
    [("HEAD", "HEAD"), ("DELETE", "DELETE"), ("X-1", "HTTP"), ("X-2", "HTTP")],
)
def test_clients_make_no_names_of_methods(recorded, method, name):
    found = recorded(lambda: get(APP, "/class/1", method=method))
    assert found.entries() == {f"{name} /class/{{item}}": 1}


def test_the_request_of_another_app_has_its_own_template(recorded):
    inner = Starlette(routes=[Mount("/m", routes=[Route("/inner", in_thread_not)])])

    async def outer(request):
        assert await get(inner, "/m/inner") == [200]
        return PlainTextResponse("outer")

    app = Starlette(routes=[Mount("/m", routes=[Route("/outer", outer)])])
    assert recorded(get, app, "/m/outer").entries() == {
        "GET /m/outer": 1,
        "GET /m/outer;GET /m/inner": 1,
    }


async def in_thread_not(request):
    return PlainTextResponse("x")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # streams of older versions of Starlette
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_mounted_app_within_middleware_has_the_whole_template(recorded):
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            return await call_next(request)

    inner = Router([Route("/{item}", in_thread_not)])
    app = Starlette(
        routes=[Mount("/m", app=inner, middleware=[Middleware(Passing)])],
        middleware=[Middleware(Passing)],
    )
    names = {name.rpartition(";")[2] for name in recorded(get, app, "/m/1").entries()}
    assert "GET /m/{item}" in names
    assert not any("/{path}" in name for name in names)


def test_a_host_adds_nothing_to_a_template(recorded):
    app = Starlette(routes=[Host("test", Router([Route("/x/{y}", in_thread_not)]))])
    assert recorded(get, app, "/x/1").entries() == {"GET /x/{y}": 1}


def test_background_tasks_and_streams_are_in_the_span(recorded):
    async def background():
        with span("background"):
            await anyio.lowlevel.checkpoint()

    async def parts():
        for _ in range(2):
            with span("part"):
                part = b"x"
            yield part

    async def stream(request):
        return StreamingResponse(parts(), background=BackgroundTask(background))

    found = recorded(get, Starlette(routes=[Route("/s", stream)]), "/s").entries()
    assert found["GET /s;background"] == 1
    parts_found = {name: n for name, n in found.items() if name.endswith("part")}
    assert list(parts_found.values()) == [2]
    assert all(name.startswith("GET /s;") for name in parts_found)


def test_a_route_that_calls_the_handle_of_its_base_is_one_span(recorded):
    class Own(Route):
        async def handle(self, scope, receive, send):
            await super().handle(scope, receive, send)

    app = Starlette(routes=[Own("/own", in_thread_not)])
    assert recorded(get, app, "/own").entries() == {"GET /own": 1}


def test_errors_pass_through_without_frames_of_ours(recorded):
    caught = []

    async def fail(request):
        raise ValueError("wrong")

    class Catching:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            try:
                await self.app(scope, receive, send)
            except ValueError as error:
                caught.append([f.filename for f in traceback.extract_tb(error.__traceback__)])
                raise

    app = Router([Mount("/m", app=Router([Route("/f", fail)]))], middleware=[Middleware(Catching)])
    recorded(get, app, "/m/f")
    [files] = caught
    assert sys.version_info < (3, 11) or not any("tracetools/libraries" in file for file in files)


def test_what_the_program_sees_stays_the_same(recorded):
    seen = []

    async def endpoint(request):
        route = next(iter(app.routes))
        seen.append(route.endpoint is endpoint)
        seen.append(request.scope["endpoint"] is endpoint)
        seen.append(not any("tracetools" in str(key) for key in request.scope))
        seen.append(not any("tracetools/libraries" in frame.filename for frame in inspect.stack()))
        return PlainTextResponse("x")

    app = Starlette(routes=[Route("/x", endpoint)])
    recorded(get, app, "/x")
    assert seen == [True] * 4


def test_context_variables_are_as_before_a_mount(recorded):
    async def main():
        before = dict(contextvars.copy_context().items())
        await get(APP, "/tenants/7/sub/x")
        assert dict(contextvars.copy_context().items()) == before

    recorded(main)


def test_after_the_recording_all_is_as_before(recorded):
    before = {
        kind: vars(kind)["handle"]
        for kind in (Route, WebSocketRoute, Mount, starlette.routing.BaseRoute)
    }
    during = []

    async def main():
        during.append(Route.handle is not before[Route])
        await get(APP, "/report/1")

    recorded(main)
    assert during == [True]
    assert {kind: vars(kind)["handle"] for kind in before} == before


def test_without_integrations_there_are_no_spans(recorded):
    found = recorded(get, APP, "/report/2024", integrations=False)
    assert found.entries() == {"work": 1}


def test_two_recordings_have_each_span_once(backend):
    with record(await_stacks=False) as one, record(await_stacks=False) as other:
        anyio.run(get, APP, "/report/2024", backend=backend)
    for recording in (one, other):
        recording.profile.check()
        [times] = [
            times
            for path, times in recording.profile.stacks.items()
            if path[-1].name == "GET /report/{year:int}"
        ]
        assert times.entries == 1


@pytest.mark.parametrize("is_first", [True, False])
def test_a_recording_without_integrations_has_no_spans_of_another(backend, is_first):
    options = {"await_stacks": False, "clock": FakeClock()}
    with (
        record(**options, integrations=is_first) as one,
        record(**options, integrations=not is_first) as other,
    ):
        anyio.run(get, APP, "/report/2024", "/thread", backend=backend)
    with_spans, without = (one, other) if is_first else (other, one)
    for recording in (one, other):
        recording.profile.check()
    names = {path[-1].name for path in with_spans.profile.stacks}
    plain = {path[-1].name for path in without.profile.stacks}
    assert names - plain == {"GET /report/{year:int}", "GET /thread"}
    assert "work" in plain


def test_a_recording_that_begins_in_a_request_is_no_error(backend):
    profiles = []

    async def late(request):
        async with record(await_stacks=False) as recording:
            await get(APP, "/report/2024")
        profiles.append(recording.profile)
        return PlainTextResponse("late")

    async def main():
        app = Starlette(routes=[Route("/late", late)])
        assert await get(app, "/late") == [200]

    anyio.run(main, backend=backend)
    [profile] = profiles
    profile.check()
    assert "GET /report/{year:int}" in {path[-1].name for path in profile.stacks}


def test_a_recording_that_ends_in_a_request_is_no_error(backend):
    recording = record(await_stacks=False)

    async def ends(request):
        await recording.__aexit__(None, None, None)
        return PlainTextResponse("over")

    async def main():
        app = Starlette(routes=[Route("/ends", ends)])
        async with client_of(app) as client:
            await recording.__aenter__()
            assert (await client.get("/ends")).status_code == 200

    anyio.run(main, backend=backend)


def test_a_route_that_misbehaves_costs_its_span_alone(recorded, caplog):
    class Strange(Route):
        path_asked = 0

        @property
        def path(self):
            if self.__dict__.get("is_ready"):
                raise RuntimeError("no path")
            return "/strange"

        @path.setter
        def path(self, _):
            pass

    route = Strange("/strange", in_thread_not)
    route.is_ready = True
    app = Starlette(routes=[route])

    async def main():
        assert await get(app, "/strange", "/strange") == [200, 200]

    assert recorded(main).entries() == {}
    assert [r.getMessage() for r in caplog.records if r.name == "tracetools"] == [
        "starlette: a span cannot be named, so there is none: RuntimeError: no path"
    ]
