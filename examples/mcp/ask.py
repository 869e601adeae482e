"""Call the tools of the server, several at once: `python ask.py [ADDRESS]`."""

import sys

import anyio
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

CALLS = [("make_report", {"year": 2024})] * 10 + [("find_book", {"number": 7})] * 20


async def main(address):
    async with (
        streamable_http_client(f"{address}/mcp") as (receive, send),
        ClientSession(receive, send) as session,
    ):
        await session.initialize()
        async with anyio.create_task_group() as group:
            for name, arguments in [*CALLS, ("read_settings", {}), ("read_settings", {})]:
                group.start_soon(session.call_tool, name, arguments)
    print(len(CALLS) + 2, "calls")


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:] or ["http://127.0.0.1:8000"])
