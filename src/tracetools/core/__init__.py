"""Values and arithmetic: stacks, the accounting of time, profiles. No clock, thread, backend or file."""
