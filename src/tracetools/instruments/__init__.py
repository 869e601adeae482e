"""Adapters to the backends: the only modules that import one. Each hands events to a recorder."""
