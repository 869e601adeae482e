"""`web_app`: shows a running program over HTTP, as an ASGI application to mount."""

from __future__ import annotations

import logging
import os
import platform
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from tracetools.core.errors import NoStacksError, RecordingError, TracetoolsError
from tracetools.live import render_dump, take_dump
from tracetools.output.formats.prometheus import OPENMETRICS, PROMETHEUS
from tracetools.recording.current import close_span, open_span
from tracetools.recording.recorder import program_name
from tracetools.session.recording import Recording
from tracetools.web import pages
from tracetools.web.access import Access
from tracetools.web.always import Always
from tracetools.web.kept import KeptPage
from tracetools.web.messages import (
    HTML,
    JSON,
    TEXT,
    GoneError,
    RefusedError,
    Request,
    Response,
    in_thread,
    request_of,
    respond,
)
from tracetools.web.metrics import Metrics
from tracetools.web.queries import FORMATS, Wish, parameters, wish_of
from tracetools.web.recordings import OURS, Slot, record_for
from tracetools.web.rendering import Drawn, render

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tracetools.web.access import Check
    from tracetools.web.messages import Receive, Scope, Send

__all__ = ["WebApp", "web_app"]

_LONGEST: Final = 3_600.0
_MOST_SERIES: Final = 10_000
_METHODS: Final = ("GET", "HEAD")
_KEPT: Final = re.compile(r"/requests/([A-Za-z0-9_.-]{1,200})")
_RECORDS: Final = ("/flamegraph", "/report", "/profile", "/debug/pprof/profile")
_WHAT: Final = ("seconds", "lens", "functions")
_GZIP: Final = "application/gzip"
_KINDS: Final = {
    ".profile.json": JSON,
    ".speedscope.json": JSON,
    ".gecko.json": JSON,
    ".folded": TEXT,
    ".prom": PROMETHEUS,
    ".pb.gz": "application/octet-stream",
    ".pstats": "application/octet-stream",
}

_log: Final = logging.getLogger("tracetools")


def web_app(  # noqa: PLR0913  # options, each with a default
    token: str | None = None,
    *,
    check: Check | None = None,
    recording: Recording | None = None,
    records: bool | None = None,
    keep: float | None = None,
    most_seconds: float = 60.0,
    series: int = 100,
) -> WebApp:
    """Make an ASGI application that shows this program: ``app.mount("/tracetools", web_app())``.

    It has a page, flame graphs, reports and profiles of the next seconds, what every task waits
    for, slow requests, metrics for Prometheus, and ``/debug/pprof/profile``. It runs on its own as
    well. Nothing is recorded before it is asked for.

    Args:
        token: what whoever asks must send, as ``Authorization: Bearer TOKEN`` or as the password of
            Basic; 16 characters at least. Without one and without a `check`, the environment
            variable ``TRACETOOLS_TOKEN``.
        check: a function that gets the scope of a request, and returns True to let it in; it may be
            async. With a token as well, either lets in.
        recording: what the program records already: metrics and slow requests are taken from it.
        records: whether something is recorded all the time, for metrics and slow requests: True
            from now on, False never. By default, from when metrics are first read.
        keep: which spans are kept for ``/requests``: seconds, or `slow`. Records from now on.
        most_seconds: for how long a request may record at most.
        series: how many spans, and how many lines that block the loop, have metrics of their own.

    Raises:
        ValueError: there is no token and no check, or the token can be guessed; or an argument has
            no such value.
        TypeError: an argument is of another type.
    """
    if isinstance(most_seconds, bool) or not isinstance(most_seconds, int | float):
        raise TypeError(f"most_seconds is a number of seconds, not {most_seconds!r}")
    if not 1 <= most_seconds <= _LONGEST:
        raise ValueError(f"most_seconds is a number from 1 to {_LONGEST:,g}, not {most_seconds!r}")
    if isinstance(series, bool) or not isinstance(series, int):
        raise TypeError(f"series is a whole number, not {series!r}")
    if not 1 <= series <= _MOST_SERIES:
        raise ValueError(f"series is a number from 1 to {_MOST_SERIES:,}, not {series!r}")
    if recording is not None and not isinstance(recording, Recording):
        raise TypeError(
            "recording is what 'with record() as recording' gives, or the like, not"
            f" {type(recording).__name__}"
        )
    if recording is not None and (keep is not None or records is not None):
        raise ValueError("give recording, or else records and keep: they are of another recording")
    if records not in (None, True, False):
        raise TypeError(f"records is True, False or None, not {records!r}")
    if keep is not None and records is False:
        raise ValueError("keep needs a recording: leave records=False out")
    access = Access(token, check)
    always = Always(recording, keep, is_wanted=records is not False)
    app = WebApp(access, always, float(most_seconds), Metrics(series))
    if records or keep is not None:
        always.begin()
    return app


