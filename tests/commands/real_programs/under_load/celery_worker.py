"""celery -A celery_worker worker --concurrency 1: a worker that forks, with a broker of files."""

import asyncio
import os

import handlers
from celery import Celery

for folder in ("queue", "results"):
    os.makedirs(folder, exist_ok=True)
app = Celery(
    broker="filesystem://",
    backend="file://results",
    broker_transport_options={"data_folder_in": "queue", "data_folder_out": "queue"},
)


@app.task
def call(name):
    handlers.line = asyncio.Lock()  # one for each loop
    return asyncio.run(handlers.ALL[name]())
