"""Recording always on: a profile for each minute, in a bounded folder."""
