"""What commands do with files: read those of any format, check targets, draw, compare, report."""
