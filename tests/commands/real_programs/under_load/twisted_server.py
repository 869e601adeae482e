"""python twisted_server.py PORT: on asyncio's reactor."""

import asyncio
import sys

import handlers
from twisted.internet import asyncioreactor

asyncioreactor.install(asyncio.new_event_loop())

from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred, ensureDeferred  # noqa: E402
from twisted.web.resource import Resource  # noqa: E402
from twisted.web.server import NOT_DONE_YET, Site  # noqa: E402


class Endpoint(Resource):
    isLeaf = True  # noqa: N815  # Twisted's name

    def __init__(self, handler):
        super().__init__()
        self.handler = handler

    def render_GET(self, request):  # noqa: N802  # Twisted's name
        ensureDeferred(self.answer(request))
        return NOT_DONE_YET

    async def answer(self, request):
        if self.handler is handlers.queues:  # asyncio's lock wants asyncio's task
            text = await Deferred.fromFuture(asyncio.ensure_future(handlers.queues()))
        else:
            text = await self.handler()
        request.write(text.encode())
        request.finish()


root = Resource()
for name, handler in handlers.ALL.items():
    root.putChild(name.encode(), Endpoint(handler))

if __name__ == "__main__":
    reactor.listenTCP(int(sys.argv[1]), Site(root), interface="127.0.0.1")
    reactor.run()
