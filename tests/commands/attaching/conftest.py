"""A private folder for sockets."""

from tests.door.conftest import runtime

__all__ = ["runtime"]
