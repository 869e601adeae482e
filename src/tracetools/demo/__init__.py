"""A small bookshop on the web, for `tracetools demo` to look at: a real server, real requests.

It is written as its author would, with `observe` and `span` where one wants to see them. Nothing
else of tracetools imports it, and it needs the extra ``demo``.
"""
