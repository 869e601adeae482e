"""`FlamegraphInstrument`: records trio runs by trio's own means."""

from __future__ import annotations

import os  # `inspect` evaluates it
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tracetools.instruments.trio import TrioInstrument
from tracetools.session.options import Options, describe, initialiser_taking
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path

    from tracetools.core.profile import Profile
    from tracetools.output.flamegraph import Flamegrapher

__all__ = ["FlamegraphInstrument"]


@dataclass(frozen=True)
class _Arguments(Options):
    """What `FlamegraphInstrument` takes."""

    stack_file: str | os.PathLike[str]


class FlamegraphInstrument(TrioInstrument):
    """Records where the time of trio runs goes, by task and by span, into a folded stack file.

    Use it as ``trio.run(main, instruments=[FlamegraphInstrument("stack")])``, return it from a
    pytest-trio fixture, pass it through anyio's ``backend_options`` (anyio 4.14 and later), or add
    it to a running loop with `trio.lowlevel.add_instrument`. Several runs, one after another or
    side by side in several threads, add up. The file is written when a run ends, when the
    instrument is removed, at each flush, and at the exit of the process.

    Counterpart of trace-tools' ``FlamegraphLayer``.

    Args:
        stack_file: where the stacks go; the suffix becomes ``.folded``. The file is created here.
        {options}

    Raises:
        StackFileError: the stack file cannot be written.
        ValueError, TypeError: an option has no such value.
    """

    @initialiser_taking(_Arguments)
    def __init__(self, arguments: _Arguments) -> None:
        recording = Recording(arguments.stack_file, arguments)
        super().__init__(recording)
        self._session = recording

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now; can be asked for at any time, from any thread."""
        return self._session.profile

    @property
    def flamegrapher(self) -> Flamegrapher:
        """A `Flamegrapher` with its stack file set, which marks what blocked the loop."""
        return self._session.flamegrapher

    def write(self) -> Path:
        """Write the stack file now, and return its path.

        Raises:
            StackFileError: it cannot be written; the last good one is still there.
        """
        return self._session.write()


FlamegraphInstrument.__doc__ = describe(FlamegraphInstrument.__doc__)
