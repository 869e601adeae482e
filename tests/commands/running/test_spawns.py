"""Processes that multiprocessing starts are given an environment; others are noted."""

import os

import pytest

from tests.processes import run

PROGRAM = """
import multiprocessing, os, subprocess, sys
from tracetools.commands.running.spawns import Spawns

class Family:
    everyone = False

    def environment(self):
        return {"MARK": "given"}

    def note_unreached(self, executable, words, environment):
        print("noted", list(words)[1:], environment, flush=True)

def start(everyone=False):
    family = Family()
    family.everyone = everyone
    spawns = Spawns(family)
    spawns.start()
    return spawns

def ask(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        print(pool.apply(os.getenv, ["MARK"]), flush=True)

def plain(environment=None):
    code = "import os; print(os.getenv('MARK'), flush=True)"
    subprocess.run([sys.executable, "-S", "-c", code], env=environment)
"""

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


def said(code):
    return run(code, setup=PROGRAM, measured=False).stdout.splitlines()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_of_multiprocessing_get_it(method):
    assert said(f"start(); ask('{method}')") == ["given"]


def test_others_do_not():
    assert said("start(); plain()") == ["None"]


def test_after_the_end_none_does():
    assert said("start().end(); ask('spawn')") == ["None"]


def test_programs_are_noted_only_if_everyone_is_to_be_recorded():
    code = "import os; print(os.getenv('MARK'), flush=True)"
    noted = f"noted {['-S', '-c', code]} None"
    assert said("spawns = start(everyone=True); plain(); spawns.end(); plain()") == [
        noted,
        "None",
        "None",
    ]
