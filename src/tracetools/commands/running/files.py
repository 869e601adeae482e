"""The files of `tracetools run` while the program runs: those that can be written often follow it.

So a program that is killed leaves the stacks and the profile of the last flush. Reports and graphs
take longer to write, and are made at the end.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from tracetools.commands.running.formats import Look
from tracetools.output.formats.files import Rescue
from tracetools.output.stack_file import StackFile
from tracetools.session.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracetools.commands.running.outputs import Outputs
    from tracetools.core.profile import Profile
    from tracetools.guest.messages import Messages
    from tracetools.session.options import Options

__all__ = ["RunRecording"]


class RunRecording(Recording):
    """A recording that goes into several files.

    Args:
        outputs: the files, which can be written.
        options: what is recorded.
        messages: where messages go.
    """

    def __init__(self, outputs: Outputs, options: Options, *, messages: Messages) -> None:
        super().__init__(None, options, closes=True, messages=messages)
        self._file = _RunFiles(outputs, self.recorder.profile, options)
        self._file.messages = messages


class _RunFiles(StackFile):
    """Files that follow a recording, as a stack file does. None is made before it is written."""

    def __init__(self, outputs: Outputs, snapshot: Callable[[], Profile], options: Options) -> None:
        self._outputs = outputs
        self._look = Look(options.lens, options.labels)
        first = (outputs.flushed or [*outputs])[0]
        super().__init__(first.path, snapshot, flush_interval=options.flush_interval)
        self._is_stream = not outputs.flushed

    def _create(self) -> None:
        """Make nothing: the outputs are checked."""

    def discard(self) -> None:
        """Do nothing: no file is made before it is written."""

    def _store(self, profile: Profile) -> None:
        """Write each file, also if another one cannot be written."""
        with contextlib.ExitStack() as stack:
            for output in reversed(self._outputs.flushed):
                stack.callback(output.write, output.path, profile, self._look)
        self._was_written = True

    def _rescue(self) -> None:
        """Write what cannot be written into a temporary folder. Say where it is then."""
        rescue, profile = Rescue(), self._snapshot()
        for output in self._outputs.flushed:
            rescue.write(output.path, partial(output.write, profile=profile, look=self._look))
        for sentence in rescue.said:
            self.messages.error("%s", sentence)
