"""Flame graphs: from stacks to boxes (`layout`), colours (`palette`) and SVG text (`svg`)."""

from tracetools.output.flamegraph.flamegrapher import Flamegrapher

__all__ = ["Flamegrapher"]
