"""Shows what a program sees of how it was started."""

# this is what it is for

import builtins
import json
import os
import signal
import sys

main = sys.modules["__main__"]
seen = {
    "arguments": sys.argv,
    "path": sys.path,
    "main": main.__dict__ is globals(),
    "file": globals().get("__file__"),
    "names": sorted(globals()),
    "name": __name__,
    "doc": __doc__,
    "package": __package__,
    "spec": repr(getattr(__spec__, "name", None)),
    "loader": getattr(__loader__, "__name__", type(__loader__).__name__),
    "builtins": __builtins__ is builtins,
    "cached": globals().get("__cached__"),
    "flags": list(sys.flags),
    "folder": os.getcwd(),
    "hook": sys.excepthook is sys.__excepthook__,
    "ctrl-c": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "backends": sorted({"trio", "asyncio", "anyio", "sniffio"} & set(sys.modules)),
    "streams": [(stream.errors, stream.encoding) for stream in (sys.stdout, sys.stderr)],
}
print(json.dumps(seen, indent=1))
