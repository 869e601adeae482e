"""Reports: a profile or folded stacks as one HTML page, with graphs, tables and metadata."""

from tracetools.output.report.of_profile import write_report
from tracetools.output.report.page import csp_sources

__all__ = ["csp_sources", "write_report"]
