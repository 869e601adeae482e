"""Flame graphs: stacks -> boxes (`layout`) -> colours (`palette`) -> SVG text (`svg`)."""

from tracetools.output.flamegraph.flamegrapher import Flamegrapher

__all__ = ["Flamegrapher"]
