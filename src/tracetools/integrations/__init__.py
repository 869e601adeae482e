"""What other tools load of ours, and what programs import: plugins, extensions, middleware.

Each module is imported only by who uses it, and imports late what takes long.
"""
