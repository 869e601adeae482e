"""Spans of aiohttp's server: ``GET /report/{year}``, by the canonical path of the resource.

A span begins when the resource is found, and ends when the response is sent: middlewares and the
handler are in it. Requests that no resource handles have none.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from tracetools.instruments.stepped import hide_frame
from tracetools.libraries.spans import (
    Frames,
    LateSpans,
    frame_of,
    http_method,
    method_of_class,
)

if TYPE_CHECKING:
    from tracetools.core.stacks import Frame
    from tracetools.libraries.places import Places

__all__ = ["install"]


def install(places: Places) -> None:
    """Put spans around the handling of requests."""
    around = _requests.around(_request)
    places.wrap("aiohttp.web_protocol", "RequestHandler._handle_request", ("request",), around)
    places.wrap("aiohttp.web_app", "Application._handle", ("self", "request"), around)
    resolves = ("self", "request")
    places.wrap("aiohttp.web_urldispatcher", "UrlDispatcher.resolve", resolves, _resolve)


_requests: Final = LateSpans()


def _request(_: Any, request: Any, *__: Any, **___: Any) -> Any:
    return request


def _resolve(original: Any) -> Any:
    @functools.wraps(original)
    async def resolve(self: Any, request: Any) -> Any:
        try:
            match = await original(self, request)
        except BaseException as error:
            hide_frame(error)
            raise
        _requests.name(request, _frame, request, match)
        return match

    return resolve


_frames: Final = Frames()


def _frame(request: Any, match: Any) -> Frame | None:
    resource = getattr(match.route, "resource", None)
    if match.http_exception is not None or resource is None:
        return None
    method = http_method(request.method)
    frames = _frames.of(match.route)
    found = frames.get(method)
    if found is None:
        handler = method_of_class(match.handler, (method.lower(),))
        found = frames[method] = frame_of(handler, f"{method} {resource.canonical}")
    return found
