"""A recording as its user asks for it: the options, `record` and `FlamegraphInstrument`."""
