"""Starts to record a Python program that finds this on its ``PYTHONPATH``.

Then it leaves `sys.path`, and the program's own `sitecustomize` is imported in its place. Only the
standard library may be imported here before it is known which Python this is.
"""


def _start() -> None:
    import contextlib
    import json
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != here]
    with contextlib.suppress(Exception):  # it is not recorded
        folder = os.path.dirname(os.environ["TRACETOOLS_PROCESS"])
        with open(os.path.join(folder, "plan.json"), encoding="utf-8") as file:
            plan = json.load(file)
        theirs, sys.path = sys.path, plan["path"]
        try:
            if plan["version"] == list(sys.version_info[:2]):
                from tracetools.commands.running.startup import start

                start()
        finally:
            sys.path = theirs


def _import_other() -> None:
    """Import the program's own, or else say what Python expects where there is none."""
    import sys

    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except BaseException:
        sys.modules["sitecustomize"] = ours  # the import that goes on takes it away
        raise


_start()
_import_other()
