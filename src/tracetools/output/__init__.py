"""From a profile to files, graphs, reports and lints. Nothing here records."""

from tracetools.core.notebook import register_view
from tracetools.output.notebook import show_profile

register_view(show_profile)
