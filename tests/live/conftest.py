"""Clears away what earlier tests have left of runs of trio.

One that dies within another run breaks it, and one that was given up is still known to its thread.
"""

import gc
import sys

import pytest
import trio


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_of_runs():
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.collect()
    sys.unraisablehook = hook
    vars(trio._core._run.GLOBAL_RUN_CONTEXT).pop("runner", None)
