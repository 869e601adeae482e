"""Profiles in notebooks: shown as reports. The report is imported when the first one is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracetools.core.profile import Profile

__all__ = ["show_profile"]


def show_profile(profile: Profile) -> str:
    """Return the report of a profile in a frame for a notebook."""
    from tracetools.output.report.of_profile import notebook_of_profile  # noqa: PLC0415  # see above

    return notebook_of_profile(profile)
