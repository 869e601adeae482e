"""What other tools load of ours, and what a program imports itself: plugins, extensions, middleware.

Each module is imported only by who uses it, and imports late what takes long.
"""
