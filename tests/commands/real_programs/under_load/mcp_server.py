"""python mcp_server.py PORT: each handler is a tool."""

import sys

import handlers
from mcp.server.mcpserver import MCPServer

server = MCPServer("under load", log_level="WARNING")
for handler in handlers.ALL.values():
    server.tool()(handler)


if __name__ == "__main__":
    server.run("streamable-http", port=int(sys.argv[1]))
