"""Spans of Quart's routes: ``GET /report/<int:year>``, by the rule; so on Quart-Trio.

A span begins when the request is dispatched, and ends when the response is sent. Requests that no
rule fits have none.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import Frames, LateSpans, frame_of, http_method, spanned

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.libraries.places import Places

__all__ = ["install", "install_trio"]


def install(places: Places) -> None:
    """Put spans around the handling of requests and websockets."""
    _install(places, "quart.app", "Quart")
    sends = ("self", "request", "send")
    places.wrap("quart.asgi", "ASGIHTTPConnection.handle_request", sends, _of_connection)


def install_trio(places: Places) -> None:
    """Do so for what Quart-Trio has of its own."""
    _install(places, "quart_trio.app", "QuartTrio")
    sends = ("self", "nursery", "request", "send")
    module = "quart_trio.asgi"
    places.wrap(module, "TrioASGIHTTPConnection.handle_request", sends, _of_connection)


def _install(places: Places, module: str, app: str) -> None:
    places.wrap(module, f"{app}.handle_request", ("self", "request"), _of_app)
    places.wrap(module, f"{app}.full_dispatch_request", ("self",), _dispatch)
    places.wrap(module, f"{app}.full_dispatch_websocket", ("self",), _dispatch_websocket)


# ---------------------------------------------------------------------------------------- requests

_requests: Final = LateSpans()


def _request_of(*args: Any, **options: Any) -> Any:
    """Return the request that a connection handles, on either backend."""
    return options["request"] if "request" in options else args[-2]


_of_connection: Final = _requests.around(_request_of)
_of_app: Final = _requests.around(lambda _, request: request)


def _dispatch(original: Any) -> Any:
    @functools.wraps(original)
    async def full_dispatch_request(self: Any, *args: Any) -> Any:
        request = getattr(args[0] if args else None, "request", None)
        if request is not None:
            _requests.name(request, _request_frame, self, request)
        try:
            return await original(self, *args)
        except BaseException as error:
            hide_frame(error)
            raise

    return full_dispatch_request


_frames: Final = Frames()


def _request_frame(app: Any, request: Any) -> Frame | None:
    return _rule_frame(app, request, http_method(request.method))


def _rule_frame(app: Any, request: Any, method: str) -> Frame | None:
    rule = request.url_rule
    if rule is None:
        return None
    frames = _frames.of(rule)
    found = frames.get(method)
    if found is None:
        view = app.view_functions.get(rule.endpoint)
        found = frames[method] = frame_of(view, f"{method} {rule.rule}")
    return found


# -------------------------------------------------------------------------------------- websockets


def _websocket_frame(app: Any, context: Any = None) -> Frame | None:
    websocket = getattr(context, "websocket", None)
    return None if websocket is None else _rule_frame(app, websocket, "WebSocket")


_dispatch_websocket: Final = spanned(_websocket_frame, once=True)
