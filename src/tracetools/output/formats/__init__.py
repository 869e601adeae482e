"""Readers and writers of the files that tracetools exchanges with other tools; one module each."""
