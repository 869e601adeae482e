"""A running program over HTTP: an ASGI application to mount."""
