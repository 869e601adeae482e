"""An MCP server over streamable HTTP, with a tool of each kind.

python mcp_calculator.py PORT
"""

import hashlib
import sys

import anyio
from mcp.server.mcpserver import Context, MCPServer

from tracetools import observe, span

server = MCPServer("calculator")


def work(text: str, rounds: int = 10_000) -> str:
    for _ in range(rounds):
        text = hashlib.sha256(text.encode()).hexdigest()
    return text


@server.tool()
@observe
async def add(first: int, second: int) -> int:
    """Add two numbers."""
    await anyio.sleep(0.001)
    with span("carry the one"):
        work(f"{first} + {second}")
    return first + second


@server.tool()
@observe
def digest(text: str, rounds: int) -> str:  # sync: in a worker thread
    """Hash a text over and over."""
    return work(text, rounds)


@server.tool()
@observe
async def count_down(start: int, context: Context) -> str:
    """Count down, and report how far it is."""
    for done in range(start):
        work(f"{done}")
        await context.report_progress(done, start)
    return "lift off"


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]))
