"""What tasks did in a stretch of time, and why it took so long: values and arithmetic."""
