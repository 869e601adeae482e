"""What a child of multiprocessing does before it ends."""

from __future__ import annotations

import multiprocessing.util
import os

import pytest

from tests.processes import run
from tracetools.minutes.child_ends import ChildEnds

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
import multiprocessing, os
from tracetools.minutes.child_ends import ChildEnds

def job(status):
    raise SystemExit(status)

def work():
    print("last work", os.getpid() != parent, flush=True)

parent = os.getpid()
ends = ChildEnds(work)
ends.start()

def fork(status):
    child = multiprocessing.get_context("fork").Process(target=job, args=[status])
    child.start()
    child.join()
    print(child.exitcode, flush=True)
"""


def said(code: str) -> list[str]:
    return run(code, setup=PROGRAM).stdout.splitlines()


@pytest.mark.parametrize("status", [0, 3])
def test_the_work_is_done_in_each_child_and_not_in_the_parent(status):
    assert said(f"fork({status}); fork({status})") == ["last work True", str(status)] * 2


def test_it_is_done_where_multiprocessing_is_imported_later():
    code = """
import sys
from tracetools.minutes.child_ends import ChildEnds
assert "multiprocessing" not in sys.modules
ends = ChildEnds(lambda: print("last work", flush=True))
ends.start()
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=print, args=["works"])
child.start()
child.join()
"""
    done = run(code, measured=False)  # coverage imports it
    assert sorted(done.stdout.split("\n")) == ["", "last work", "works"]


def test_after_the_end_it_is_not_done():
    assert said("ends.end(); fork(0)") == ["0"]


def test_nothing_is_kept_of_an_object_that_is_gone():
    registry = multiprocessing.util._afterfork_registry
    before = len(registry)
    ends = ChildEnds(print)
    ends.start()
    assert len(registry) == before + 1
    ends.end()
    del ends
    assert len(registry) == before
