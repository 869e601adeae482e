"""Has a profile drawn in a process of its own: a second of Python would keep every loop waiting.

A thread that computes gives up the GIL 5 ms after another one asks for it; so each `select` and
each `send` of the loop would take as long. The profile goes to the process as JSON, through a pipe.
Where no process can be started, a thread draws after all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tracetools.core.errors import NoStacksError, TracetoolsError
from tracetools.guest.pace import Pace
from tracetools.output.formats.profile_json import format_profile

if TYPE_CHECKING:
    from tracetools.core.profile import Lens, Profile

__all__ = ["Drawn", "render"]

_PATIENCE: Final = 60.0
"""Seconds that a process may take."""

_CODE: Final = (
    "import sys, os; sys.path.append(sys.argv.pop(1)); getattr(os, 'nice', lambda _: 0)(5);"
    " from tracetools.web.drawing import main; main()"
)
"""It makes way for the program, where there are too few processors. Python's own
modules come first, whatever else is installed where we are."""

_ROOT: Final = str(Path(__file__).resolve().parents[2])
"""Where the package is."""

_NOTHING: Final = 3


class Drawn(NamedTuple):
    """What was drawn, and what the content security policy must allow for it."""

    body: bytes
    policy: str


def render(what: str, lens: Lens, profile: Profile) -> Drawn:
    """Return what is made of a profile; see `tracetools.web.drawing.draw`.

    Raises:
        NoStacksError: there is nothing to draw.
        TracetoolsError: it takes too long, or cannot be drawn.
    """
    with Pace():
        data = format_profile(profile).encode("ascii")
    command = _command()
    if command is not None:
        try:
            return _drawn_by([*command, what, lens], data)
        except OSError:  # no process can be started here
            pass
    from tracetools.web.drawing import draw, policy_of  # noqa: PLC0415  # takes a while

    return Drawn(draw(what, lens, profile), policy_of(what))


def _command() -> list[str] | None:
    """Return what starts a Python that is not recorded; ``None`` if that is not known."""
    python = sys.executable or ""
    if not os.path.basename(python).lower().startswith(("python", "pypy")):
        return None  # a server that has an interpreter within, for example
    return [python, "-I", "-S", "-c", _CODE, _ROOT]


def _drawn_by(command: list[str], data: bytes) -> Drawn:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("TRACETOOLS_")
    }
    with subprocess.Popen(  # noqa: S603  # ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            out, said = process.communicate(data, _PATIENCE)
        except subprocess.TimeoutExpired:
            raise TracetoolsError(
                f"it took more than {_PATIENCE:g} seconds to draw: record for less time"
            ) from None
        finally:
            process.kill()
    if process.returncode == _NOTHING:
        raise NoStacksError(said.decode(errors="replace"))
    if process.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:500]
        raise TracetoolsError(f"it could not be drawn: {last or process.returncode}")
    policy, _, body = out.partition(b"\n")
    return Drawn(body, policy.decode())
