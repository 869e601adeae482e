"""What keeps a recording out of the program's way. It imports `compat` alone."""
