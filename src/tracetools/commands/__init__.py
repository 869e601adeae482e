"""The commands of the command line, one module each, and what several of them share.

A command is a module with `SUMMARY`, `add_options` and `run`, listed in `tracetools.__main__`.
"""

from tracetools.core.errors import TracetoolsError

__all__ = ["CommandError", "UsageError"]


class CommandError(TracetoolsError):
    """A command cannot do what it was asked to. The message says why, and what would help."""


class UsageError(CommandError):
    """A command was given what makes no sense: its usage is shown with the message."""
