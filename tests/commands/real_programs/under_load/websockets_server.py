"""python websockets_server.py PORT: each message names a handler."""

import asyncio
import sys

import handlers
from websockets.asyncio.server import serve


async def serve_client(websocket):
    async for name in websocket:
        await websocket.send(await handlers.ALL[name]())


async def main():
    async with serve(serve_client, "127.0.0.1", int(sys.argv[1])) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
