"""A recording while it goes on: the recorder, its snapshots, `observe` and `span`."""
