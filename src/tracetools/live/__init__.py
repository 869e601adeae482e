"""What every task of this process waits for just now: a dump, as a value, as text and as JSON."""

from tracetools.live.taking import take_dump
from tracetools.live.text import render_dump
from tracetools.live.values import Dump

__all__ = ["Dump", "render_dump", "take_dump"]
