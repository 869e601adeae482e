"""The commands of the command line, one module each: what each takes.

A command is a module with `SUMMARY`, `add_options` and `run`, listed in `tracetools.__main__`. What
`run` does is in `running`; what the others do with files, in `files`; what a terminal shows, in
`terminal`.
"""

from tracetools.core.errors import TracetoolsError

__all__ = ["CommandError", "UsageError"]


class CommandError(TracetoolsError):
    """A command cannot do what it was asked to. The message says why, and what would help."""


class UsageError(CommandError):
    """A command was given what makes no sense: its usage is shown with the message."""
