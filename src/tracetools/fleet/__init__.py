"""Profiles of many processes: sent to an engine that people run, and asked for again."""
