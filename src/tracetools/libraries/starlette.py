"""Spans of Starlette's routes, and of those who build on it: ``GET /report/{year}``.

A span is around `Route.handle`: in it are the middlewares of the route, the endpoint, the response
and its background tasks. A mounted app has the whole template. Requests that no route handles have
no span of their own, and methods that are not known have one name, so clients make no names.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import (
    Frames,
    call_in_span,
    frame_of,
    frame_of_call,
    http_method,
    method_of_class,
    spanned,
)

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.libraries.places import Places

__all__ = ["endpoint_frame", "install", "method_of", "mounted_template", "route_handle"]

_MODULE: Final = "starlette.routing"
_PARAMETERS: Final = ("self", "scope", "receive", "send")


def install(places: Places) -> None:
    """Put spans around what handles the requests of routes."""
    places.wrap(_MODULE, "Route.handle", _PARAMETERS, route_handle)
    places.wrap(_MODULE, "WebSocketRoute.handle", _PARAMETERS, route_handle)
    places.wrap(_MODULE, "Mount.handle", _PARAMETERS, _mount_handle)


# ------------------------------------------------------------------------------------------ routes


def _route_frame(route: Any, scope: Any, *_: Any, **__: Any) -> Frame:
    path = _path_in_included_router(route, scope) or route.path
    method, prefix = method_of(scope), mounted_template(scope)
    frames = _frames.of(route)
    key = (method, prefix, path)
    found = frames.get(key)
    if found is None:
        found = frames[key] = endpoint_frame(route.endpoint, method, f"{method} {prefix}{path}")
    return found


def _path_in_included_router(route: Any, scope: Any) -> str | None:
    """Return the whole path of a route of a router that FastAPI includes, since 0.130 or so."""
    known = scope.get("fastapi")
    context = known.get("effective_route_context") if known else None
    return context.path if context is not None and context.original_route is route else None


def method_of(scope: Any) -> str:
    """Return what the name of a span begins with; one of few, whatever clients send."""
    if scope["type"] == "websocket":
        return "WebSocket"
    return http_method(scope["method"])


def endpoint_frame(endpoint: Any, method: str, name: str) -> Frame:
    """Return the frame of an endpoint, at the line of the function that handles a method."""
    names = {"WebSocket": _OF_WEBSOCKETS, "HEAD": ("head", "get")}.get(method, (method.lower(),))
    return frame_of(method_of_class(endpoint, names), name)


_OF_WEBSOCKETS: Final = ("on_receive", "on_connect", "on_disconnect")

_frames: Final = Frames()

route_handle: Final = spanned(_route_frame, once=True)
"""Puts a span around the `handle` of a class of routes."""


# ------------------------------------------------------------------------------------------ mounts

_mounted: Final[ContextVar[tuple[str, str]]] = ContextVar("tracetools_mounted")
"""The root path of the app that is mounted here, and its template."""


def mounted_template(scope: Any) -> str:
    """Return the template of the app that a request is in; empty for the outermost one.

    An app may make requests of another one. Those have a root path of their own.
    """
    root_path, template = _mounted.get(_OUTERMOST)
    return template if scope.get("root_path") == root_path else ""


_OUTERMOST: Final = ("", "")


def _mount_handle(original: Any) -> Any:
    @functools.wraps(original)
    async def handle(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        frame = frame_of_call(_mount_frame, self, scope)
        mounted = _mounted.set(_below(self, scope))
        try:
            if frame is None:
                return await original(self, scope, receive, send)
            return await call_in_span(frame, original, self, scope, receive, send)
        except BaseException as error:
            hide_frame(error)
            raise
        finally:
            with suppress(ValueError):  # the coroutine is closed elsewhere
                _mounted.reset(mounted)

    return handle


def _below(mount: Any, scope: Any) -> tuple[str, str]:
    """Return what is noted for what is below a mount; the scope has its root path already."""
    root_path, template = _mounted.get(_OUTERMOST)
    whole, path = scope.get("root_path"), getattr(mount, "path", None)
    if not isinstance(whole, str) or not isinstance(path, str):
        return root_path, template
    own = whole.removeprefix(root_path)
    regex = getattr(mount, "path_regex", None)
    is_nested = regex is not None and regex.match(f"{own}/") is not None
    return whole, (template if is_nested else "") + path


def _mount_frame(mount: Any, scope: Any) -> Frame | None:
    """Return the frame of a mounted app that has no routes; None for one that has."""
    app = mount.app
    for _ in range(_MOST_MIDDLEWARES):
        if getattr(app, "routes", None):
            return None
        inner = getattr(app, "app", None)
        if inner is None:
            break
        app = inner
    key = (method_of(scope), f"{_below(mount, scope)[1]}/{{path}}")
    frames = _frames.of(mount)
    found = frames.get(key)
    if found is None:
        found = frames[key] = frame_of(app, " ".join(key))
    return found


_MOST_MIDDLEWARES: Final = 32
