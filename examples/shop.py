"""The bookshop of ``tracetools demo``, for the programs beside it to ask: ``uvicorn shop:app``.

It needs the extra ``demo``. Its database answers after 30 ms, so that a book's page, which takes
four answers one after another, takes 120 ms at least.
"""

from tracetools.demo.app import make_app
from tracetools.demo.database import Database

app = make_app(Database(connections=100, latency=0.03))
