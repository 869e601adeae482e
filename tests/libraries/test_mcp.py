"""Tools, resources and prompts of MCP servers have spans, at the lines of their functions."""

from __future__ import annotations

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import anyio
import pytest

from tests.libraries.apps import here
from tracetools import span
from tracetools.instruments.patching import Patches
from tracetools.libraries import mcp as ours
from tracetools.libraries import spans
from tracetools.libraries.places import Places


async def add(a: int, b: int) -> int:
    with span("work"):
        await anyio.lowlevel.checkpoint()
    return a + b


def in_thread() -> int:
    return 1


def wrong() -> int:
    raise ValueError("wrong")


def settings() -> str:
    return "settings"


async def user(name: str) -> str:
    with span("finds"):
        return name


def ask(question: str) -> str:
    return question


@pytest.fixture
def server():
    from mcp.server.mcpserver import MCPServer  # it is not there with the lowest versions

    server = MCPServer("server")
    for function in (add, in_thread, wrong):
        server.tool()(function)
    server.resource("settings://all")(settings)
    server.resource("user://{name}")(user)
    server.prompt()(ask)
    return server


@pytest.fixture
def names(recorded):
    """Return what asks a server, and returns how often each span was entered."""

    def run(server, asks):
        from mcp.client import Client

        async def main():
            async with Client(server) as client:
                await asks(client)

        found = recorded(main)
        entries: dict[str, int] = {}
        for stack, n in found.entries().items():
            parts = stack.split(";")
            starts = [i for i, part in enumerate(parts) if part.split(" ")[0] in KINDS]
            if starts:
                name = ";".join(parts[starts[0] :])
                entries[name] = entries.get(name, 0) + n
        return found, entries

    return run


KINDS = ("tool", "resource", "prompt")


def test_a_tool_is_a_span_at_the_line_of_its_function(names, server):
    async def asks(client):
        await client.call_tool("add", {"a": 1, "b": 2})
        await client.call_tool("add", {"a": 3, "b": 4})

    found, entries = names(server, asks)
    assert entries == {"tool add": 2, "tool add;work": 2}
    assert found.line("tool add") == here(add)


def test_a_tool_in_a_thread_stands_in_the_task(names, server):
    found, entries = names(server, lambda client: client.call_tool("in_thread", {}))
    assert entries == {"tool in_thread": 1, "tool in_thread;in_thread": 1}
    assert found.line("in_thread") == here(in_thread)


def test_a_tool_that_fails_or_is_unknown_leaves_nothing_open(names, server):
    async def asks(client):
        assert (await client.call_tool("wrong", {})).is_error
        for name in ("nothing", "never"):
            with contextlib.suppress(Exception):  # depending on the version
                await client.call_tool(name, {})

    found, entries = names(server, asks)
    assert {name.partition(";")[0] for name in entries} == {"tool wrong"}
    assert sum(times.left_open for times in found.profile.stacks.values()) == 0


def test_resources_have_spans_by_their_templates(names, server):
    async def asks(client):
        await client.read_resource("settings://all")
        await client.read_resource("user://one")
        await client.read_resource("user://other")

    found, entries = names(server, asks)
    assert entries.pop("resource settings://all") == 1
    assert entries.pop("resource user://{name}") == 2
    assert entries.pop("resource user://{name};finds") == 2
    assert not any("one" in name or "other" in name for name in entries)
    assert found.line("resource user://{name}")[0] == here(user)[0]


def test_prompts_have_spans(names, server):
    found, entries = names(server, lambda client: client.get_prompt("ask", {"question": "x"}))
    assert entries["prompt ask"] == 1
    assert found.line("prompt ask") == here(ask)


def test_a_server_of_the_low_level_has_spans_at_the_line_of_its_handler(names):
    import mcp_types as types
    from mcp.server.lowlevel import Server

    async def call_tool(ctx, params):
        with span("work"):
            return types.CallToolResult(content=[])

    async def list_tools(ctx, params):
        return types.ListToolsResult(tools=[])

    server = Server("low", on_call_tool=call_tool, on_list_tools=list_tools)

    async def asks(client):
        await client.call_tool("any", {})

    found, entries = names(server, asks)
    assert entries == {"tool any": 1, "tool any;work": 1}
    assert found.line("tool any") == here(call_tool)


def test_names_that_clients_make_up_are_bounded(monkeypatch):
    monkeypatch.setattr(ours, "_names", spans.Names())
    made = {ours._told_apart("tool", str(number)) for number in range(1000)}
    assert len(made) == spans._MOST_NAMES + 1
    assert ours._told_apart("resource", None) == "resource"


@pytest.fixture
def version_1(monkeypatch):
    """Return a server of the low level as mcp 1 has it."""
    module = ModuleType("mcp.server.lowlevel.server")

    class CallToolRequest(SimpleNamespace): ...

    class Server:
        def __init__(self, func):
            async def handler(req):
                return await func(req.params.name, {})

            self.request_handlers = {CallToolRequest: handler}

        async def _handle_request(self, message, req, session, lifespan_context, raise_exceptions):
            return await self.request_handlers[type(req)](req)

    module.Server, module.CallToolRequest = Server, CallToolRequest
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_server_of_the_low_level_of_mcp_1_has_spans(recorded, version_1):
    patches = Patches()
    places = Places(patches)
    ours.install_low_level_1(places)
    assert places.unknown == []

    async def call(name, arguments):
        with span("work"):
            pass

    async def main():
        request = version_1.CallToolRequest(params=SimpleNamespace(name="old"))
        await version_1.Server(call)._handle_request(None, request, None, None, False)

    found = recorded(main)
    patches.undo()
    assert found.entries() == {"tool old": 1, "tool old;work": 1}
    assert found.line("tool old") == here(call)


def test_after_the_recording_all_is_as_before(names, server):
    from mcp.server.mcpserver.tools.base import Tool

    before = Tool.run
    names(server, lambda client: client.call_tool("in_thread", {}))
    assert Tool.run is before
