"""What an engine does for us: it takes batches. Those that are ours to ask answer queries, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tracetools.core.errors import TracetoolsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracetools.fleet.batch import Batch

__all__ = [
    "Engine",
    "EngineError",
    "EngineRefusesError",
    "EngineUnavailableError",
    "EngineUnusableError",
]


class EngineError(TracetoolsError):
    """An engine did not do what was asked."""


class EngineUnavailableError(EngineError):
    """An engine is down, slow, full or locked: what was sent can be sent again.

    Args:
        text: what is the matter.
        retry_after: in how many seconds it wants to be asked again; ``None`` if it did not say.
    """

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class EngineUnusableError(EngineUnavailableError):
    """An engine takes nothing before somebody changes how it is set up: a password, its tables.

    What was sent is not to blame, and can be sent again then.
    """


class EngineRefusesError(EngineError):
    """An engine will not take it, however often it is sent."""


class Engine(Protocol):
    """Where profiles of many processes are kept."""

    def send(self, batches: Sequence[Batch]) -> None:
        """Hand over batches. When this returns, all are kept, and each counts once.

        A batch that is there already changes nothing.

        Raises:
            EngineUnavailableError: perhaps some are kept. Send them again, later; after an
                EngineUnusableError when somebody has changed something.
            EngineRefusesError: they are not kept, and never will be.
        """

    def close(self) -> None:
        """Let go of connections and files."""
