"""Flame graphs: stacks -> boxes (`layout`) -> colours (`palette`) -> SVG text (`svg`)."""

from tracetools.flamegraph.flamegrapher import Flamegrapher

__all__ = ["Flamegrapher"]
