"""An ASGI middleware that makes a span of each request, on any framework and server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tracetools.core.stacks import Frame
from tracetools.instruments.stepped import hide_frame
from tracetools.libraries import registry
from tracetools.libraries.spans import call_in_span, frame_of_call
from tracetools.libraries.starlette import endpoint_frame, method_of, mounted_template

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
    from typing import TypeAlias

    Scope: TypeAlias = MutableMapping[str, Any]
    Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

__all__ = ["TracetoolsMiddleware"]


class TracetoolsMiddleware:
    """Makes a span of each request and websocket: ``app = TracetoolsMiddleware(app)``.

    Its name is the method and the template of the route, as in ``GET /report/{year}``, where the
    scope has a route or an app with routes, as those of Starlette and FastAPI. Otherwise it is
    ``HTTP request`` or ``WebSocket``; a path is never in a name. While a recording makes spans of
    routes by itself, the middleware makes none for the same.

    Args:
        app: what handles the requests.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, in a span."""
        frame = frame_of_call(_frame, scope) if scope["type"] in _FIXED else None
        try:
            if frame is None:
                await self.app(scope, receive, send)
            else:
                await call_in_span(frame, self.app, scope, receive, send)
        except BaseException as error:
            hide_frame(error)
            raise


_FIXED: Final = {
    "http": Frame("HTTP request", ""),
    "websocket": Frame("WebSocket", ""),
}
"""The frames of what no template is known of, by the types of scopes that have spans."""


class _Found(NamedTuple):
    """A route of an app: its template, and what handles it."""

    template: str
    endpoint: Any


def _frame(scope: Scope) -> Frame | None:
    found = _route_of(scope)
    if found is None:
        return _FIXED[scope["type"]]
    if registry.is_wanted():
        return None
    method = method_of(scope)
    template = mounted_template(scope) + found.template
    return endpoint_frame(found.endpoint, method, f"{method} {template}")


def _route_of(scope: Scope) -> _Found | None:
    """Return the route that handles a request, or is going to; None if that is not known."""
    route = scope.get("route")
    path = getattr(route, "path", None)
    if isinstance(path, str):
        return _Found(path, getattr(route, "endpoint", None))
    routes = getattr(scope.get("app"), "routes", None)
    return next(_matching(routes, dict(scope)), None) if routes else None


_MATCHES: Final = ("FULL", "PARTIAL")
"""The names of what `matches` returns of routes that fit, the better one first."""


def _matching(routes: Iterable[Any], scope: Scope) -> Iterator[_Found]:
    """Yield the routes that fit, those that also fit the method first."""
    found = [(route, *route.matches(scope)) for route in _single(routes)]
    for wanted in _MATCHES:
        for route, match, child in found:
            if match.name == wanted:
                yield from _below(route, {**scope, **child})


def _single(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, and those of routers that FastAPI includes."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def _below(route: Any, scope: Scope) -> Iterator[_Found]:
    """Yield a route, or those that are mounted there."""
    path, routes = getattr(route, "path", ""), getattr(route, "routes", None)
    if routes is None:
        yield _Found(path, getattr(route, "endpoint", None))
    elif routes:
        for found in _matching(routes, scope):
            yield _Found(path + found.template, found.endpoint)
    else:
        yield _Found(f"{path}/{{path}}", route.app)
