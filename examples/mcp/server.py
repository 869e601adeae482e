"""An MCP server with three slow tools: one computes, one blocks the loop, one waits."""

import hashlib
import time

import anyio
from mcp.server.mcpserver import MCPServer

server = MCPServer("library")
pool = anyio.Semaphore(2)  # two connections to a database


@server.tool()
async def make_report(year: int) -> str:
    """Seal the report of a year."""
    return seal(20_000)


def seal(rounds):
    data = b"report"
    for _ in range(rounds):
        data = hashlib.sha256(data).digest()
    return data.hex()


@server.tool()
async def read_settings() -> bool:
    """Say whether the library is open."""
    time.sleep(0.15)  # stands for a slow disk
    return True


@server.tool()
async def find_book(number: int) -> int:
    """Look a book up."""
    async with pool:
        await anyio.sleep(0.05)  # stands for a query
    return number


if __name__ == "__main__":
    server.run("streamable-http", port=8000)
