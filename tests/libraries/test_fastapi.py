"""Routes of FastAPI have spans by their templates, and its dependencies by their functions."""

from __future__ import annotations

import gc
import weakref
from typing import Annotated

import anyio
import fastapi.dependencies.utils as solving
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tests.libraries.apps import connect, get, here
from tracetools import record, span
from tracetools.testing import FakeClock


async def user():
    with span("finds user"):
        await anyio.lowlevel.checkpoint()
    return "user"


def settings():
    return {}


async def database(user: str = Depends(user)):
    with span("opens"):
        await anyio.lowlevel.checkpoint()
    yield "database"
    with span("closes"):
        await anyio.lowlevel.checkpoint()


def files():
    yield "files"


class Paging:
    def __init__(self, page: int = 1):
        self.page = page


class Allowed:
    async def __call__(self):
        return True


def check(value: str) -> str:
    with span("checks"):
        return value


router = APIRouter(prefix="/api")


@router.get("/report/{year}")
async def report(
    year: int,
    tasks: BackgroundTasks,
    user: str = Depends(user),
    settings: dict = Depends(settings),
    database: str = Depends(database),
    files: str = Depends(files),
    paging: Paging = Depends(),
    allowed: bool = Depends(Allowed()),
):
    with span("work"):
        tasks.add_task(background)
    return {"year": year, "page": paging.page}


async def background():
    with span("background"):
        pass


@router.get("/thread")
def in_thread():
    return {}


@router.websocket("/chat/{room}")
async def chat(websocket: WebSocket, room: str, user: str = Depends(user)):
    await websocket.accept()
    await websocket.close()


async def plain(request):
    return PlainTextResponse("x")


@pytest.fixture
def app():
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    app.mount("/sub", Starlette(routes=[Route("/items/{item}", plain)]))
    inner = FastAPI()
    inner.include_router(router)
    app.mount("/inner/{tenant}", inner)
    return app


def test_a_route_of_an_included_router_has_its_whole_template(recorded, app):
    found = recorded(get, app, "/v1/api/report/2024")
    name = "GET /v1/api/report/{year}"
    assert found.line(name) == here(report)
    below = {stack.removeprefix(f"{name};"): n for stack, n in found.entries().items()}
    assert below == {
        name: 1,
        "user": 1,
        "user;finds user": 1,
        "settings": 2,  # the task's and the thread's
        "database": 2,
        "database;opens": 1,
        "database;closes": 1,
        "files": 2,
        "files;_GeneratorContextManager.__enter__": 1,
        "files;_GeneratorContextManager.__exit__": 1,
        "Paging": 1,
        "Paging;Paging": 1,
        "Allowed.__call__": 1,
        "work": 1,
        "background": 1,
    }
    assert found.line("user") == here(user)
    assert found.line("database") == here(database)
    assert found.line("Allowed.__call__") == here(Allowed.__call__)


def test_a_def_endpoint_stands_in_the_task_while_a_thread_works(recorded, app):
    found = recorded(get, app, "/v1/api/thread")
    assert found.entries() == {
        "GET /v1/api/thread": 1,
        "GET /v1/api/thread;in_thread": 1,
    }


def test_mounted_apps_have_the_whole_template(recorded, app):
    found = recorded(get, app, "/sub/items/3", "/inner/7/api/thread").entries()
    assert {"GET /sub/items/{item}", "GET /inner/{tenant}/api/thread"} <= found.keys()


def test_websockets_have_spans_and_dependencies(recorded, app):
    found = recorded(connect, app, "/v1/api/chat/7").entries()
    assert found == {
        "WebSocket /v1/api/chat/{room}": 1,
        "WebSocket /v1/api/chat/{room};user": 1,
        "WebSocket /v1/api/chat/{room};user;finds user": 1,
    }


def test_what_no_route_has_makes_no_name(recorded, app):
    assert recorded(get, app, "/nothing", "/v1/api/report").entries() == {}


def test_a_path_that_is_not_valid_is_in_the_span_of_the_route(recorded, app):
    async def main():
        assert await get(app, "/v1/api/report/x") == [422]

    assert "GET /v1/api/report/{year}" in recorded(main).entries()


def test_a_dependency_that_is_replaced_has_the_name_of_the_other(recorded, app):
    async def other():
        return "other"

    app.dependency_overrides[user] = other
    found = recorded(get, app, "/v1/api/report/2024").entries()
    names = {stack.rpartition(";")[2] for stack in found}
    assert any(name.endswith("other") for name in names)
    assert "user" not in names


def test_errors_of_a_dependency_end_its_span(recorded):
    app = FastAPI()

    async def fails():
        raise ValueError("wrong")

    @app.get("/x")
    async def endpoint(value: str = Depends(fails)): ...

    async def main():
        with span("around"):
            assert await get(app, "/x") == [500]
        with span("after"):
            pass

    found = recorded(main).entries()
    assert found["after"] == 1
    [name] = [stack for stack in found if stack.endswith("fails")]
    assert name.startswith("around;GET /x;")