class WebApp:
    """An ASGI application; see `web_app`.

    Args:
        access: who may see anything.
        always: what is recorded all the time.
        most: seconds that a request may record.
        metrics: what was said of it.
    """

    def __init__(self, access: Access, always: Always, most: float, metrics: Metrics) -> None:
        self._access = access
        self._always = always
        self._most = most
        self._metrics = metrics
        self._slot = Slot()
        self._routes: dict[str, Callable[[Request, Receive], Awaitable[Response]]] = {
            "/": self._first,
            "/flamegraph": self._flamegraph,
            "/report": self._report,
            "/profile": self._profile,
            "/tasks": self._tasks,
            "/requests": self._requests,
            "/metrics": self._metrics_now,
            "/debug/pprof/": self._pprof_index,
            "/debug/pprof/profile": self._pprof,
        }

    def __repr__(self) -> str:
        return "<web app of tracetools>"

    def close(self) -> None:
        """End what is recorded all the time. It begins again when it is next asked for.

        When the process ends, or the application runs by itself and is shut down, that is done.
        """
        self._always.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, or the life of a server."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise ValueError(f"web_app() knows no connections of type {scope['type']!r}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                await in_thread(self.close)
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = request_of(scope)
        ours = open_span(OURS)
        try:
            try:
                await self._access.admit(scope, request)
                response = await self._answer(request, receive)
            except RefusedError as refused:
                response = refused.response
            except (NoStacksError, RecordingError) as error:
                response = RefusedError(422, str(error)).response
            except GoneError:
                return
            except TracetoolsError as error:
                response = RefusedError(503, str(error)).response
            except Exception:  # noqa: BLE001  # the program goes on
                _log.exception("web_app() could not answer a request; the program goes on")
                response = RefusedError(500, "it could not be answered: see the log").response
            await respond(send, request, response)
        finally:
            close_span(ours)

    async def _answer(self, request: Request, receive: Receive) -> Response:
        if request.method not in _METHODS:
            raise RefusedError(
                405, "only GET and HEAD are known here", {"allow": ", ".join(_METHODS)}
            )
        if not request.path:
            place = quote(request.root.rpartition("/")[2])
            return Response(b"", status=307, headers={"location": f"{place}/" if place else "/"})
        route = self._routes.get(request.path)
        if route is None:
            kept = _KEPT.fullmatch(request.path)
            if kept is None:
                known = ", ".join(self._routes)
                raise RefusedError(404, f"there is no such page; there are {known}")
            return await in_thread(self._kept_page, kept[1])
        if request.path in _RECORDS:
            _refuse_other_sites(request)
        return await route(request, receive)

    # -- what is recorded for a request ------------------------------------------------------------

    async def _flamegraph(self, request: Request, receive: Receive) -> Response:
        wish = self._wish(request, ("html", "svg"))
        drawn = await self._recorded(request, receive, wish, wish.format)
        kind = HTML if wish.format == "html" else "image/svg+xml"
        return Response(drawn.body, kind, policy=drawn.policy)

    async def _report(self, request: Request, receive: Receive) -> Response:
        drawn = await self._recorded(request, receive, self._wish(request), "report")
        return Response(drawn.body, HTML, policy=drawn.policy)

    async def _profile(self, request: Request, receive: Receive) -> Response:
        wish = self._wish(request, tuple(FORMATS))
        suffix = FORMATS[wish.format]
        drawn = await self._recorded(request, receive, wish, suffix)
        return Response(drawn.body, _KINDS[suffix], headers=_as_file(f"profile{suffix}"))

    async def _pprof(self, request: Request, receive: Receive) -> Response:
        wish = wish_of(parameters(request.query, None), self._most)
        drawn = await self._recorded(request, receive, wish, ".pb.gz")
        return Response(drawn.body, _KINDS[".pb.gz"], headers=_as_file("profile"))

    def _wish(self, request: Request, formats: tuple[str, ...] = ()) -> Wish:
        known = (*_WHAT, "format") if formats else _WHAT
        return wish_of(parameters(request.query, known), self._most, formats)

    async def _recorded(self, request: Request, receive: Receive, wish: Wish, what: str) -> Drawn:
        """Record, and return what is made of it. To HEAD, nothing is."""
        if request.method == "HEAD":
            return Drawn(b"", "")
        self._slot.take(wish.seconds)
        try:
            return await in_thread(render, what, wish.lens, await record_for(wish, receive))
        finally:
            self._slot.give_back()

    # -- what there is already ---------------------------------------------------------------------

    async def _first(self, request: Request, _: Receive) -> Response:
        parameters(request.query, ())
        return await in_thread(self._overview)

    def _overview(self) -> Response:
        about = (
            f"process {os.getpid()}",
            f"Python {platform.python_version()}",
        )
        kept = len(self._kept()) if self._always.keeps else None
        always = self._always
        is_measured = None if always.is_wanted and not always.is_on else always.is_on
        return pages.first_page(
            pages.Overview(
                program_name(),
                about,
                take_dump(),
                self._most,
                self._slot.left,
                is_measured,
                kept,
            )
        )

    async def _tasks(self, request: Request, _: Receive) -> Response:
        wanted = parameters(request.query, ("format",)).get("format", "")
        if wanted not in ("", "html", "json", "text"):
            raise RefusedError(400, "format is html, json or text")
        if not wanted:
            wanted = "json" if request.accepts(JSON) else "text"
            wanted = "html" if request.accepts("text/html") else wanted
        return await in_thread(_dump_as, wanted)

    async def _metrics_now(self, request: Request, _: Receive) -> Response:
        parameters(request.query, None)
        if not self._always.is_wanted:
            raise RefusedError(404, "nothing is recorded all the time: web_app(records=False)")
        openmetrics = request.accepts("application/openmetrics-text")
        body = await in_thread(self._metrics_text, openmetrics)
        return Response(body.encode(), OPENMETRICS if openmetrics else PROMETHEUS)

    def _metrics_text(self, openmetrics: bool) -> str:
        number, profile = self._always.profile()
        return self._metrics.text(number, profile, openmetrics=openmetrics)

    async def _requests(self, request: Request, _: Receive) -> Response:
        parameters(request.query, ())
        if not self._always.keeps:
            raise RefusedError(
                404,
                "no slow requests are kept: give web_app(keep=slow(0.5)), or a recording that keeps"
                " some",
            )
        return await in_thread(self._list)

    def _list(self) -> Response:
        return pages.requests_page(program_name(), self._kept())

    def _kept(self) -> list[KeptPage]:
        """Return what is kept, the slowest first; of files, the last ones first."""
        if self._always.own is not None:
            return [_page_of_file(path) for path in _files(self._always.own)]
        self._always.begin()
        found = self._always.pages
        return [] if found is None else found.pages

    def _kept_page(self, key: str) -> Response:
        found = next((page for page in self._kept() if page.key == key), None)
        if found is None:
            raise RefusedError(404, "there is no such page any more: see /requests")
        return pages.kept_page(found)

    async def _pprof_index(self, request: Request, _: Receive) -> Response:
        parameters(request.query, None)
        host = request.headers.get("host", "localhost")
        return pages.pprof_page(program_name(), f"http://:TOKEN@{host}{request.root}")


def _dump_as(wanted: str) -> Response:
    dump = take_dump()
    if wanted == "json":
        return Response(dump.to_json().encode("utf-8", "replace"), JSON)
    text = render_dump(dump)
    if wanted == "html":
        return pages.tasks_page(dump, text)
    return Response(text.encode("utf-8", "replace"), TEXT)


def _refuse_other_sites(request: Request) -> None:
    """Refuse what a page of another site has a browser fetch, with the password that it knows."""
    if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
        raise RefusedError(403, "other sites may not have this program recorded")


def _as_file(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _files(recording: Any) -> list[Path]:
    return [path for path in reversed(recording.kept) if path.suffix == ".html"]


def _page_of_file(path: Path) -> KeptPage:
    """Return the page that a recording of the program's own has written."""
    try:
        moment = path.stat().st_mtime
    except OSError:
        moment = 0.0
    return KeptPage(path.name, path.stem, 0, moment, "", "", b"", path)
