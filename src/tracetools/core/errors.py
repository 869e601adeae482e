"""The errors that tracetools raises. Nothing else lives here.

Whose fault it is decides the type: a file that cannot be read or written, a file whose content
makes no sense, a place where nothing can be recorded, or a bug of ours (`LawError`). Misuse of a
call is a plain `TypeError` or `ValueError`, as everywhere in Python.
"""


class TracetoolsError(Exception):
    """The base of every error that tracetools raises on purpose."""


class StackFileError(TracetoolsError):
    """A stack file cannot be created, read or written. The message has the path and the remedy."""


class GraphFileError(TracetoolsError):
    """A graph file cannot be written. The message has the path and the remedy."""


class NoStacksError(TracetoolsError):
    """A folded file holds not one valid stack. The message says what was found instead."""


class RecordingError(TracetoolsError):
    """A recording cannot begin here. The message says what to write instead."""


class DoorError(TracetoolsError):
    """The door of a program cannot be opened, or entered. The message says what to do."""


class LawError(TracetoolsError):
    """A profile breaks one of the two laws of time: this is a bug in tracetools."""
