"""Routes of aiohttp's server have spans, by the canonical paths of their resources."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web_app import Application

from tests.libraries.apps import here
from tracetools import span


@pytest.fixture
def backend():
    return "asyncio"


async def report(request):
    with span("work"):
        await asyncio.sleep(0)
    return web.Response(text="report")


class View(web.View):
    async def get(self):
        return web.Response(text="view")


@web.middleware
async def middleware(request, handler):
    with span("middleware"):
        return await handler(request)


def make(*middlewares):
    app, sub = web.Application(middlewares=middlewares), web.Application()
    app.router.add_get(r"/report/{year:\d+}", report)
    app.router.add_view("/view", View)
    app.router.add_route("*", "/any", report)
    app.router.add_static("/files", ".")
    sub.router.add_get("/in/{item}", report)
    app.add_subapp("/sub", sub)
    return app


@pytest.fixture
def names(recorded):
    """Return what makes requests, and returns how often each span was entered."""

    def request(app, *requests):
        statuses = []

        async def main():
            async with TestClient(TestServer(app)) as client:
                for method, path in requests:
                    async with client.request(method, path) as response:
                        await response.read()
                        statuses.append(response.status)

        found = recorded(main)
        entries: dict[str, int] = {}
        for stack, n in found.entries().items():
            _, _, below = stack.rpartition("RequestHandler.")
            _, _, below = below.partition(";")
            if below:
                entries[below] = n
        return found, statuses, entries

    return request


def test_a_route_is_a_span_by_its_template_at_the_line_of_its_handler(names):
    found, statuses, entries = names(make(), ("GET", "/report/2024"), ("GET", "/report/2025"))
    assert statuses == [200, 200]
    assert entries == {"GET /report/{year}": 2, "GET /report/{year};work": 2}
    assert found.line("GET /report/{year}") == here(report)


def test_a_view_has_the_line_of_its_method(names):
    found, _, entries = names(make(), ("GET", "/view"))
    assert entries == {"GET /view": 1}
    assert found.line("GET /view") == here(View.get)


def test_an_app_within_another_has_the_whole_template(names):
    _, _, entries = names(make(middleware), ("GET", "/sub/in/3"))
    name = "GET /sub/in/{item};middleware"
    assert entries == {name.partition(";")[0]: 1, name: 1, f"{name};work": 1}


def test_files_have_the_prefix_of_their_resource(names):
    _, _, entries = names(make(), ("GET", "/files/nothing"), ("GET", "/files/never"))
    assert entries["GET /files"] == 2


def test_clients_make_no_names(names):
    requests = [("GET", "/nothing"), ("DELETE", "/report/1"), ("GET", "/sub/nothing")]
    _, statuses, entries = names(make(), *requests)
    assert (statuses, entries) == ([404, 405, 404], {})


def test_a_method_that_is_not_known_has_one_name(names):
    _, _, entries = names(make(), ("PROPFIND", "/any"), ("MKCOL", "/any"))
    assert entries == {"HTTP /any": 2, "HTTP /any;work": 2}


def test_a_handler_that_fails_ends_its_span(names):
    async def fail(request):
        raise ValueError("wrong")

    app = web.Application()
    app.router.add_get("/fail", fail)
    found, statuses, entries = names(app, ("GET", "/fail"))
    assert (statuses, entries) == ([500], {"GET /fail": 1})
    assert sum(times.left_open for times in found.profile.stacks.values()) == 0


def test_what_the_program_sees_stays_the_same(names):
    seen = []

    @web.middleware
    async def look(request, handler):
        seen.append(request.match_info.handler is report)
        return await handler(request)

    names(make(look), ("GET", "/report/1"))
    assert seen == [True]


def test_after_the_recording_all_is_as_before(names):
    before = Application._handle, web.UrlDispatcher.resolve
    names(make(), ("GET", "/report/1"))
    assert (Application._handle, web.UrlDispatcher.resolve) == before
