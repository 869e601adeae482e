"""What is known of a process from the outside."""

from __future__ import annotations

import os
import sys

import pytest

from tracetools.commands.attaching import target


@pytest.mark.parametrize(
    ("executable", "maps", "version"),
    [
        ("/usr/bin/python3.11", "", (3, 11)),
        ("/usr/bin/python3", "7f00-7f01 r-xp 0 0 0 /usr/lib/libpython3.14.so.1.0", (3, 14)),
        ("/opt/app", "/opt/lib/python3.13/lib-dynload/_heapq.so", (3, 13)),
        ("/opt/app", "/x/_speedups.cpython-312-x86_64-linux-gnu.so", (3, 12)),
        ("/usr/bin/sleep", "7f00-7f01 r-xp 0 0 0 /usr/lib/libc.so.6", None),
    ],
)
def test_the_version_of_a_python_is_seen(executable, maps, version):
    assert target.version_of(executable, maps) == version


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says it")
def test_this_process_is_seen():
    found = target.look_at(os.getpid())
    assert found.version == sys.version_info[:2]
    assert found.executable == os.path.realpath(sys.executable)
    assert not found.is_elsewhere


def test_what_cannot_be_seen_is_not_known():
    found = target.look_at(2**30)
    assert (found.is_seen, found.version, found.python) == (False, None, "its Python")


def test_another_container_is_told(monkeypatch):
    monkeypatch.setattr(os, "readlink", str)
    assert target._is_elsewhere(1)


def test_where_namespaces_are_not_said_files_are_the_same():
    assert not target._is_elsewhere(2**30)
