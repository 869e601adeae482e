"""What a program imports to put spans of ours into others' libraries itself.

A recording does so without it, unless it is made with ``integrations=False``.
"""
