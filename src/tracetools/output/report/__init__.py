"""Reports: one HTML page with the graphs of a recording, a table and what is known about it.

What may live here: how a profile or folded stacks become a page. What must not: reading, recording,
and the drawing of a graph.
"""

from tracetools.output.report.of_profile import write_report
from tracetools.output.report.page import csp_sources

__all__ = ["csp_sources", "write_report"]
