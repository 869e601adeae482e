"""An application on quart-trio, under hypercorn.

python quart_notes.py PORT
hypercorn --worker-class trio --workers 0 --bind 127.0.0.1:PORT quart_notes:app
"""

import hashlib
import signal
import sys

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import websocket
from quart_trio import QuartTrio

from tracetools import observe, span

app = QuartTrio(__name__)


@app.while_serving
async def keep_open():
    print("the notes are open", flush=True)
    yield
    print("the notes are closed", flush=True)


@app.get("/note/<int:number>")
@observe
async def show_note(number):
    with span("wait for the database"):
        await trio.sleep(0.001)
    app.nursery.start_soon(index, number)
    return {"number": number, "digest": digest(number)}


@app.get("/picture/<int:number>")
@observe
def draw_picture(number):  # sync: in a worker thread
    return digest(number)


@app.websocket("/chat")
@observe
async def chat():
    await websocket.accept()
    while True:
        await websocket.send(f"{await websocket.receive()} {digest(1)}")


async def index(number):
    await trio.sleep(0)
    print(f"indexed {number}: {digest(number)}", flush=True)


def digest(number):
    return hashlib.sha256(bytes([number]) * 3_000_000).hexdigest()[:8]


async def signalled():
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


async def main(port):
    config = Config()
    config.bind = f"127.0.0.1:{port}"
    await serve(app, config, shutdown_trigger=signalled)


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
