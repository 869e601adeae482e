"""How commands look into a process that runs: what it is, how it is entered, what is recorded."""
