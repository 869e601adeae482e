"""Enters a process that has no door, by `sys.remote_exec` of Python 3.14 and later.

The process runs a script of ours as soon as its main thread is between two instructions of Python.
The script imports tracetools in a thread of its own, from where this process has it: `sys.path`
stays as it is. Then it connects to a socket in a private folder of ours, which is removed at once.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import tracetools
from tracetools.commands import CommandError
from tracetools.commands.attaching.waking import wake
from tracetools.core.errors import DoorError
from tracetools.door import peers
from tracetools.door.client import Connection
from tracetools.door.protocol import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UnreachedError", "enter"]

_PATIENCE: Final = 5.0
"""Seconds until the main thread of the process has run the script."""

_BEFORE_WAKING: Final = 0.5
"""Seconds: a program that has something to do has run Python by then."""

_PTRACE_SCOPE: Final = Path("/proc/sys/kernel/yama/ptrace_scope")

_SCRIPT: Final = """\
def enter(folder, files, package, refusal):
    import os
    import socket
    import sys

    def sweep():
        for name in files:
            try:
                os.unlink(os.path.join(folder, name))
            except OSError:
                pass
        try:
            os.rmdir(folder)
        except OSError:
            pass

    def import_package():
        from importlib.util import module_from_spec, spec_from_file_location

        init = os.path.join(package, "__init__.py")
        how = {"submodule_search_locations": [package]}
        spec = spec_from_file_location("tracetools", init, **how)
        module = sys.modules["tracetools"] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules["tracetools"]
            raise

    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.path.join(folder, files[0]))
    except OSError:  # who has entered is gone
        connection.close()
        return
    finally:
        sweep()  # also if who has entered is killed from now on
    try:
        if "tracetools" not in sys.modules:
            import_package()
        from tracetools.door.entered import serve_one
    except BaseException as error:
        text = (type(error).__name__ + ": " + str(error))[:1000]
        line = refusal % text.encode("ascii", "replace").translate(None, b'"\\\\\\n')
        try:
            connection.send(line, getattr(socket, "MSG_NOSIGNAL", 0))
        except OSError:
            pass
        connection.close()
    else:
        serve_one(connection)


def start():
    from _thread import start_new_thread

    try:
        start_new_thread(enter, ARGUMENTS)
    except RuntimeError:
        pass


start()
"""

_SOCKET: Final = "door.sock"
_NAME: Final = "enter.py"
_FILES: Final = (_SOCKET, _NAME)

_REFUSED: Final = b'{"tracetools": 1, "bytes": 0, "refused": "entry", "text": "%s"}\n'


class UnreachedError(CommandError):
    """The process does not come to a point where it would run a script."""


def enter(pid: int, uid: int, patience: float = _PATIENCE) -> Connection:
    """Return a connection to a process that has no door.

    Args:
        pid: the process.
        uid: the number of its user.
        patience: seconds until its main thread runs Python.

    Raises:
        UnreachedError: it does not.
        CommandError, DoorError: it cannot be entered.
    """
    with _private_folder(uid) as folder, socket.socket(socket.AF_UNIX) as listening:
        path = folder / _SOCKET
        listening.bind(os.fspath(path))
        path.chmod(0o600)
        listening.listen(1)
        script = folder / _NAME
        script.write_text(_script(folder), "utf-8")
        script.chmod(0o600)
        for each in (path, script):
            _give(each, uid)
        _remote_exec(pid, os.fspath(script))
        connected = _await(listening, pid, patience)
    return _greeted(connected, pid, uid)


def _script(folder: Path) -> str:
    package = os.path.dirname(os.path.abspath(tracetools.__file__))
    arguments = (os.fspath(folder), _FILES, package, _REFUSED)
    return _SCRIPT.replace("ARGUMENTS", repr(arguments))


def _sweep(folder: Path) -> None:
    """Remove a folder and what there is in it; the process may have done so."""
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _private_folder(uid: int) -> Iterator[Path]:
    """Make a folder that only a user can enter, and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tracetools-"))  # with mode 0700
    try:
        _give(folder, uid)
        yield folder
    finally:
        _sweep(folder)


def _give(path: Path, uid: int) -> None:
    """Let root's files be the user's whose process is entered."""
    if uid != os.geteuid():
        os.chown(path, uid, -1)


def _remote_exec(pid: int, script: str) -> None:
    """Have a process run a script.

    Raises:
        CommandError: the system or the process does not let it.
    """
    remote_exec: Any = getattr(sys, "remote_exec")  # noqa: B009  # mypy reads for older Pythons
    try:
        remote_exec(pid, script)
    except PermissionError:
        raise CommandError(f"the process {pid} may not be entered: {_who_may()}") from None
    except (RuntimeError, OSError) as error:
        raise CommandError(
            f"the process {pid} cannot be entered: {_in_words(error)}; call tracetools.serve() in"
            " it, or start it by 'tracetools run --serve'"
        ) from None


def _who_may() -> str:
    """Return why the system does not let us, and what to do."""
    with contextlib.suppress(OSError, ValueError):
        scope = int(_PTRACE_SCOPE.read_text())
        if scope:
            return (
                f"kernel.yama.ptrace_scope is {scope}; run this command as root, or open a door in"
                " the program by tracetools.serve()"
            )
    return (
        "that takes the rights to debug it: be its user, with CAP_SYS_PTRACE in a container, or"
        " open a door in the program by tracetools.serve()"
    )


def _in_words(error: Exception) -> str:
    text = str(error)
    if "not enabled" in text or "disabled" in text:
        return "its Python was told or built to let nobody in"
    return " ".join(text.split()) or type(error).__name__


def _await(listening: socket.socket, pid: int, patience: float) -> socket.socket:
    """Wait for the process to connect; wake it if it is idle.

    Raises:
        UnreachedError: it does not.
    """
    listening.settimeout(min(_BEFORE_WAKING, patience))
    with contextlib.suppress(TimeoutError):
        return listening.accept()[0]
    wake(pid)
    listening.settimeout(patience)
    try:
        connected, _ = listening.accept()
    except TimeoutError:
        with contextlib.suppress(CommandError):
            _remote_exec(pid, os.devnull)  # in the place of the script, which is going to be gone
        raise UnreachedError(
            f"the process {pid} does not come to run Python in its main thread: it is stopped, or"
            " in C code, where it waits for events or blocks; try again, wake it by a request, or"
            " open a door in the program by tracetools.serve()"
        ) from None
    return connected


def _greeted(connected: socket.socket, pid: int, uid: int) -> Connection:
    """Return the connection to who has connected.

    Raises:
        DoorError: it is somebody else, or could not import tracetools.
    """
    peer = peers.peer_of(connected)
    if peer is not None and (peer.uid != uid or peer.pid not in (0, pid)):
        connected.close()
        raise DoorError(f"the process {peer.pid} has answered in the place of {pid}: not used")
    connection = Connection(connected)
    try:
        connection.greeting()
    except RefusedError as refused:
        connection.close()
        raise DoorError(
            f"tracetools cannot be imported in the process {pid}: {refused.text}; another version"
            " of it is imported there perhaps: open a door in the program by tracetools.serve()"
        ) from None
    except BaseException:
        connection.close()
        raise
    return connection
