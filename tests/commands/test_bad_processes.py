"""Processes that cannot be looked into: each is told in a sentence."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess

import pytest

from tests.door.conftest import runtime
from tracetools.__main__ import main
from tracetools.door import folder

__all__ = ["runtime"]

NOBODY = 65534
root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else"
)


def told(*words):
    """Return the status of a command, and what it says of errors."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        status = main([*words])
    return status, errors.getvalue()


def told_to_nobody(*words):
    """Return what a command says to another user. It is forked, so that it need not read files."""
    told(*words)  # imports what it needs
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writes, told(*words)[1].encode())
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "60"]) as process:
        yield str(process.pid)
        process.kill()


@pytest.mark.parametrize("command", ["attach", "dump"])
def test_a_process_without_python(runtime, sleeper, command):
    status, errors = told(command, sleeper)
    assert status == 2
    assert errors.startswith(f"tracetools: the process {sleeper} (/")
    assert "runs no Python" in errors
    assert errors.count("\n") == 1


@root
@pytest.mark.parametrize("words", [["attach", "-o", os.devnull], ["dump"]])
def test_a_process_of_another_user(runtime, sleeper, words):
    assert told_to_nobody(*words, sleeper) == (
        f"tracetools: the process {sleeper} belongs to another user: be that user, or root\n"
    )


@root
def test_a_folder_that_somebody_else_has_made(runtime):
    inside = folder.own_folder()
    inside.mkdir(0o700)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(inside / folder.socket_name(os.getpid())))
        os.chown(inside, NOBODY, NOBODY)
        status, errors = told("dump", str(os.getpid()))
    assert status == 2
    assert f"{inside} is no folder that only the user 0 can enter: it is not used" in errors


@root
def test_a_socket_that_somebody_else_has_made(runtime):
    inside = folder.own_folder()
    inside.mkdir(0o700)
    path = inside / folder.socket_name(os.getpid())
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))
        os.chown(path, NOBODY, NOBODY)
        status, errors = told("dump", str(os.getpid()))
    assert status == 2
    assert f"{path} was not made by the process {os.getpid()}: remove it" in errors


@pytest.mark.parametrize("what", ["folder", "socket"])
def test_links_are_not_followed(runtime, tmp_path, what):
    inside = folder.own_folder()
    path = inside / folder.socket_name(os.getpid())
    if what == "folder":
        other = runtime / "other"
        other.mkdir(0o700)
        (other / path.name).touch()
        inside.symlink_to(other)
    else:
        inside.mkdir(0o700)
        path.symlink_to(tmp_path)
    status, errors = told("dump", str(os.getpid()))
    assert status == 2
    assert "remove it" in errors
    assert path.exists()
