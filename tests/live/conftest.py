"""Collects what earlier tests have left: a run of trio that dies within another one breaks it."""

import gc
import sys

import pytest


@pytest.fixture(scope="module", autouse=True)
def nothing_left_to_collect():
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    gc.collect()
    sys.unraisablehook = hook
