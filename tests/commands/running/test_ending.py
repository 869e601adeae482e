"""The last work is done however a process ends by itself, once and in time."""

import os

import pytest

from tests.processes import run

SETUP = """
import atexit, os, sys
from tracetools.commands.running.ending import Ending

def work():
    print("last work", flush=True)

def before_exec(path, argv, environment):
    print("becomes", os.path.basename(path), list(argv[1:]), environment, flush=True)
    return lambda: print("stays", flush=True)

Ending(work, before_exec).start()
"""

unix = pytest.mark.skipif(os.name != "posix", reason="a matter of Unix")


def ended(code):
    done = run(code, setup=SETUP, check=False, measured=False)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_it_comes_after_all_that_the_program_does_at_its_exit():
    code = "atexit.register(print, 'first', flush=True)\nsys.exit(3)"
    assert ended(code) == (3, ["first", "last work"], "")


@pytest.mark.parametrize("words", ["os._exit(4)", "os._exit(status=4)"])
def test_it_comes_before_os_exit(words):
    assert ended(words) == (4, ["last work"], "")


def test_os_exit_with_a_wrong_argument_is_an_error_of_the_programs():
    code = """
try:
    os._exit("wrong")
except TypeError as error:
    # before Python 3.11, frames cannot be taken out
    print(sys.version_info < (3, 11) or error.__traceback__.tb_next is None, flush=True)
"""
    status, said, errors = ended(code)
    assert (status, said, errors) == (0, ["True", "last work"], "")


def test_the_program_goes_on_after_a_status_that_is_too_large():
    code = """
try:
    os._exit(1 << 31)
except OverflowError:
    print("goes on", flush=True)
"""
    assert ended(code) == (0, ["goes on", "last work"], "")


PYTHON = "[sys.executable, '-S', '-c', 'print(7)']"


@unix
@pytest.mark.parametrize(
    ("call", "environment"),
    [
        (f"os.execv(sys.executable, {PYTHON})", "None"),
        (f"os.execve(sys.executable, {PYTHON}, {{'A': '1'}})", "{'A': '1'}"),
        (f"os.execvp(sys.executable, {PYTHON})", "None"),
        (f"os.execlp(sys.executable, *{PYTHON})", "None"),
        (f"os.execle(sys.executable, *{PYTHON}, {{}})", "{}"),
    ],
)
def test_what_the_process_becomes_is_known_before(call, environment):
    status, (becomes, seven), errors = ended(call)
    assert becomes.startswith("becomes python")
    assert becomes.endswith(f"['-S', '-c', 'print(7)'] {environment}")
    assert (status, seven, errors) == (0, "7", "")


@unix
def test_a_process_that_cannot_become_another_goes_on():
    code = """
try:
    os.execv("/nowhere", ["a"])
except FileNotFoundError as error:
    # before Python 3.11, frames cannot be taken out
    print(sys.version_info < (3, 11) or error.__traceback__.tb_next is None, flush=True)
"""
    said = ["becomes nowhere [] None", "stays", "True", "last work"]
    assert ended(code) == (0, said, "")


@unix
def test_the_functions_are_members_of_the_sets_that_they_were_in():
    assert ended("print(os.execve in os.supports_fd, flush=True)")[1] == ["True", "last work"]
