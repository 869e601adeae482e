"""What tests of integrations share with those of libraries."""

from __future__ import annotations

from tests.libraries.conftest import backend, libraries_are_as_before, recorded

__all__ = ["backend", "libraries_are_as_before", "recorded"]
