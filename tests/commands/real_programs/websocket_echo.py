"""An echo server on trio-websocket.

python websocket_echo.py PORT
"""

import contextlib
import hashlib
import sys

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from tracetools import observe


@observe
async def echo(request: WebSocketRequest) -> None:
    websocket = await request.accept()
    with contextlib.suppress(ConnectionClosed):
        while True:
            await websocket.send_message(answer(await websocket.get_message()))


@observe
def answer(message: str) -> str:
    return f"{message} {hashlib.sha256(message.encode() * 100_000).hexdigest()[:8]}"


async def main() -> None:
    await serve_websocket(echo, "127.0.0.1", int(sys.argv[1]), ssl_context=None)


if __name__ == "__main__":
    trio.run(main)
