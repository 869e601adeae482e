"""The bookshop of ``tracetools demo``, for the programs in this folder: ``uvicorn shop:app``.

It needs the extra ``demo``. Its database answers after 30 ms. The page of a book takes four answers
one after another, so at least 120 ms.
"""

from tracetools.demo.app import make_app
from tracetools.demo.database import Database

app = make_app(Database(connections=100, latency=0.03))
