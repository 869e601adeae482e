"""Values and arithmetic of stacks and time. No clock, thread, backend or file."""
