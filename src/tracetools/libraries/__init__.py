"""Puts spans into libraries of others: routes of web frameworks, tools of MCP servers, and others.

One module per library knows where its spans go; `registry` has the table. No library is imported
here: what a program has imported is found in `sys.modules`.
"""
