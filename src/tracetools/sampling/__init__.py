"""The sampler: when it takes a sample, how it unwinds a thread, what blocks a loop."""
