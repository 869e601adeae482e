"""Spans of MCP servers: ``tool NAME``, ``resource URI``, ``prompt NAME``, where each is defined.

They are around what a server has registered. A server of the low level registers no names: there
they are what clients ask for, and only so many are told apart.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracetools.attribution.awaits import closed_over
from tracetools.libraries.spans import Frames, Names, frame_of, spanned

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.libraries.places import Places

__all__ = ["install", "install_low_level", "install_low_level_1", "install_version_1"]


def install(places: Places) -> None:
    """Put spans around tools, resources and prompts of `MCPServer`."""
    _install(places, "mcp.server.mcpserver")


def install_version_1(places: Places) -> None:
    """Do so for `FastMCP`, as it was called in mcp 1."""
    _install(places, "mcp.server.fastmcp")


def _install(places: Places, package: str) -> None:
    prompts, resources = f"{package}.prompts.base", f"{package}.resources"
    templates, types = f"{resources}.templates", f"{resources}.types"
    places.wrap(f"{package}.tools.base", "Tool.run", ("self",), spanned(_tool, once=True))
    places.wrap(prompts, "Prompt.render", ("self",), spanned(_prompt, once=True))
    places.wrap(
        templates, "ResourceTemplate.create_resource", ("self",), spanned(_template, once=True)
    )
    for kind in ("FunctionResource", "FileResource", "HttpResource", "DirectoryResource"):
        places.wrap(types, f"{kind}.read", ("self",), spanned(_resource, once=True))


_frames: Final = Frames()


def _frame(function: Any, name: str) -> Frame:
    frames = _frames.of(function)
    found = frames.get(name)
    if found is None:
        found = frames[name] = frame_of(function, name)
    return found


def _tool(tool: Any, *_: Any, **__: Any) -> Frame:
    return _frame(tool.fn, f"tool {tool.name}")


def _prompt(prompt: Any, *_: Any, **__: Any) -> Frame:
    return _frame(prompt.fn, f"prompt {prompt.name}")


def _template(template: Any, *_: Any, **__: Any) -> Frame:
    return _frame(template.fn, f"resource {template.uri_template}")


def _resource(resource: Any, *_: Any, **__: Any) -> Frame | None:
    """Return the frame of a resource; None for what a template has made, for that was its work."""
    function = getattr(resource, "fn", None)
    if function is None:
        return _frame(type(resource).read, f"resource {resource.uri}")
    if _is_of_library(function):
        return None
    return _frame(function, f"resource {resource.uri}")


def _is_of_library(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("mcp.")


# ---------------------------------------------------------------------------------- the low level

_WHAT: Final = {"tools/call": "tool", "prompts/get": "prompt", "resources/read": "resource"}
_REQUESTS: Final = {
    "CallToolRequest": "tools/call",
    "GetPromptRequest": "prompts/get",
    "ReadResourceRequest": "resources/read",
}
_names: Final = Names()


def install_low_level(places: Places) -> None:
    """Put spans around the handlers of a `Server`."""
    wanted = ("self", "method", "params")
    places.wrap("mcp.server.runner", "ServerRunner._on_request", wanted, spanned(_on_request))


def install_low_level_1(places: Places) -> None:
    """Do so for mcp 1; nothing for later versions, which have a runner."""
    wanted = ("self", "req")
    module = "mcp.server.lowlevel.server"
    if hasattr(getattr(sys.modules.get(module), "Server", None), "get_request_handler"):
        return
    places.wrap(module, "Server._handle_request", wanted, spanned(_handle_request))


def _on_request(runner: Any, dctx: Any, method: str, params: Any) -> Frame | None:  # noqa: ARG001
    if method not in _WHAT:
        return None
    entry = runner.server.get_request_handler(method)
    name = (params or {}).get("name")
    return None if entry is None else _asked(method, name, entry.handler)


def _handle_request(server: Any, message: Any, req: Any, *_: Any, **__: Any) -> Frame | None:  # noqa: ARG001
    method = _REQUESTS.get(type(req).__name__, "")
    handler = server.request_handlers.get(type(req))
    if not method or handler is None:
        return None
    function = next(closed_over(handler, "func"), handler)  # what the decorator was given
    return _asked(method, getattr(req.params, "name", None), function)


def _asked(method: str, name: Any, handler: Any) -> Frame | None:
    """Return the frame of what a client asks for; None if a server above has spans of its own."""
    inner = handler
    while isinstance(inner, partial):
        inner = inner.func
    if _is_of_library(inner):
        return None
    return _frame(handler, _told_apart(_WHAT[method], name))


def _told_apart(what: str, name: Any) -> str:
    """Return the name of a span; the same for all names that come after so many."""
    if not isinstance(name, str):
        return what
    return _names.told_apart(None, f"{what} {name}", f"{what} (other)")
