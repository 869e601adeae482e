"""What `tracetools run` does: runs a program in this process, records it and its processes."""
