"""Both cores in one process: two copies of tracetools, one on the native core, one on Python."""

from __future__ import annotations

import importlib
import os
import sys
from types import SimpleNamespace
from unittest.mock import patch

COPIED = ("tracetools", "tests.strategies")


def load(*, pure: bool, modules: tuple[str, ...]) -> SimpleNamespace:
    """Import modules anew, on one of the cores; return them by the last part of their name."""
    kept = {name: sys.modules.pop(name) for name in tuple(sys.modules) if name.startswith(COPIED)}
    try:
        with patch.dict(os.environ, TRACETOOLS_PURE="1" if pure else "0"):
            found = {name.rpartition(".")[2]: importlib.import_module(name) for name in modules}
    finally:
        for name in tuple(sys.modules):
            if name.startswith(COPIED):
                del sys.modules[name]
        sys.modules.update(kept)
    return SimpleNamespace(**found)
