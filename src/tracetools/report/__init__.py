"""Reports: one HTML page with the graphs of a recording, a table and what is known about it.

What may live here: how a profile or folded stacks become a page. What must not: reading, recording,
and the drawing of a graph.
"""

from tracetools.report.of_profile import write_report

__all__ = ["write_report"]