def test_requests_at_once_do_not_mix_their_dependencies(recorded):
    app = FastAPI()

    async def slow(name: str):
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        with span("slow"):
            return name

    @app.get("/one/{name}")
    async def one(name: str, value: str = Depends(slow)): ...

    @app.get("/other/{name}")
    async def other(name: str, value: str = Depends(slow)): ...

    async def main():
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(get, app, "/one/x")
                group.start_soon(get, app, "/other/x")

    found = {stack.partition("GET ")[2]: n for stack, n in recorded(main).entries().items()}
    names = {stack.replace(slow.__qualname__, "dep"): n for stack, n in found.items() if stack}
    assert names == {
        "/one/{name}": 5,
        "/one/{name};dep": 5,
        "/one/{name};dep;slow": 5,
        "/other/{name}": 5,
        "/other/{name};dep": 5,
        "/other/{name};dep;slow": 5,
    }


def test_a_dependency_may_make_requests_of_the_app(recorded, app):
    outer = FastAPI()

    async def asks():
        return await get(app, "/v1/api/report/1")

    @outer.get("/outer")
    async def endpoint(value: list = Depends(asks)):
        return value

    found = recorded(get, outer, "/outer").entries()
    inner = f"GET /outer;{asks.__qualname__};GET /v1/api/report/{{year}}"
    assert found[f"{inner};user;finds user"] == 1
    assert "GET /outer;user" not in found


def test_streams_are_in_the_span(recorded):
    app = FastAPI()

    async def parts():
        for _ in range(2):
            with span("part"):
                part = b"x"
            yield part

    @app.get("/stream")
    async def stream():
        return StreamingResponse(parts())

    found = recorded(get, app, "/stream").entries()
    [(name, entries)] = [item for item in found.items() if item[0].endswith("part")]
    assert (entries, name.partition(";")[0]) == (2, "GET /stream")


def test_an_app_is_not_kept_alive(recorded):
    def make():
        app = FastAPI()

        async def dependency(): ...

        @app.get("/x")
        async def endpoint(value: None = Depends(dependency)): ...

        return app, weakref.ref(app)

    async def main():
        app, known = make()
        assert await get(app, "/x") == [200]
        del app
        gc.collect()
        left.append(known())

    left: list[object] = []
    recorded(main)
    assert left == [None]


def test_after_the_recording_all_is_as_before(recorded, app):
    names = ("solve_dependencies", "asynccontextmanager")
    before = [getattr(solving, name) for name in names], APIRoute.handle
    recorded(get, app, "/v1/api/report/1")
    assert ([getattr(solving, name) for name in names], APIRoute.handle) == before


def test_a_dependency_that_is_cancelled_ends_its_span(recorded):
    app = FastAPI()

    async def waits():
        await anyio.sleep_forever()

    @app.get("/x")
    async def endpoint(value: None = Depends(waits)): ...

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(get, app, "/x")
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()

    found = recorded(main)
    left = [times.left_open for times in found.profile.stacks.values()]
    assert sum(left) == 0
    assert any(stack.endswith("waits") for stack in found.entries())


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_dependency_without_cache_has_a_span_for_each_call(recorded, is_replaced):
    app = FastAPI()

    async def fresh():
        with span("called"):
            return 1

    async def other():
        with span("called"):
            return 2

    @app.get("/x")
    async def endpoint(
        one: int = Depends(fresh, use_cache=False),
        two: int = Depends(fresh, use_cache=False),
        three: int = Depends(fresh),
    ):
        with span("work"):
            return one + two + three

    if is_replaced:
        app.dependency_overrides[fresh] = other
    found = recorded(get, app, "/x").entries()
    name = (other if is_replaced else fresh).__qualname__
    assert found == {
        "GET /x": 1,
        f"GET /x;{name}": 2,
        f"GET /x;{name};called": 2,
        "GET /x;work": 1,
    }


def test_parameters_are_parsed_when_the_dependency_is_over(recorded):
    app = FastAPI()

    async def dependency(): ...

    @app.get("/x/{name}")
    async def endpoint(
        name: Annotated[str, AfterValidator(check)],
        one: None = Depends(dependency, use_cache=False),
        two: None = Depends(dependency, use_cache=False),
    ): ...

    found = recorded(get, app, "/x/a").entries()
    assert found["GET /x/{name};checks"] == 1


def test_a_recording_may_begin_and_end_within_a_dependency(backend):
    app = FastAPI()
    recordings = []

    async def begins():
        recordings.insert(0, record(clock=FakeClock(), await_stacks=False))
        await recordings[0].__aenter__()

    async def between(value: None = Depends(begins)): ...

    async def ends(value: None = Depends(between)):
        await recordings[0].__aexit__(None, None, None)

    async def after(value: None = Depends(ends)): ...

    @app.get("/x")
    async def endpoint(value: None = Depends(after)): ...

    @app.get("/y")
    async def other(value: None = Depends(ends)): ...

    async def main(path):
        assert await get(app, path) == [200]

    anyio.run(main, "/x", backend=backend)
    before = solving.solve_dependencies
    with record(clock=FakeClock(), await_stacks=False) as around:
        anyio.run(main, "/y", backend=backend)
    around.profile.check()
    assert solving.solve_dependencies is before
