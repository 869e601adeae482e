"""python tornado_server.py PORT."""

import asyncio
import sys

import handlers
from tornado.web import Application, RequestHandler


class Endpoint(RequestHandler):
    async def get(self, name):
        self.write(await handlers.ALL[name]())


async def main():
    Application([("/(.*)", Endpoint)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
