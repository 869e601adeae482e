"""A server of one page, recorded or not: started by `http_load.py`.

    python benchmarks/http_server.py hypercorn|uvicorn VARIANT [CORE]

writes its port. ``/book/7`` answers with a page of a book, as the demo's shop does, but at once: no
database, so that the server has nothing to wait for. ``/usage`` answers with the nanoseconds of CPU
time that the process has used.
"""

from __future__ import annotations

import html
import json
import socket
import sys
from functools import partial
from string import Template
from time import process_time_ns
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from variants import VARIANTS, pin, recording

from tracetools import observe, span

FOR_EVER = 3600
PAGE = Template("<h1>$title</h1><p>$price</p>")


@observe
async def show_book(request: Request) -> Response:
    book = await find_book(request.path_params["number"])
    with span("render"):
        return HTMLResponse(PAGE.substitute({name: html.escape(book[name]) for name in book}))


@observe
async def find_book(number: int) -> dict[str, str]:
    return {"title": f"The Sea and the {number} Islands", "price": f"{number}.50"}


async def show_usage(_request: Request) -> Response:
    return PlainTextResponse(str(process_time_ns()))


def make_app(recorded: Any) -> Starlette:
    async def show_check(_request: Request) -> Response:
        """Answer with how many times the page was made, after a look at the laws."""
        if recorded is None:
            return PlainTextResponse("null")
        profile = recorded.profile
        profile.check()
        return PlainTextResponse(json.dumps(len(profile.stacks)))

    return Starlette(
        routes=[
            Route("/book/{number:int}", show_book),
            Route("/usage", show_usage),
            Route("/check", show_check),
        ]
    )


def serve_by_hypercorn(listening: socket.socket, app: Any) -> None:
    import trio  # noqa: PLC0415  # only what is used is imported
    from hypercorn.config import Config  # noqa: PLC0415
    from hypercorn.trio import serve  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{listening.fileno()}"]
    config.keep_alive_max_requests = sys.maxsize
    config.keep_alive_timeout = FOR_EVER
    config.errorlog = None
    trio.run(partial(serve, app, config))


def serve_by_uvicorn(listening: socket.socket, app: Any) -> None:
    import uvicorn  # noqa: PLC0415

    config = uvicorn.Config(
        app,
        loop="uvloop",
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=FOR_EVER,
    )
    uvicorn.Server(config).run(sockets=[listening])


SERVERS = {"hypercorn": serve_by_hypercorn, "uvicorn": serve_by_uvicorn}


def main(server: str, variant: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        with recording(VARIANTS[variant]) as recorded:
            SERVERS[server](listening, make_app(recorded))


if __name__ == "__main__":
    pin(int(sys.argv[3]) if len(sys.argv) > 3 else None)
    main(sys.argv[1], sys.argv[2])
