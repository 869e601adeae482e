"""What every task of this process waits for just now: a dump, as a value, as text and as JSON."""
