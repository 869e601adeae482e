"""A running program over HTTP: an ASGI application to mount.

`messages` knows ASGI, `access` who may see anything, `queries` what is asked for. `recordings` has
what is recorded for a request, `always` what is recorded all the time, `rendering` the process that
draws. `app` puts them together.
"""
