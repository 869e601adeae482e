"""From a profile to files, graphs, reports and lints. Nothing here records."""
