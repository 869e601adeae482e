"""Who, below a stack: divides exact totals by awaits and samples, and never changes them."""
