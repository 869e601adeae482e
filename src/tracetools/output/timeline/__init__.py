"""A page with the timeline of one span: tracks of tasks, and the same in words."""

from tracetools.output.timeline.page import timeline_page, write_timeline

__all__ = ["timeline_page", "write_timeline"]
