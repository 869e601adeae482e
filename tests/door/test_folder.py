"""Where sockets are: nobody else can enter, and what others made is refused."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from tracetools.core.errors import DoorError
from tracetools.door import folder


def listening(path):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def owned_by_another(monkeypatch, changed):
    """Let one path belong to another user."""
    path_type = type(changed)
    real = {name: getattr(path_type, name) for name in ("lstat", "stat")}

    def faked(name):
        def call(path, **how):
            found = real[name](path, **how)
            if path != changed:
                return found
            return os.stat_result([*found[:4], os.geteuid() + 1, *found[5:10]])

        return call

    for name in real:
        monkeypatch.setattr(path_type, name, faked(name))


def test_it_is_in_the_runtime_folder_of_the_user(runtime):
    assert folder.own_folder() == runtime / "tracetools"


@pytest.mark.parametrize("variable", ["", "relative", "/nowhere/at/all"])
def test_else_among_temporary_files(monkeypatch, variable):
    monkeypatch.setenv("XDG_RUNTIME_DIR", variable)
    assert folder.own_folder().name == f"tracetools-{os.geteuid()}"


def test_it_is_made_so_that_nobody_else_can_enter(runtime):
    inside = runtime / "tracetools"
    folder.make_folder(inside)
    folder.make_folder(inside)
    assert stat.S_IMODE(inside.stat().st_mode) == 0o700


def test_a_link_is_refused(runtime):
    (runtime / "other").mkdir(0o700)
    (runtime / "tracetools").symlink_to("other")
    with pytest.raises(DoorError, match="it is a link; remove it, or set XDG_RUNTIME_DIR"):
        folder.make_folder(runtime / "tracetools")


def test_a_file_is_refused(runtime):
    (runtime / "tracetools").touch()
    with pytest.raises(DoorError, match="no folder for the door can be made at"):
        folder.make_folder(runtime / "tracetools")


def test_a_folder_that_others_can_enter_is_refused(runtime):
    inside = runtime / "tracetools"
    inside.mkdir()
    inside.chmod(0o710)
    with pytest.raises(DoorError, match=r"others may enter it \(mode 0710\); chmod 700 it"):
        folder.make_folder(inside)


def test_a_folder_of_another_user_is_refused(runtime, monkeypatch):
    inside = runtime / "tracetools"
    inside.mkdir(0o700)
    owned_by_another(monkeypatch, inside)
    with pytest.raises(DoorError, match=f"it belongs to the user {os.geteuid() + 1}; set XDG"):
        folder.make_folder(inside)


def test_a_folder_in_one_of_another_user_is_refused(runtime, monkeypatch):
    owned_by_another(monkeypatch, runtime)
    if os.geteuid() + 1 == 0:
        pytest.skip("that is root")
    with pytest.raises(DoorError, match="the folder around it belongs to the user"):
        folder.make_folder(runtime / "tracetools")


def test_a_folder_that_others_can_rename_is_refused(runtime):
    runtime.chmod(0o777)
    with pytest.raises(DoorError, match="others may rename it"):
        folder.make_folder(runtime / "tracetools")
    runtime.chmod(0o1777)
    folder.make_folder(runtime / "tracetools")


def test_a_path_that_is_free_can_be_claimed(runtime):
    folder.claim(runtime / "1.sock")


def test_a_stale_socket_of_ours_is_removed(runtime):
    path = runtime / "1.sock"
    listening(path).close()
    folder.claim(path)
    assert not path.exists()


def test_a_socket_in_use_is_refused(runtime):
    path = runtime / "1.sock"
    with listening(path), pytest.raises(DoorError, match="is open already"):
        folder.claim(path)
    assert path.exists()


@pytest.mark.parametrize(
    "make", [lambda p: p.touch(), lambda p: p.mkdir(), lambda p: p.symlink_to("x")]
)
def test_what_is_no_socket_is_refused(runtime, make):
    path = runtime / "1.sock"
    make(path)
    with pytest.raises(DoorError, match="was not made by tracetools; remove it"):
        folder.claim(path)
    assert os.path.lexists(path)


def test_a_socket_of_another_user_is_refused(runtime, monkeypatch):
    path = runtime / "1.sock"
    listening(path).close()
    owned_by_another(monkeypatch, path)
    with pytest.raises(DoorError, match="was not made by tracetools; remove it"):
        folder.claim(path)
    assert path.exists()


def test_a_path_that_is_too_long_is_refused(runtime):
    with pytest.raises(DoorError, match="too long for a socket; set XDG_RUNTIME_DIR"):
        folder.claim(runtime / ("x" * 100))


def test_sockets_of_dead_processes_are_tidied_up_and_nothing_else(runtime):
    dead, alive, other = (runtime / f"{pid}.sock" for pid in (2**30, os.getpid(), 2**30 + 1))
    listening(dead).close()
    listening(alive).close()
    other.touch()
    with listening(runtime / f"{2**30 + 2}.sock"):  # in another container
        folder.tidy(runtime)
    assert sorted(runtime.iterdir()) == sorted([alive, other, runtime / f"{2**30 + 2}.sock"])


def test_a_folder_that_is_not_there_is_tidy():
    folder.tidy(folder.Path("/nowhere/at/all"))


def test_a_socket_that_was_made_anew_is_not_removed(runtime):
    path = runtime / "1.sock"
    path.touch()
    made = path.lstat()
    path.rename(runtime / "kept")
    path.touch()
    folder.remove(path, made)
    assert path.exists()
    folder.remove(runtime / "kept", made)
    folder.remove(runtime / "kept", made)
    assert not (runtime / "kept").exists()


def test_a_door_is_looked_for_where_the_program_may_have_made_it(monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/mine")
    found = folder.folders_of(7, {"XDG_RUNTIME_DIR": "/run/theirs", "TMPDIR": "relative"})
    assert [str(each) for each in found[:3]] == [
        "/run/theirs/tracetools",
        "/run/mine/tracetools",
        "/run/user/7/tracetools",
    ]
    assert folder.Path("/tmp/tracetools-7") in found  # noqa: S108
