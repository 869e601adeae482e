"""A picture gallery on FastAPI: one of each thing that an application does.

python fastapi_gallery.py PORT LOOP
uvicorn fastapi_gallery:app --port PORT --loop LOOP
"""

import hashlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse

from tracetools import observe, span


def work(milliseconds: int) -> str:
    digest = hashlib.sha256()
    for _ in range(milliseconds):
        digest.update(bytes(1_000_000))
    return digest.hexdigest()[:8]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    print("the gallery opens", flush=True)
    yield
    print("the gallery closes", flush=True)


app = FastAPI(lifespan=lifespan)


@observe
async def open_album() -> AsyncIterator[str]:
    work(10)
    yield "album"
    with span("close the album"):
        work(10)


@observe
def read_settings() -> Iterator[dict[str, int]]:  # sync: in a worker thread
    work(10)
    yield {"size": 64}


Album = Annotated[str, Depends(open_album)]
Settings = Annotated[dict[str, int], Depends(read_settings)]


@app.get("/picture/{number}")
@observe
async def show_picture(number: int, album: Album, settings: Settings) -> dict[str, object]:
    with span("wait for the database"):
        await anyio.sleep(0.01)
    return {"number": number, "album": album, "size": settings["size"], "digest": work(10)}


@app.get("/thumbnail/{number}")
@observe
def draw_thumbnail(number: int) -> str:  # sync: in a worker thread
    return f"{number}: {work(100)}"


@app.get("/export")
@observe
async def export_pictures() -> StreamingResponse:
    headers = {"X-Version": work(10)}
    return StreamingResponse(rows(), media_type="text/csv", headers=headers)


@observe
async def rows() -> AsyncIterator[str]:
    for number in range(3):
        await anyio.sleep(0.01)
        yield f"{number},{work(10)}\n"


@app.post("/orders")
@observe
async def take_order(background: BackgroundTasks) -> str:
    background.add_task(send_mail, "the order")
    background.add_task(print_label, "the order")
    return f"taken: {work(10)}"


@observe
async def send_mail(subject: str) -> None:
    await anyio.sleep(0.01)
    print(f"mail about {subject}: {work(10)}", flush=True)


@observe
def print_label(subject: str) -> None:  # sync: in a worker thread
    print(f"label of {subject}: {work(10)}", flush=True)


@app.websocket("/chat")
@observe
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(f"{text} {work(10)}")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop=sys.argv[2])
