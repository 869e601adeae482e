"""python quart_app.py PORT."""

import sys

import handlers
from quart import Quart

app = Quart(__name__)
for name, handler in handlers.ALL.items():
    app.add_url_rule(f"/{name}", view_func=handler)

if __name__ == "__main__":
    app.run(port=int(sys.argv[1]), use_reloader=False)
